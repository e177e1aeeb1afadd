"""One forward pass over some texts, and everything that is kept of each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headlab.behaviours import Behaviour, Prompt, behaviours
from headlab.behaviours.base import positions
from headlab.measuring.pictures import Drawing
from headlab.measuring.scoring import Batch, LayerScores
from headlab.models.attention import Tap, run
from headlab.models.loaded import LoadedModel

HINT_FROM = 2  # the first row that a hint counts: earlier ones have hardly a choice
SHAPES = {  # the shares of a picture behind a hint, in words
    "first": "first token",
    "current": "current token",
    "previous": "previous token",
    "local": "local",
    "far": "far",
}


class _Kept:
    """What is kept of one text, [layer, head] unless said otherwise."""

    def __init__(
        self,
        prompt: Prompt,
        chosen: Sequence[Behaviour],
        model: LoadedModel,
        layers: Sequence[int],
        pictures: bool,
    ) -> None:
        n, shape = len(prompt.tokens), (model.n_layers, model.n_heads)
        self.n, self.layers = n, layers
        self.patterns = np.zeros((len(layers), model.n_heads, n, n), dtype=np.float32)
        self.scores = {b.name: np.full(shape, np.nan) for b in chosen}
        self.chance = {b.name: np.full(shape, np.nan) for b in chosen}
        self.shares = {key: np.full(shape, np.nan) for key in SHAPES}
        self.entropy = np.full(shape, np.nan)
        self.vectors: dict[int, np.ndarray] = {}
        self.drawings = [Drawing(shape, n, lens) for lens in (False, True) * pictures]

    def add(
        self, row: int, layer: int, heads: slice, pattern: Any, found: LayerScores, entropy: Any
    ) -> None:
        """Some heads of a layer: ``pattern`` [prompt, head, query, key], this text's is ``row``."""
        for name, score in found.score.items():
            self.scores[name][layer, heads] = score[row]
            self.chance[name][layer, heads] = found.chance[name][row]
        for key in SHAPES:
            self.shares[key][layer, heads] = found.extra[key][row]
        self.entropy[layer, heads] = entropy[row]
        mine = pattern[row, :, : self.n, : self.n]
        if layer in self.layers:
            self.patterns[self.layers.index(layer), heads] = mine.float().cpu().numpy()
        for drawing in self.drawings:
            drawing.add(layer, heads, mine)

    def fields(self, rows: dict[str, int]) -> dict[str, Any]:
        """As a ``Reading`` holds it."""
        self.patterns.setflags(write=False)
        pictures = [drawing.pictures() for drawing in self.drawings]
        vectors = [self.vectors[layer] for layer in self.layers if layer in self.vectors]
        return {
            "layers": tuple(self.layers),
            "patterns": self.patterns,
            "scores": self.scores,
            "chance": self.chance,
            "rows": rows,
            "shares": self.shares,
            "entropy": self.entropy,
            "pictures": pictures[0] if pictures else None,
            "pictures_without_first": pictures[1] if pictures else None,
            "values": np.stack(vectors) if vectors else None,
        }


def one_pass(
    model: LoadedModel,
    prompts: Sequence[Prompt],
    layers: Sequence[int],
    pictures: bool = False,
    values: bool = False,
) -> list[dict[str, Any]]:
    """What a ``Reading`` holds of each prompt, all read in one forward pass.

    ``layers`` are those whose patterns, and with ``values`` value vectors, are kept.
    """
    chosen = [behaviour for behaviour in behaviours().values() if not behaviour.needs_model]
    extra = [_shape_cells(len(prompt.tokens)) for prompt in prompts]
    batch = Batch(prompts, chosen, on_text=True, model=model, extra=extra)
    kept = [_Kept(prompt, chosen, model, layers, pictures) for prompt in prompts]

    def read(layer: int, heads: slice, pattern: Any) -> None:
        found = batch.score_layer(layer, pattern)
        entropy = batch.mean_entropy(pattern, HINT_FROM)
        for row, each in enumerate(kept):
            each.add(row, layer, heads, pattern, found, entropy)

    def read_value(layer: int, value: Any) -> None:
        if layer in layers:
            for row, each in enumerate(kept):
                each.vectors[layer] = value[row, :, : each.n].float().cpu().numpy()

    tap = Tap(
        read_heads=read,
        edit_value=read_value if values else None,
        last_layer=model.n_layers - 1,
    )
    run(model.network, model.as_batch([prompt.tokens for prompt in prompts]), tap)
    return [
        each.fields({name: int(rows[row]) for name, rows in batch.rows.items()})
        for row, each in enumerate(kept)
    ]


def _shape_cells(n: int) -> Mapping[str, tuple[np.ndarray, float]]:
    """Cells [query, key] of the shares behind a hint, rows q >= 2, and what weighs each row."""
    q, k = positions(n)
    first = np.broadcast_to(k == 0, (n, n))
    local = (k >= np.maximum(1, q - 4)) & (k <= q - 2)
    cells = {
        "first": first,
        "current": k == q,
        "previous": (k == q - 1) & ~first,
        "local": local,
        "far": (k >= 1) & (k < q - 4),
    }
    rows, weight = q >= HINT_FROM, 1 / max(n - HINT_FROM, 1)
    return {key: (mask & rows, weight) for key, mask in cells.items()}
