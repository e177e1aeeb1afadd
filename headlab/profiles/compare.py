"""Two profiles side by side, or two models on one text.

Head 5 of one model is not head 5 of another. Heads are compared one by one only where one model
grew out of the other (fine-tuning, checkpoints), which the profiles themselves must show; otherwise
roles are compared: shares of heads by relative depth, and the strongest heads of each behaviour.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from headlab.behaviours import get_behaviour
from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.measuring import confidence
from headlab.measuring.confidence import UNCLASSIFIED
from headlab.measuring.json_types import records
from headlab.measuring.reading import Reading
from headlab.measuring.scoring import MIN_CHANGE
from headlab.models.loading import LoadedModel
from headlab.models.tokens import find_in_text
from headlab.profiles.profile import Profile

SCHEMA = "headlab.comparison/1"
SEED = 0
N_SHUFFLES = 1_000
MIN_ORDERS = 20  # of the heads: with fewer, chance meets the right one in more than 5 %
UP, DOWN, SAME, OPEN, UNMEASURED = "up", "down", "same", "cannot tell", "not measured"
THIRDS = ("first third", "middle third", "last third")


@dataclass(frozen=True, eq=False)
class Change:
    """The change of one behaviour's score, after minus before, [layer, head], -1 to 1.

    ``low`` and ``high`` are its 95 % interval; they are NaN where it cannot be had, and ``why``
    says so.
    """

    change: np.ndarray
    low: np.ndarray
    high: np.ndarray
    why: str = ""

    @cached_property
    def verdict(self) -> np.ndarray:
        """Per head: up, down, same, cannot tell, not measured.

        Up or down where the whole interval lies beyond ``MIN_CHANGE``, same where it lies
        within; anything else cannot be told.
        """
        with np.errstate(invalid="ignore"):
            conditions = {
                UNMEASURED: np.isnan(self.change),
                UP: self.low >= MIN_CHANGE,
                DOWN: self.high <= -MIN_CHANGE,
                SAME: (self.low > -MIN_CHANGE) & (self.high < MIN_CHANGE),
            }
        return np.select(list(conditions.values()), list(conditions), OPEN)

    @cached_property
    def sure(self) -> np.ndarray:
        """The least change that the interval allows, signed, [layer, head]; 0 if it holds zero."""
        with np.errstate(invalid="ignore"):
            return np.where(self.low > 0, self.low, np.where(self.high < 0, self.high, 0.0))


@dataclass(frozen=True, eq=False)
class ProfileComparison:
    """Two profiles side by side.

    ``by_role`` gives the reasons why heads are not compared one by one; where it is empty,
    ``changes`` maps every behaviour measured on both to its :class:`Change`. ``cautions`` say what
    limits even the comparison of roles, ``left_out`` which behaviours were measured on one only.
    """

    before: Profile
    after: Profile
    by_role: tuple[str, ...]
    cautions: tuple[str, ...]
    left_out: tuple[str, ...]
    changes: dict[str, Change]

    @property
    def names(self) -> tuple[str, str]:
        """What the two models are called, told apart if they share a name."""
        return _names(self.before, self.after)

    @property
    def behaviours(self) -> tuple[str, ...]:
        """Behaviours measured on both, in label order."""
        return tuple(name for name in self.before.behaviours if name in self.after.score)

    def table(self) -> pd.DataFrame:
        """Tidy table, one row for each head and behaviour: scores, change, interval, verdict."""
        layer, head = np.indices((self.before.n_layers, self.before.n_heads)).reshape(2, -1)
        names = [str(Head(int(a), int(b))) for a, b in zip(layer, head, strict=True)]
        parts = [
            pd.DataFrame(
                {"name": names, "layer": layer, "head": head, "behaviour": behaviour}
                | {"before": self.before.score[behaviour].reshape(-1)}
                | {"after": self.after.score[behaviour].reshape(-1)}
                | {"change": c.change.reshape(-1), "low": c.low.reshape(-1)}
                | {"high": c.high.reshape(-1), "verdict": c.verdict.reshape(-1)}
                | {"sure": c.sure.reshape(-1)}
            )
            for behaviour, c in self.changes.items()
        ]
        columns = ["name", "layer", "head", "behaviour", "before", "after", "change", "low"]
        columns += ["high", "verdict", "sure"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    def ranking(self, behaviour: str | None = None, top: int | None = None) -> pd.DataFrame:
        """Changes that are sure, the surest first: by the least change that the interval allows."""
        table = self.table()
        table = table[table["verdict"].isin((UP, DOWN))]
        if behaviour is not None:
            table = table[table["behaviour"] == behaviour]
        order = table["sure"].abs().sort_values(ascending=False, kind="stable").index
        return table.loc[order].head(top).reset_index(drop=True)

    def verdict_counts(self) -> pd.DataFrame:
        """One row for each behaviour: how many heads went up, down, stayed, cannot be told."""
        kinds = (UP, DOWN, SAME, OPEN, UNMEASURED)
        return pd.DataFrame(
            [
                {"behaviour": name} | {kind: int((c.verdict == kind).sum()) for kind in kinds}
                for name, c in self.changes.items()
            ],
            columns=["behaviour", *kinds],
        )

    def relabelled(self) -> pd.DataFrame:
        """Heads whose label changed, those first whose two labels both hold up best."""
        one, two = self.before, self.after
        differ = (one.label != two.label) if self.changes else np.zeros((0, 0), dtype=bool)
        rows = [
            {
                "name": str(Head(int(layer), int(head))),
                "before": one.label_text(layer, head),
                "confidence_before": one.label_confidence[layer, head],
                "after": two.label_text(layer, head),
                "confidence_after": two.label_confidence[layer, head],
            }
            for layer, head in np.argwhere(differ)
        ]
        columns = ["name", "before", "confidence_before", "after", "confidence_after"]
        table = pd.DataFrame(rows, columns=columns)
        least = table[["confidence_before", "confidence_after"]].min(axis=1, skipna=False)
        order = least.sort_values(ascending=False, kind="stable").index
        return table.loc[order].reset_index(drop=True)

    def flow(self) -> pd.DataFrame:
        """How many heads went from which label to which, labels that nobody carries left out."""
        one, two = (profile.label.reshape(-1) for profile in (self.before, self.after))
        end = len(one) if self.changes else 0
        pairs = pd.DataFrame({"before": one[:end], "after": two[:end]})
        order = {name: i for i, name in enumerate((*self.before.behaviours, UNCLASSIFIED))}
        counts = pairs.value_counts().rename("heads").reset_index()
        return counts.sort_values(
            ["before", "after"], key=lambda column: column.map(order).fillna(len(order))
        ).reset_index(drop=True)

    def label_shares(self) -> pd.DataFrame:
        """Share of each model's heads that carry a label, over the whole depth and by thirds."""
        names = dict.fromkeys((*self.before.behaviours, *self.after.behaviours, UNCLASSIFIED))
        return pd.DataFrame(
            [
                {"label": name, "depth": part}
                | {"before": _share(self.before, name, part)}
                | {"after": _share(self.after, name, part)}
                for name in names
                if name in self.before.label or name in self.after.label
                for part in ("all", *THIRDS)
            ],
            columns=["label", "depth", "before", "after"],
        )

    def matched_roles(self, top: int = 3) -> pd.DataFrame:
        """The strongest heads of each behaviour side by side, by rank, with their relative depth.

        The first of one model stands beside the first of the other, whatever their numbers.
        ``shows`` says whether a head passes from where the behaviour counts as shown.
        """
        rows = []
        for behaviour in self.behaviours:
            sides = [_strongest(profile, behaviour, top) for profile in (self.before, self.after)]
            for rank in range(max(map(len, sides))):
                row: dict[str, Any] = {"behaviour": behaviour, "rank": rank + 1}
                for side, found in zip(("before", "after"), sides, strict=True):
                    there = found[rank] if rank < len(found) else _NOBODY
                    row |= {f"{key}_{side}": value for key, value in there.items()}
                rows.append(row)
        sides_columns = [f"{key}_{side}" for side in ("before", "after") for key in _NOBODY]
        return pd.DataFrame(rows, columns=["behaviour", "rank", *sides_columns])

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON types; NaN becomes null."""
        tables = {
            "changes": self.table(),
            "labels_changed": self.relabelled(),
            "label_flow": self.flow(),
            "label_shares": self.label_shares(),
            "matched_roles": self.matched_roles(),
        }
        return {
            "schema": SCHEMA,
            "before": _facts(self.before),
            "after": _facts(self.after),
            "by_role": list(self.by_role),
            "cautions": list(self.cautions),
            "left_out": list(self.left_out),
            "no_interval": {name: c.why for name, c in self.changes.items() if c.why},
            **{name: records(table) for name, table in tables.items()},
        }


def compare_profiles(before: Profile, after: Profile) -> ProfileComparison:
    """Two profiles side by side: head by head where that means something, else role by role."""
    by_role, cautions = _obstacles(before, after)
    common = [name for name in before.behaviours if name in after.score]
    if not common:
        raise HeadlabError(
            "The two profiles have no behaviour in common: profile both models with one version."
        )
    return ProfileComparison(
        before=before,
        after=after,
        by_role=by_role,
        cautions=cautions,
        left_out=tuple(_left_out(before, after)),
        changes={} if by_role else changes(before, after),
    )


# -- what may be compared


def _obstacles(before: Profile, after: Profile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Why heads are not compared one by one, and what limits even the comparison of roles."""
    one, two = _names(before, after)
    by_role, cautions = [], []
    if (before.start_token is None) != (after.start_token is None):
        cautions.append(
            f"{one} was measured with {_start(before)} and {two} with {_start(after)}, which alone "
            "changes where heads look: profile both alike."
        )
    elif before.start_text != after.start_text:
        by_role.append(
            f"{one} was measured with {_start(before)}, {two} with {_start(after)}: their probe "
            "texts are not the same."
        )
    versions = [p.provenance.get("probe_version") for p in (before, after)]
    if versions[0] != versions[1]:
        cautions.append(
            f"The profiles were measured on different probe texts (version {versions[0]} and "
            f"{versions[1]}): make the older one again."
        )
    if _thresholds(before) != _thresholds(after):
        cautions.append(
            "The profiles name heads by different thresholds: make the older one again before you "
            "compare labels."
        )
    shapes = [(p.n_layers, p.n_heads) for p in (before, after)]
    if shapes[0] != shapes[1]:
        by_role.append(
            f"{one} has {_shape(before)}, {two} {_shape(after)}: no head of one is a head of the "
            "other."
        )
    by_role = [*cautions, *by_role]
    if not by_role and (before.n_rows, before.n_prompts) != (after.n_rows, after.n_prompts):
        by_role.append(
            f"{one} and {two} split the probe texts into different tokens, so their scores do not "
            "belong to the same places."
        )
    if not by_role and not share_lineage(before, after):
        by_role.append(
            f"{one} and {two} have the same shape, but a head of one is no more like the head of "
            "the same number in the other than like its neighbours: they were trained apart."
            if _n_orders(before) >= MIN_ORDERS
            else f"{one} and {two} have too few heads to tell whether one grew out of the other."
        )
    return tuple(by_role), tuple(cautions)


