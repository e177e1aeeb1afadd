"""How heads compose: how much of what an earlier head writes a later one can read, from weights."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.base import HeadName, checked_heads, known
from headlab.measuring.json_types import plain
from headlab.measuring.notebook import InNotebook
from headlab.models import composing
from headlab.models.loaded import LoadedModel
from headlab.models.weights import check_weights, head_weights

Input = Literal["query", "key", "value"]
INPUTS: tuple[Input, ...] = ("query", "key", "value")
DRAWS = 20  # random heads with the same singular values


@dataclass(frozen=True, eq=False)
class Composition(InNotebook):
    """Every pair of heads, by the input of the later head: "query", "key" or "value".

    ``score`` [earlier layer, head, later layer, head] is the norm of the product of W_OV and W_QK
    (its transpose, W_OV) over the product of their norms, 0 to 1. It is never 0, for random
    matrices overlap too; ``excess`` is how far it lies above ``DRAWS`` random heads with the same
    singular values, in their standard deviations. NaN where the one is not in an earlier layer.
    """

    model_name: str
    score: dict[str, np.ndarray] = field(repr=False)
    excess: dict[str, np.ndarray] = field(repr=False)

    def into(self, head: HeadName, through: Input = "query") -> pd.DataFrame:
        """Earlier heads, those first that ``head`` can read most: head, score, excess."""
        return self._around(head, through, lambda array, h: array[:, :, h.layer, h.head])

    def out_of(self, head: HeadName, through: Input = "query") -> pd.DataFrame:
        """Later heads, those first that can read most of ``head``: head, score, excess."""
        return self._around(head, through, lambda array, h: array[h.layer, h.head])

    def _around(self, head: HeadName, through: Input, cut: Any) -> pd.DataFrame:
        known("input", through, INPUTS)
        n_layers, n_heads = next(iter(self.score.values())).shape[:2]
        chosen = Head.of(head)
        if not (0 <= chosen.layer < n_layers and 0 <= chosen.head < n_heads):
            raise HeadlabError(
                f"{self.model_name} has no head {chosen}: its layers run from 0 to {n_layers - 1} "
                f"and the heads of each from 0 to {n_heads - 1}."
            )
        score, excess = (cut(array[through], chosen) for array in (self.score, self.excess))
        places = np.argwhere(~np.isnan(score))
        table = pd.DataFrame(
            {
                "head": [str(Head(*map(int, place))) for place in places],
                "score": score[tuple(places.T)],
                "excess": excess[tuple(places.T)],
            }
        )
        return table.sort_values("excess", ascending=False, kind="stable").reset_index(drop=True)

    def to_frame(self) -> pd.DataFrame:
        """Every pair through every input: from, into, through, score, excess; strongest first."""
        tables = []
        for through in INPUTS:
            places = np.argwhere(~np.isnan(self.score[through]))
            tables.append(
                pd.DataFrame(
                    {
                        "from": [f"L{a}.H{b}" for a, b, _, _ in places],
                        "into": [f"L{c}.H{d}" for _, _, c, d in places],
                        "through": through,
                        "score": self.score[through][tuple(places.T)],
                        "excess": self.excess[through][tuple(places.T)],
                    }
                )
            )
        whole = pd.concat(tables)
        return whole.sort_values("excess", ascending=False, kind="stable").reset_index(drop=True)

    def to_dict(self) -> dict[str, Any]:
        """Scores and excesses in JSON types; NaN is None."""
        return {
            "model": self.model_name,
            "draws": DRAWS,
            **{name: {k: plain(a) for k, a in getattr(self, name).items()} for name in _ARRAYS},
        }


_ARRAYS = ("score", "excess")


def composition(model: LoadedModel, *, seed: int = 0) -> Composition:
    """How much of what each head writes each head of a later layer can read.

    Through its queries (W_OV W_QK), its keys (W_OV W_QK^T) and its values (W_OV W_OV). The gains of
    norms are folded in, W_O is centred where the final norm centres; biases and rotations of
    positions are left out. All pairs at once, in factors of d_head.

    Raises
    ------
    HeadlabError : a model whose weights headlab cannot read, or whose queries and keys are made in
        more than one step.

    Source: Elhage et al. 2021; the score is that of TransformerLens, the null is ours.

    >>> from headlab import load_model
    >>> composition(load_model("mini")).into("L3.H5", "key").columns.tolist()
    ['head', 'score', 'excess']
    """
    check_weights(model.network)
    factors = None
    if head_weights(model.network, 0).W_Q.numel():
        factors = composing.Factors(model.network)
    if factors is None:
        raise HeadlabError(
            "The queries and keys of this model are made in more than one step, so there is no "
            "matrix of what looks for what: choose another model."
        )
    score: dict[str, np.ndarray] = {}
    excess: dict[str, np.ndarray] = {}
    for kind in INPUTS:
        found = composing.scores(factors, kind, model.n_heads)
        mean, spread = composing.null(factors, kind, DRAWS, seed)
        score[kind] = _spread_out(model, factors, found.numpy())
        excess[kind] = _spread_out(model, factors, ((found - mean) / spread).numpy())
    return Composition(model.name, score, excess)


def _spread_out(model: LoadedModel, factors: composing.Factors, pairs: np.ndarray) -> np.ndarray:
    """[head, head] of the layers with attention as [layer, head, layer, head]."""
    whole = np.full((model.n_layers, model.n_heads) * 2, np.nan)
    n, heads = len(factors.layers), model.n_heads
    at = np.array(factors.layers)
    whole[at[:, None], :, at[None, :], :] = pairs.reshape(n, heads, n, heads).transpose(0, 2, 1, 3)
    return whole


def checked(model: LoadedModel, head: HeadName) -> Head:
    """One head of the model."""
    (found,) = checked_heads(model, Head.of(head), ())
    return found
