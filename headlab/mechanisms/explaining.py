"""Why does a head look there? One attention score, split exactly by what wrote query and key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError, unknown
from headlab.heads import Head
from headlab.interventions.base import (
    HeadName,
    OnText,
    checked_heads,
    checked_position,
    facts,
    known,
    read,
)
from headlab.measuring.notebook import InNotebook
from headlab.models.kernels import exact
from headlab.models.loaded import LoadedModel
from headlab.models.score_parts import ScoreParts, score_parts
from headlab.models.tokens import StartToken

Side = Literal["query", "key"]
SIDES: tuple[Side, ...] = ("query", "key")
EXACT = 1e-4  # of max(1, |score|): a sum that is farther from the score is not shown
MIN_DRAWS = 5  # other sets of parts than that are no control


@dataclass(frozen=True, eq=False)
class Without:
    """A head's row with some parts taken out of its queries, or of its keys.

    ``before`` and ``after`` are attention [key], 0 to 1; ``control`` [draw, key] is the row without
    as many other parts, drawn at random. Everything else is as it was: only this head's own queries
    or keys miss the parts.
    """

    parts: tuple[str, ...]
    side: Side
    key: int
    before: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    control: np.ndarray = field(repr=False)

    @property
    def change(self) -> float:
        """How much attention on the key changes, -1 to 1."""
        return float(self.after[self.key] - self.before[self.key])

    @property
    def control_changes(self) -> np.ndarray:
        """The same for each draw of the control, [draw]."""
        return self.control[:, self.key] - self.before[self.key]

    @property
    def beyond_control(self) -> float:
        """The share of draws that change it less, 0 to 1; NaN where too few other parts exist."""
        if len(self.control) < MIN_DRAWS:
            return float("nan")
        return float((np.abs(self.control_changes) < abs(self.change)).mean())

    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""
        beyond = self.beyond_control
        return {
            "without": list(self.parts),
            "side": self.side,
            "before": float(self.before[self.key]),
            "after": float(self.after[self.key]),
            "control": [float(row[self.key]) for row in self.control],
            "beyond_control": None if np.isnan(beyond) else beyond,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class AttentionExplanation(OnText, InNotebook):
    """What wrote the query and the key of one cell of one head, and what each adds to its score.

    ``parts`` name what wrote to the residual stream before the head: "token" and "position" (the
    embeddings), heads, "MLP n", and "biases" (all as one). ``by_query`` [part] are their shares of
    the contrasted score ``contrast`` as writers of the query at ``query``, ``by_key`` [part] as
    writers of the keys, ``pairs`` [query part, key part] in pairs. Each sums to ``contrast``: the
    score minus the mean of the scores of the keys that the row can see, because a softmax does not
    see what is added to all of them. In units of scores before the softmax, scaling included, the
    statistics of norms frozen at their values on this text. ``row`` [key] is the attention of the
    query, 0 to 1; ``residue`` is the largest difference between a score of the row and its sum.
    """

    head: Head
    query: int
    key: int
    parts: tuple[str, ...]
    score: float
    row: np.ndarray = field(repr=False)
    residue: float
    _queries: np.ndarray = field(repr=False)  # [part, d_head], scaling included
    _keys: np.ndarray = field(repr=False)  # [part, key, d_head]
    _mask: np.ndarray = field(repr=False)  # [key]

    @property
    def attention(self) -> float:
        """The attention of the cell, 0 to 1."""
        return float(self.row[self.key])

    @cached_property
    def scores(self) -> np.ndarray:
        """The scores of the row before the mask, [key]."""
        return self._keys.sum(0) @ self._queries.sum(0)

    @cached_property
    def _contrasted(self) -> np.ndarray:
        """Each part's key minus its mean over the keys that can be seen, [part, d_head]."""
        seen = self._mask > self._mask.max() - 1e4
        return self._keys[:, self.key] - self._keys[:, seen].mean(1)

    @property
    def contrast(self) -> float:
        """The score minus the mean of those that the row can see."""
        return float(self._queries.sum(0) @ self._contrasted.sum(0))

    @cached_property
    def by_query(self) -> np.ndarray:
        """What each part adds to the contrast as a writer of the query, [part]."""
        return self._queries @ self._contrasted.sum(0)

    @cached_property
    def by_key(self) -> np.ndarray:
        """What each part adds to the contrast as a writer of the keys, [part]."""
        return self._contrasted @ self._queries.sum(0)

    @cached_property
    def pairs(self) -> np.ndarray:
        """What each pair adds to the contrast, [query part, key part]."""
        return self._queries @ self._contrasted.T

    def shares(self, side: Side) -> list[tuple[str, float]]:
        """Every part of one side with what it adds to the contrast, the largest first."""
        known("side", side, SIDES)
        values = self.by_query if side == "query" else self.by_key
        order = np.argsort(-np.abs(values), kind="stable")
        return [(self.parts[at], float(values[at])) for at in order]

    def strongest_pairs(self, top: int = 10) -> list[tuple[str, str, float]]:
        """The pairs (query part, key part) that add most, or take away most, with how much."""
        order = np.argsort(-np.abs(self.pairs), axis=None, kind="stable")[:top]
        places = [divmod(int(at), len(self.parts)) for at in order]
        return [(self.parts[q], self.parts[k], float(self.pairs[q, k])) for q, k in places]

    def without(
        self, part: str | Iterable[str], side: Side = "query", *, draws: int = 20, seed: int = 0
    ) -> Without:
        """The row of attention with parts taken out of this head's queries, or of all its keys.

        One causal step: only what this head reads changes, nothing before it. The control takes out
        as many other parts of the same side, drawn at random, each draw another set.

        Raises
        ------
        HeadlabError : a part or side that there is not.
        """
        known("side", side, SIDES)
        named = [part] if isinstance(part, str) else list(dict.fromkeys(part))
        for name in named:
            if name not in self.parts:
                raise unknown("part", name, self.parts)
        chosen = [self.parts.index(name) for name in named]
        others = [at for at in range(len(self.parts)) if at not in chosen]
        rng = np.random.default_rng(seed)
        drawn: set[tuple[int, ...]] = set()
        if chosen and len(others) > len(chosen):
            for _ in range(10 * draws):
                if len(drawn) == draws:
                    break
                drawn.add(tuple(sorted(rng.choice(others, len(chosen), replace=False).tolist())))
        control = [self._row_without(draw, side) for draw in sorted(drawn)]
        return Without(
            parts=tuple(named),
            side=side,
            key=self.key,
            before=self._row_without((), side),
            after=self._row_without(chosen, side),
            control=np.array(control).reshape(len(control), len(self.row)),
        )

    def _row_without(self, gone: Sequence[int], side: Side) -> np.ndarray:
        query, keys = self._queries.sum(0), self._keys.sum(0)
        if len(gone) == len(self.parts):  # the sum of all, whatever rounding leaves of it
            query, keys = (query * 0, keys) if side == "query" else (query, keys * 0)
        elif side == "query":
            query = query - self._queries[list(gone)].sum(0)
        else:
            keys = keys - self._keys[list(gone)].sum(0)
        scores = keys @ query + self._mask
        row = np.exp(scores - scores.max())
        return row / row.sum()

    def to_frame(self) -> pd.DataFrame:
        """Part and what it adds to the contrast on either side, the largest first."""
        table = pd.DataFrame({"part": self.parts, "query": self.by_query, "key": self.by_key})
        size = table[["query", "key"]].abs().max(axis=1)
        return table.loc[size.sort_values(ascending=False, kind="stable").index].reset_index(
            drop=True
        )

    def to_dict(self) -> dict[str, Any]:
        """The cell, and what each part adds on either side, in JSON types."""
        return {
            **facts(self),
            "text": self.text,
            "head": str(self.head),
            "query": self.query,
            "key": self.key,
            "query_token": self.token_texts[self.query],
            "key_token": self.token_texts[self.key],
            "attention": self.attention,
            "score": self.score,
            "contrast": self.contrast,
            "residue": self.residue,
            "parts": list(self.parts),
            "by_query": self.by_query.tolist(),
            "by_key": self.by_key.tolist(),
            "pairs": [list(pair) for pair in self.strongest_pairs()],
        }