def share_lineage(before: Profile, after: Profile) -> bool:
    """Whether heads of the same number are more alike than chance, so that one model grew out of
    the other.

    The correlation of both models' scores, less each layer's mean, must be positive and exceed that
    under every one of 1,000 seeded shuffles of the heads within their layers. Where a layer has one
    head, heads are shuffled over the layers. Fewer than 20 orders of the heads would be met by
    chance, so then only equal scores are taken for a lineage.
    """
    names = [
        name
        for name in before.behaviours
        if name in after.score
        and np.isfinite(before.score[name]).all()
        and np.isfinite(after.score[name]).all()
    ]
    if not names:
        return False
    if _n_orders(before) < MIN_ORDERS:
        return all(np.array_equal(before.score[name], after.score[name]) for name in names)
    ours, theirs = (
        (scores - scores.mean(axis=2, keepdims=True)).astype(np.float32)
        for scores in (_among_neighbours(p, names) for p in (before, after))
    )
    n_layers, n_heads = ours.shape[1:]
    # [behaviour, layer, head] of one against every head of the other: [layer, head, other head]
    alike = np.einsum("bli,blj->lij", ours, theirs)
    rng = np.random.default_rng(SEED)
    order = rng.random((N_SHUFFLES, n_layers, n_heads)).argsort(axis=2)
    layers, heads = np.arange(n_layers)[:, None], np.arange(n_heads)[None, :]
    shuffled = alike[layers, heads, order].sum(axis=(1, 2))
    same = np.trace(alike, axis1=1, axis2=2).sum()
    return bool(same > 0 and (shuffled <= same * (1 + 1e-6)).all())


