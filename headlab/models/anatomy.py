"""What was found out about a network when it was opened: where its heads are, what may be asked.

No list of architectures decides: :mod:`headlab.models.proof` runs a short text and writes down
which modules did what. Everything here is names and numbers, so it can be kept as JSON and put on
another network of the same configuration.
"""

from dataclasses import asdict, dataclass
from typing import Any

from headlab.errors import HeadlabError

_ATTRIBUTE = "_headlab_anatomy"


@dataclass(frozen=True)
class Projection:
    """Which outputs of a linear layer are the queries, keys or values of each head.

    Heads come in groups ``step`` outputs apart, ``per`` heads to a group, the first at ``offset``.
    ``norm`` names a norm between the layer and the attention, or nothing.
    """

    module: str
    heads: int
    d_head: int
    offset: int = 0
    step: int = 0
    per: int = 1
    norm: str = ""


@dataclass(frozen=True)
class Layer:
    """One block: what it reads, and how its heads' outputs reach the stream.

    Names of modules in the network, nothing where there is none: ``attention`` in a layer that has
    none, too. ``reads`` is the norm between the
    residual stream and the values, ``writes`` a norm between W_O and the stream, ``mlp`` the module
    whose output is added beside; both are added ``scale`` (``mlp_scale``) times. ``weights`` says
    why what the heads write cannot be rebuilt from weights, ``adds`` why the block is no sum.
    """

    block: str
    attention: str = ""
    d_head: int = 0
    value: Projection | None = None
    query: Projection | None = None
    key: Projection | None = None
    output: str = ""
    reads: str = ""
    writes: str = ""
    mlp: str = ""
    scale: float = 1.0
    mlp_scale: float = 1.0
    weights: str = ""
    adds: str = ""


@dataclass(frozen=True)
class Anatomy:
    """A network as far as headlab can see it.

    ``tapped`` says that its attention passes through the tap and equals eager attention; otherwise
    it is read when a pass is over. ``unreadable``, ``unchangeable``, ``weights`` and ``adds`` are
    each a reason, or nothing where the thing works. ``sinks``: a learned sink takes a part of every
    row, which then sums to less than 1. ``logit_scale`` and ``softcap`` make logits of what the
    unembedding gives. ``stream``: what goes into a block is all that this block and later ones
    read; ``joins``: a pass can be given more texts there.
    """

    n_heads: int = 0
    layers: tuple[Layer, ...] = ()
    tapped: bool = False
    sinks: bool = False
    final_norm: str = ""
    logit_scale: float = 1.0
    softcap: float = 0.0
    unreadable: str = ""
    unchangeable: str = ""
    weights: str = ""
    adds: str = ""
    stream: bool = False
    joins: bool = False
    difference: float = 0.0  # largest between the tap's patterns and eager attention's

    @property
    def n_layers(self) -> int:
        """Blocks, those without attention counted."""
        return len(self.layers)

    @property
    def d_head(self) -> int:
        """Length of a value vector, in the layer where it is longest."""
        return max((layer.d_head for layer in self.layers), default=0)

    @property
    def without_attention(self) -> list[int]:
        """Layers that have no attention."""
        return [index for index, layer in enumerate(self.layers) if not layer.attention]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Anatomy":
        """What :meth:`to_dict` gave; TypeError or KeyError for anything else."""
        layers = []
        for layer in data["layers"]:
            found = {
                name: Projection(**layer[name])
                for name in ("query", "key", "value")
                if layer[name] is not None
            }
            layers.append(Layer(**(layer | found)))
        return cls(**(data | {"layers": tuple(layers)}))


def anatomy(network: Any) -> Anatomy:
    """What is known of a network; HeadlabError for one that headlab has not opened."""
    found = getattr(network, _ATTRIBUTE, None)
    if found is None:
        raise HeadlabError(
            "This network was not opened by headlab, so nothing can be read from it: open it with "
            "load_model, or call headlab.models.proof.examine on it."
        )
    return found


def body(network: Any) -> Any:
    """The network without its unembedding."""
    found = network.base_model
    return network.get_decoder() if found is network else found


def remember(network: Any, found: Anatomy) -> None:
    """Put what was found out on the network it belongs to."""
    setattr(network, _ATTRIBUTE, found)