def explain_attention(
    model: LoadedModel,
    text: str,
    head: HeadName,
    query: int,
    key: int,
    *,
    start_token: StartToken = "model",
) -> AttentionExplanation:
    """Split the score that a head gives one token from another by what wrote query and key.

    Parameters
    ----------
    head : such as ``"L5.H1"``.
    query, key : positions in the text, the start token counted; from the end if negative. The head
        looks from ``query`` at ``key``, which is not later.

    Returns
    -------
    AttentionExplanation : shares of the contrasted score by part, [part] on either side and
        [part, part] in pairs, which sum to it exactly (1e-4 of max(1, abs(score)) in float32).

    Raises
    ------
    HeadlabError : no such head or position, a key later than the query, or a model whose scores are
        no such sum; then nothing is shown.

    Source: after Anthropic's QK attributions (2025) and Franco et al. 2026 (ACC++).

    >>> from headlab import load_model
    >>> why = explain_attention(load_model("mini"), "The cat sat. The cat", "L1.H0", -1, 1)
    >>> bool(abs(why.by_query.sum() - why.contrast) < 1e-6)
    True
    """
    on = read(model, text, start_token)
    (chosen,) = checked_heads(model, head, ())
    query, key = (checked_position(place, on.tokens) for place in (query, key))
    if key > query:
        raise HeadlabError(
            f"Position {key} comes after position {query}, and a head looks at earlier tokens "
            "only: choose a key that is not later than the query."
        )
    prefix = on.tokens[: query + 1]  # later tokens change nothing for this row
    found = score_parts(
        model.network,
        model.as_batch([prefix]),
        chosen.layer,
        slice(chosen.head, chosen.head + 1),
    )
    queries, keys, mask, raw = _row_of(found)
    scores = keys.sum(0) @ queries.sum(0)
    off = np.abs(scores - raw) / np.maximum(1, np.abs(raw))
    if not off.max() <= EXACT:
        raise HeadlabError(
            f"The parts of this score miss it by {off.max():.1g} of its size, more than the "
            f"{EXACT:g} that counts as exact, so nothing is shown: the model normalises queries "
            "and keys, or is not open in float32."
        )
    if mask[key] < mask.max() - 1e4:
        raise HeadlabError(
            f"The head does not see as far back as position {key} (sliding window): choose a "
            "later key."
        )
    logits = raw + mask
    row = np.exp(logits - logits.max())
    return AttentionExplanation(
        **vars(on),
        head=chosen,
        query=query,
        key=key,
        parts=tuple(str(part) for part in found.parts),
        score=float(raw[key]),
        row=row / row.sum(),
        residue=float(np.abs(scores - raw).max()),
        _queries=queries,
        _keys=keys,
        _mask=mask,
    )


def _row_of(found: ScoreParts) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Queries [part, d_head], keys [part, key, d_head], mask and scores [key] of the last row."""
    queries = _exact(found.query[:, 0, -1]) * found.scaling
    keys, mask = _exact(found.key[:, 0]), _exact(found.mask[-1])
    raw = _exact(found.whole_key[0]) @ _exact(found.whole_query[0, -1]) * found.scaling
    return queries, keys, np.maximum(mask, -1e9), raw


def _exact(tensor: Any) -> np.ndarray:
    return exact(tensor).numpy()