def _among_neighbours(profile: Profile, names: Sequence[str]) -> np.ndarray:
    """Scores [behaviour, group, head] of heads that may be taken for one another."""
    scores = np.stack([profile.score[name] for name in names])
    return scores.swapaxes(1, 2) if profile.n_heads == 1 else scores


def _n_orders(profile: Profile) -> int:
    """In how many orders the heads could stand among their neighbours."""
    if profile.n_heads == 1:
        return math.factorial(profile.n_layers)
    return math.factorial(profile.n_heads) ** profile.n_layers


def _left_out(before: Profile, after: Profile) -> list[str]:
    """A sentence for each behaviour that only one of the profiles holds."""
    sentences = []
    names = _names(before, after)
    for (here, name), (there, other) in (
        ((before, names[0]), (after, names[1])),
        ((after, names[1]), (before, names[0])),
    ):
        for behaviour in here.behaviours:
            if behaviour not in there.score:
                why = there.untested.get(behaviour, "its profile does not hold it")
                title = get_behaviour(behaviour).title
                sentences.append(f"{title} was measured on {name} only; on {other}: {why}.")
    return sentences


def _names(before: Profile, after: Profile) -> tuple[str, str]:
    """What the two models are called in a sentence, told apart if they share a name."""
    if before.model_name != after.model_name:
        return before.model_name, after.model_name
    return f"{before.model_name} (first)", f"{after.model_name} (second)"


