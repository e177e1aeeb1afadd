"""Which heads look where a detector says, or at cells that were painted."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headlab.behaviours.detector import Detector
from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.measuring.json_types import plain
from headlab.measuring.notebook import InNotebook
from headlab.measuring.reading import Reading
from headlab.measuring.scoring import token_codes
from headlab.models.attention import Tap, run
from headlab.models.loaded import LoadedModel

SHUFFLES = 8


@dataclass(frozen=True, eq=False)
class Detection(InNotebook):
    """Every head's attention on the cells asked for, [layer, head], 0 to 1.

    ``score`` is the mean over the rows that ask for something, ``chance`` what even attention
    gives there, ``shuffled`` the score in the same cells of the same words in another order (mean
    of ``SHUFFLES``; NaN where that was not asked for): a head that keeps its score goes by
    position. ``rows`` is how many rows ask for something.
    """

    model_name: str
    text: str
    cells: np.ndarray = field(repr=False)
    rows: int
    score: np.ndarray = field(repr=False)
    chance: float
    shuffled: np.ndarray = field(repr=False)

    @property
    def excess(self) -> np.ndarray:
        """(score - chance) / (1 - chance), [layer, head]; NaN where chance is 1."""
        room = 1 - self.chance
        return (self.score - self.chance) / (room if room > 0 else np.nan)

    def to_frame(self) -> pd.DataFrame:
        """Heads, the best first: layer, head, name, score, chance, excess, shuffled."""
        order = np.argsort(-self.score, axis=None, kind="stable")
        heads = [Head(*map(int, np.unravel_index(at, self.score.shape))) for at in order]
        return pd.DataFrame(
            {
                "layer": [head.layer for head in heads],
                "head": [head.head for head in heads],
                "name": [str(head) for head in heads],
                "score": self.score.ravel()[order],
                "chance": self.chance,
                "excess": self.excess.ravel()[order],
                "shuffled": self.shuffled.ravel()[order],
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """In JSON types; NaN is None."""
        return {
            "model": self.model_name,
            "text": self.text,
            "rows": self.rows,
            "cells": np.argwhere(self.cells).tolist(),
            "chance": self.chance,
            "score": plain(self.score),
            "shuffled": plain(self.shuffled),
        }


def cells_of(detector: Detector, reading: Reading) -> np.ndarray:
    """The cells [query, key] of a text that a detector asks for.

    Raises HeadlabError where there is none.
    """
    cells = detector.targets(token_codes(reading.tokens), reading.token_texts)
    assert cells is not None  # the texts are there
    if not cells.any():
        raise HeadlabError("There is no such place in this text: choose another text or rule.")
    return np.asarray(cells)


def detect(reading: Reading, asked: Detector | np.ndarray) -> Detection:
    """How much every head of a text's reading looks at the cells asked for.

    Parameters
    ----------
    reading : with the patterns of every layer.
    asked : a detector, or cells [query, key], boolean, none of them ahead of its query.

    Raises
    ------
    HeadlabError : no cell is asked for, or one that lies ahead, or a layer was not kept.

    >>> from headlab import load_model, read_text
    >>> reading = read_text(load_model("mini"), "The cat sat on the mat. The cat sat on the")
    >>> detect(reading, Detector("back", back=(1,))).to_frame()["name"][0]
    'L0.H0'
    """
    cells = cells_of(asked, reading) if isinstance(asked, Detector) else np.asarray(asked)
    n = len(reading.tokens)
    if cells.shape != (n, n) or cells.dtype != bool:
        raise HeadlabError(f"The cells must be a boolean array [{n}, {n}]: one for each pair.")
    if np.triu(cells, 1).any():
        raise HeadlabError("A head cannot look ahead: leave the cells above the diagonal out.")
    if not cells.any():
        raise HeadlabError("Paint a cell first: where should the head look, and from where?")
    if len(reading.layers) != reading.n_layers:
        raise HeadlabError("The patterns of some layers were not kept: read the text with all.")
    rows = cells.any(-1)
    even = cells.sum(-1)[rows] / (1 + np.flatnonzero(rows))
    return Detection(
        model_name=reading.model_name,
        text=reading.text,
        cells=cells,
        rows=int(rows.sum()),
        score=_on(reading.patterns, cells),
        chance=float(even.mean()),
        shuffled=np.full(reading.entropy.shape, np.nan),
    )


def shuffled_score(
    model: LoadedModel, reading: Reading, cells: np.ndarray, seed: int = 0
) -> np.ndarray:
    """The score in the same cells of texts with the same tokens in another order, [layer, head].

    The start token stays where it is; mean over ``SHUFFLES`` orders.
    """
    rng, first = np.random.default_rng(seed), int(reading.start_token is not None)
    texts = []
    for _ in range(SHUFFLES):
        rest = rng.permutation(reading.tokens[first:]).tolist()
        texts.append([*reading.tokens[:first], *rest])
    found = np.full((len(texts), *reading.entropy.shape), np.nan)

    def read_heads(layer: int, heads: slice, pattern: Any) -> None:
        found[:, layer, heads] = _on(pattern.float().cpu().numpy(), cells)

    tap = Tap(read_heads=read_heads, last_layer=model.n_layers - 1)
    run(model.network, model.as_batch(texts), tap)
    return np.asarray(found.mean(0))


def _on(patterns: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Mean over the rows with cells of the attention on them, [..., query, key] -> [...]."""
    sums = np.einsum("...qk,qk->...", patterns, cells.astype(np.float32), dtype=np.float64)
    return np.asarray(sums / cells.any(-1).sum())
