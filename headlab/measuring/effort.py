"""How long reading a text will take, and how much memory, said before it is read."""

from dataclasses import dataclass

from headlab.models.kernels import products_per_second
from headlab.models.loaded import LoadedModel

CELL = 1_300  # products in whose time a cell of a pattern is made, scored and drawn; measured
WORKING_LAYERS = 2  # of attention that exist at once beside what is kept (benchmarks/memory.py)


@dataclass(frozen=True)
class Effort:
    """Seconds on a machine that does nothing else, and bytes beside the model."""

    seconds: float
    n_bytes: int


def effort_of_reading(model: LoadedModel, n_tokens: int, n_kept: int = 0) -> Effort:
    """About what reading a text of this length takes, the patterns of ``n_kept`` layers kept.

    Every token costs a product with every weight of the layers, every cell of every pattern
    ``CELL`` more; the machine's speed at such products is timed once.
    """
    cells = model.n_heads * n_tokens**2
    weights = sum(p.numel() for p in model.network.base_model.parameters())
    weights -= model.network.get_input_embeddings().weight.numel()
    products = n_tokens * weights + CELL * cells * model.n_layers
    speed = products_per_second(str(model.device))
    return Effort(products / speed, 4 * (WORKING_LAYERS + n_kept) * cells)