def _start(profile: Profile) -> str:
    return "no start token" if profile.start_text is None else f"start token {profile.start_text}"


def _shape(profile: Profile) -> str:
    return f"{profile.n_layers} layers of {profile.n_heads} heads"


def _thresholds(profile: Profile) -> Any:
    return profile.provenance.get("thresholds")


# -- head by head


def changes(before: Profile, after: Profile) -> dict[str, Change]:
    """The change of every score with its interval, for two profiles on the same probe texts.

    Paired bootstrap: the same 1,000 draws of the prompts for both models, so what a prompt does to
    both cancels. Of a behaviour with several probes each score is the lower one's, and its draws
    are those of that probe. Source: Efron and Tibshirani 1993, chapter 8.
    """
    draws: dict[int, np.ndarray] = {}
    found = {}
    for name in before.behaviours:
        if name not in after.score:
            continue
        change = after.score[name] - before.score[name]
        why = _no_interval(before, after, name)
        low = high = np.full(change.shape, np.nan)
        if not why:
            for n in (len(scores) for scores in before.prompt_scores[name].values()):
                draws.setdefault(n, confidence.bootstrap_weights(n, SEED))
            resampled = _resampled(after, name, draws) - _resampled(before, name, draws)
            low, high = _interval(resampled)
        found[name] = Change(change, low, high, why)
    return found


def _no_interval(before: Profile, after: Profile, name: str) -> str:
    """Why a change has no interval; "" where it has one."""
    for profile in (before, after):
        if not profile.prompt_scores.get(name):
            return f"the profile of {profile.model_name} does not hold the scores of single prompts"
    shapes = [
        {probe: len(scores) for probe, scores in profile.prompt_scores[name].items()}
        for profile in (before, after)
    ]
    return "" if shapes[0] == shapes[1] else "the two profiles hold different numbers of prompts"


def _resampled(profile: Profile, name: str, draws: dict[int, np.ndarray]) -> np.ndarray:
    """The score [resample, layer, head] under the same draws for every profile."""
    chosen = None
    for probe, scores in profile.prompt_scores[name].items():
        means = confidence.means(scores, np.isfinite(scores), draws[len(scores)])
        if chosen is None:
            chosen = means
        else:
            here = np.isclose(profile.probe_scores[name][probe], profile.score[name])
            chosen = np.where(here, means, chosen)
    assert chosen is not None
    return chosen


