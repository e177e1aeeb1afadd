"""Attention patterns made small for the screen: eight bits a cell, pooled where a text is long."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headlab.heads import Head
from headlab.models.attention import Tap, run
from headlab.models.kernels import largest_cells, largest_without_first
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, resolve_start_token, tokenise

MAX_SIDE = 96


@dataclass(frozen=True, eq=False)
class Pictures:
    """Every head's pattern on one text, as it is drawn.

    ``cells`` uint8 [layer, head, cell] holds lower triangles row by row, 255 for an attention of 1.
    One cell stands for ``pool`` x ``pool`` query and key positions and shows the largest value
    among them; with ``pool`` 1 values are off by at most 0.2 points of a hundred. ``left`` float32
    [layer, head, query] is what a row has left for other tokens than the first, None without the
    lens.
    """

    cells: np.ndarray = field(repr=False)
    side: int
    pool: int
    left: np.ndarray | None = field(default=None, repr=False)

    @property
    def mean_left(self) -> np.ndarray | None:
        """What each head has left without the first token, mean of rows q >= 1, [layer, head]."""
        return None if self.left is None else self.left[..., 1:].mean(-1)

    def without(self, hidden: Iterable[tuple[int, int]]) -> "Pictures":
        """The same with nothing in the pictures of these heads (layer, head)."""
        cells = self.cells.copy()
        left = None if self.left is None else self.left.copy()
        for layer, head in hidden:
            cells[layer, head] = 0
            if left is not None:
                left[layer, head] = 0
        return Pictures(cells, self.side, self.pool, left)

    def smaller(self, largest_side: int) -> "Pictures":
        """The same pooled further, to at most ``largest_side`` cells a side."""
        rows, columns = np.tril_indices(self.side)
        square = np.zeros((*self.cells.shape[:2], self.side, self.side), dtype=np.uint8)
        square[..., rows, columns] = self.cells
        by = _pool_for(self.side, largest_side)
        cells = _triangle(pooled(square, by))
        return Pictures(cells, -(-self.side // by), self.pool * by, self.left)


class Drawing:
    """Pictures in the making, some heads of a layer at a time."""

    def __init__(
        self, shape: tuple[int, int], n: int, lens: bool = False, largest_side: int = MAX_SIDE
    ) -> None:
        self.pool = _pool_for(n, largest_side)
        self.side = -(-n // self.pool)
        self.cells = np.empty((*shape, self.side * (self.side + 1) // 2), dtype=np.uint8)
        self.left = np.empty((*shape, n), dtype=np.float32) if lens else None

    def add(self, layer: int, heads: slice, patterns: Any) -> None:
        """Draw the patterns, a tensor [head, query, key], of these heads; they are only read.

        They are pooled where they are: what leaves the tap is no larger than the picture.
        """
        if self.left is None:
            cells = largest_cells(patterns, self.pool)
        else:
            cells, left = largest_without_first(patterns, self.pool)
            self.left[layer, heads] = left.cpu().numpy()
        self.cells[layer, heads] = _triangle(quantised(cells.float().cpu().numpy()))

    def pictures(self) -> Pictures:
        """What has been drawn."""
        return Pictures(self.cells, self.side, self.pool, self.left)


def looking_most(pictures: Pictures, query: int, key: int, top: int) -> list[tuple[Head, float]]:
    """The ``top`` heads that look most from one position at an earlier one, with how much.

    Values are those of the pictures: 0 to 1, of a long text the largest in the two words' cell.
    Heads that do not look there at all are left out.
    """
    row, column = query // pictures.pool, key // pictures.pool
    found = pictures.cells[:, :, row * (row + 1) // 2 + column]
    order = np.argsort(-found.astype(int), axis=None, kind="stable")[:top]
    places = [divmod(int(place), found.shape[1]) for place in order if found.flat[place]]
    return [(Head(*place), float(found[place] / 255)) for place in places]


def draw_pictures(
    model: LoadedModel,
    text: str,
    start_token: StartToken = "model",
    lens: bool = False,
    largest_side: int = MAX_SIDE,
) -> Pictures:
    """The pictures of every head on ``text``, made layer by layer in one forward pass.

    With ``lens`` rows are renormalised without the first token (:func:`without_first`). Raises
    HeadlabError for a text that cannot be read. Who wants scores too asks ``read_text`` for both.
    """
    tokens, _ = tokenise(model, text, resolve_start_token(model, start_token))
    drawing = Drawing((model.n_layers, model.n_heads), len(tokens), lens, largest_side)

    def read(layer: int, heads: slice, pattern: Any) -> None:
        drawing.add(layer, heads, pattern[0])

    tap = Tap(read_heads=read, last_layer=model.n_layers - 1)
    run(model.network, model.as_batch([tokens]), tap)
    return drawing.pictures()


def without_first(patterns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sink lens: rows renormalised without the first token, and what was left of each.

    Parameters
    ----------
    patterns : attention probabilities [..., query, key].

    Returns
    -------
    The patterns with nothing on key 0 and every row summing to 1, NaN in a row that has nothing
    left (the first row always); and ``left`` [..., query], 0 to 1.

    >>> import numpy as np
    >>> rest, left = without_first(np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.1, 0.4]]))
    >>> rest[2], left
    (array([0. , 0.2, 0.8]), array([0. , 0.5, 0.5]))
    """
    rest = patterns.copy()
    rest[..., 0] = 0
    left = rest.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return rest / left[..., None], left


def quantised(patterns: np.ndarray) -> np.ndarray:
    """Probabilities as uint8, 255 for 1."""
    return np.rint(patterns * 255).clip(0, 255).astype(np.uint8)


def pooled(patterns: np.ndarray, by: int) -> np.ndarray:
    """The largest value of every ``by`` x ``by`` cells of [..., query, key]."""
    if by == 1:
        return patterns
    n = patterns.shape[-1]
    side = -(-n // by)
    wide = np.zeros((*patterns.shape[:-2], side * by, side * by), dtype=patterns.dtype)
    wide[..., :n, :n] = patterns
    return wide.reshape(*patterns.shape[:-2], side, by, side, by).max((-3, -1))


def _pool_for(n: int, largest_side: int) -> int:
    return -(-n // largest_side)


def _triangle(square: np.ndarray) -> np.ndarray:
    """The lower triangle of [..., query, key], row by row."""
    rows, columns = np.tril_indices(square.shape[-1])
    return square[..., rows, columns]