def _interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval [layer, head] of resampled values; NaN where one of them is NaN."""
    low, high = np.percentile(resampled, confidence.INTERVAL, axis=0)
    return low, high


# -- role by role


def relative_depth(layer: int, n_layers: int) -> float:
    """Where a layer lies, 0 the first and 1 the last.

    >>> relative_depth(3, 13)
    0.25
    """
    return layer / (n_layers - 1) if n_layers > 1 else 0.0


def depth_shares(profile: Profile, behaviour: str) -> tuple[np.ndarray, np.ndarray]:
    """Relative depth of every layer, and the share of its heads that pass a threshold [layer]."""
    passed = profile.value(behaviour) >= get_behaviour(behaviour).threshold
    depth = [relative_depth(layer, profile.n_layers) for layer in range(profile.n_layers)]
    return np.array(depth), passed.mean(axis=1)


def _share(profile: Profile, label: str, part: str) -> float:
    """The share of heads with a label, in a third of the depth or in "all" of it."""
    rows = np.ones(profile.n_layers, dtype=bool)
    if part in THIRDS:
        depth = (np.arange(profile.n_layers) + 0.5) / profile.n_layers
        rows = (depth * len(THIRDS)).astype(int) == THIRDS.index(part)
    return float((profile.label[rows] == label).mean()) if rows.any() else float("nan")


_NOBODY = {"head": "", "score": np.nan, "depth": np.nan, "shows": False, "confidence": np.nan}


def _strongest(profile: Profile, behaviour: str, top: int) -> list[dict[str, Any]]:
    """The heads that come first by a behaviour, with score, relative depth and confidence."""
    score, value = profile.score[behaviour], profile.value(behaviour)
    shown = get_behaviour(behaviour).shown_from
    order = np.argsort(-score, axis=None, kind="stable")  # NaN comes last
    heads = [Head(*map(int, np.unravel_index(i, score.shape))) for i in order[:top]]
    return [
        {
            "head": str(head),
            "score": float(score[head]),
            "depth": relative_depth(head.layer, profile.n_layers),
            "shows": bool(value[head] >= shown),
            "confidence": float(profile.role_confidence[behaviour][head]),
        }
        for head in heads
        if not np.isnan(score[head])
    ]


# -- one text on two models


@dataclass(frozen=True, eq=False)
class Words:
    """A reading's patterns on the level of words, [layer, head, query, key], rows summing to 1.

    A row is the mean of the rows of the word's tokens, a column the sum of its tokens' columns. A
    start token is a word of its own.
    """

    reading: Reading
    words: list[str]
    patterns: np.ndarray


def on_words(reading: Reading, model: LoadedModel) -> Words:
    """What every head does on a text, word by word; the patterns of all layers must be kept."""
    found = list(re.finditer(r"\S+", reading.text))
    n_tokens, shift = len(reading.tokens), 0 if reading.start_token is None else 1
    word = np.zeros(n_tokens, dtype=int)
    for index, match in enumerate(found):
        for token in find_in_text(model, reading.text, *match.span(), reading.start_token):
            word[token] = word[token] or index + shift
    word = np.maximum.accumulate(word)  # white space belongs to the word before it
    names = [*([reading.start_text or ""] * shift), *(match[0] for match in found)]
    return Words(reading, names, pool(reading.patterns, word, len(names)))


def pool(patterns: np.ndarray, word: np.ndarray, n_words: int) -> np.ndarray:
    """Patterns [..., query, key] of tokens as patterns of words; ``word`` [token] says whose."""
    member = (word[None, :] == np.arange(n_words)[:, None]).astype(patterns.dtype)  # [word, token]
    rows = member / np.maximum(member.sum(axis=1, keepdims=True), 1)
    return rows @ patterns @ member.T


def similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How alike two patterns [..., query, key] on the same text are: 1 the same, 0 nothing shared.

    One minus the mean total variation distance of the rows from the second on; the first row can
    look at itself only.
    """
    if one.shape != other.shape or one.shape[-1] < 2:
        raise HeadlabError(
            "The patterns have different shapes, or a single row: read one text of two words or "
            "more on both models."
        )
    return 1 - 0.5 * np.abs(one - other)[..., 1:, :].sum(axis=-1).mean(axis=-1)


@dataclass(frozen=True, eq=False)
class TextComparison:
    """One text on two models, [layer, head, query, key] over the same ``names``.

    ``level`` is "tokens" where both split the text alike, else "words".
    """

    level: str
    names: list[str]
    before: np.ndarray
    after: np.ndarray

    @property
    def sentence(self) -> str:
        """What the rows and columns are."""
        if self.level == "tokens":
            return "Both models split this text into the same tokens."
        return (
            "The models split this text into different tokens, so rows and columns are whole words:"
            " a row is the mean of its tokens' rows, a column the sum of its tokens' columns."
        )

    def similarity(self) -> np.ndarray:
        """Similarity [layer, head] of heads of the same number; NaN if the shapes differ."""
        if self.before.shape != self.after.shape:
            return np.full(self.before.shape[:2], np.nan)
        return similarity(self.before, self.after)


def compare_words(before: Words, after: Words) -> TextComparison:
    """One text on two models: by tokens if both split it alike, else by words."""
    one, two = before.reading, after.reading
    if one.text != two.text:
        raise HeadlabError("The two models read different texts: give both the same one.")
    if (one.start_token is None) != (two.start_token is None):
        raise HeadlabError(
            "One model read the text with a start token and the other without: read it alike."
        )
    if one.token_texts == two.token_texts:
        return TextComparison("tokens", one.token_texts, one.patterns, two.patterns)
    return TextComparison("words", before.words, before.patterns, after.patterns)


def _facts(profile: Profile) -> dict[str, Any]:
    return {
        "model": profile.model_name,
        "content_hash": profile.content_hash,
        "start_token": profile.start_token,
        "start_text": profile.start_text,
        "n_layers": profile.n_layers,
        "n_heads": profile.n_heads,
    }
