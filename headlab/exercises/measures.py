"""What a question asks about, measured: every head's value with the bounds of its uncertainty."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from headlab.behaviours import get_behaviour
from headlab.behaviours.detector import THRESHOLD
from headlab.errors import HeadlabError
from headlab.exercises.context import CannotPose, CannotTell, MeasurementContext
from headlab.exercises.finding import key_positions, query_position, title
from headlab.exercises.format import (
    ALONE,
    ATTENTION,
    BUDGET,
    CORPUS,
    EXPLAINED,
    GAINED,
    LOST,
    PROBABILITY,
    PROFILE,
    REACH,
    RULE,
    SCORE,
    SHAPE,
    SHAPES_COUNT,
    TOLD,
    WITHOUT,
    Question,
)
from headlab.heads import Head
from headlab.measuring.detecting import detect
from headlab.measuring.reading import DOMINANT, EVEN, SHAPES, Hint, Reading
from headlab.measuring.scoring import MIN_CHANGE
from headlab.profiles.compare import compare_profiles
from headlab.profiles.profile import Profile

# One text has no interval. Two heads that differ by less than five points of a hundred look alike
# in the pictures, and a changed word or number format can exchange them.
MIN_MARGIN = 0.05
HALF = MIN_MARGIN / 2
NEARBY = 4.0  # tokens back: the farthest that counts as local

TOO_SHORT = "The text is too short for its pictures to have shapes."

Bounds = tuple[float, float, float]  # a value, its lower and its upper bound


class Ranges(NamedTuple):
    """Values with their lower and upper bounds, one for each answer offered."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Values:
    """Every head's value, with its bounds and the value from which it counts.

    Values lie between 0 and 1, changes between -1 and 1; a reach is in tokens.

    All [layer, head]; NaN for heads that are not asked about or cannot be measured.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    passes_at: np.ndarray

    def at(self, head: Head) -> Bounds:
        """Value, lower and upper bound of one head."""
        return float(self.value[head]), float(self.low[head]), float(self.high[head])

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values, lower and upper bounds."""
        return self.value, self.low, self.high

    def of(self, heads: Sequence[Head]) -> "Ranges":
        """Values and bounds of these heads, one after another."""
        return Ranges(*(np.array([array[head] for head in heads]) for array in self.bounds))

    def count(self, heads: Iterable[Head]) -> Bounds:
        """How many of these heads count: by their values, surely, and possibly."""
        chosen = list(heads)
        at = [self.passes_at[head] for head in chosen]
        value, low, high = (
            float(sum(array[head] >= t for head, t in zip(chosen, at, strict=True)))
            for array in self.bounds
        )
        return value, low, high

    def counted(self, heads: Iterable[Head]) -> tuple[Head, ...]:
        """Those of these heads that count."""
        return tuple(head for head in heads if self.value[head] >= self.passes_at[head])

    def layer(self, layer: int, by: str) -> Bounds:
        """A layer's strongest head, mean head, or count of heads; NaN if none was measured."""
        heads = [Head(layer, int(head)) for head in np.flatnonzero(~np.isnan(self.value[layer]))]
        if not heads:
            return float("nan"), float("nan"), float("nan")
        if by == "count":
            return self.count(heads)
        aggregate = max if by == "strongest" else np.mean
        value, low, high = (
            float(aggregate([array[head] for head in heads])) for array in self.bounds
        )
        return value, low, high


def measured(question: Question, lab: MeasurementContext) -> Values:
    """Every head's value on the question's measure; CannotTell if there is none to be had."""
    find = MEASURES[question.measure].values
    assert find is not None
    values = find(question, lab)
    if question.passing is not None:
        at = np.full_like(values.value, question.passing)
        values = Values(values.value, values.low, values.high, at)
    if question.among is not None:
        values = _among(values, question.among, lab)
    return values


def _score(question: Question, lab: MeasurementContext) -> Values:
    name = str(question.behaviour)
    reading = lab.reading(question.text)
    check_occasion(name, reading)
    return _with_margin(reading.scores[name], _threshold(name, reading.chance[name]))


def check_occasion(name: str, reading: Reading) -> None:
    if reading.rows[name] == 0:
        asks = get_behaviour(name).asks
        raise CannotTell(f"This text cannot show {title(name)}; it takes {asks}.")


def _profile(question: Question, lab: MeasurementContext) -> Values:
    return profile_values(lab.profile(), str(question.behaviour))


def profile_values(profile: Profile, name: str) -> Values:
    """Every head's score on a behaviour in a profile, with its interval."""
    score = profile.score.get(name)
    if score is None or np.isnan(score).all():
        why = profile.untested.get(name, "its profile does not hold it")
        raise CannotTell(f"{title(name)} was not measured on {profile.model_name} ({why}).")
    at = _threshold(name, profile.chance[name])
    return Values(score, profile.low[name], profile.high[name], at)


_compared = lru_cache(maxsize=2)(compare_profiles)


def _change(question: Question, lab: MeasurementContext) -> Values:
    """What a head lost or gained of a behaviour from the open model to the second one."""
    name = str(question.behaviour)
    comparison = _compared(lab.profile(), lab.second_profile())
    if comparison.by_role:
        raise CannotPose(comparison.by_role[0])
    change = comparison.changes.get(name)
    if change is None or change.why:
        why = change.why if change else "it was measured on one of the two models only"
        raise CannotTell(f"The change of {title(name)} cannot be told: {why}.")
    at = np.full_like(change.change, MIN_CHANGE)
    if question.measure == LOST:
        return Values(-change.change, -change.high, -change.low, at)
    return Values(change.change, change.low, change.high, at)


def _looks(question: Question, lab: MeasurementContext) -> Values:
    """Where a head looks on ordinary sentences, and how much of that its roles explain."""
    profile = lab.profile()
    if profile.looks is None:
        raise CannotTell(
            f"Where the heads of {lab.model_name} look is not in its profile: measure it again."
        )
    figure = question.measure if question.measure != BUDGET else str(question.share)
    value = profile.looks.value[figure]
    if np.isnan(value).all():
        raise CannotTell(f"No head of {lab.model_name} could be measured on this.")
    at = np.full_like(value, NEARBY if figure == REACH else DOMINANT)
    return Values(value, profile.looks.low[figure], profile.looks.high[figure], at)


def _attention(question: Question, lab: MeasurementContext) -> Values:
    reading = lab.reading(question.text)
    query = query_position(question, lab)
    value = reading.patterns[:, :, query, key_positions(question, lab)].sum(-1, dtype=float)
    return _with_margin(value, np.full_like(value, DOMINANT))


def _shape(question: Question, lab: MeasurementContext) -> Values:
    """The share behind a shape; a picture that is diffuse has no other shape."""
    reading = lab.reading(question.text)
    entropy = reading.entropy
    if np.isnan(entropy).all():
        raise CannotTell(TOO_SHORT)
    if question.shape == "diffuse":
        return _with_margin(entropy, np.full_like(entropy, EVEN))
    share = reading.shares[str(question.shape)]
    values = _with_margin(share, np.full_like(share, DOMINANT))
    return Values(
        np.where(entropy >= EVEN, 0, values.value),
        np.where(entropy >= EVEN - HALF, 0, values.low),
        np.where(entropy >= EVEN + HALF, 0, values.high),
        values.passes_at,
    )


def _rule(question: Question, lab: MeasurementContext) -> Values:
    """Attention on the cells that a rule asks for; a head counts from a detector's threshold on."""
    assert question.rule is not None
    reading = lab.reading(question.text)
    try:
        found = detect(reading, question.rule)
    except HeadlabError as error:
        raise CannotTell(str(error)) from error
    at = THRESHOLD * (1 - found.chance) + found.chance
    return _with_margin(found.score, np.full_like(found.score, at))


def possible_shapes(hint: Hint) -> list[str]:
    """The shapes that this picture has if its figures move by half the least margin, own first."""
    if np.isnan(hint.entropy):
        raise CannotTell(TOO_SHORT)
    largest = max(hint.shares.values())
    names = ["diffuse"] if hint.entropy >= EVEN - HALF else []
    if hint.entropy < EVEN + HALF:
        names += [
            name
            for key, name in SHAPES.items()
            if hint.shares[key] >= max(DOMINANT - HALF, largest - MIN_MARGIN)
        ]
        names += ["mixed"] if largest < DOMINANT + HALF else []
    return sorted(names, key=lambda name: name != hint.shape)


def _with_margin(value: np.ndarray, passes_at: np.ndarray) -> Values:
    value = np.asarray(value, dtype=float)
    return Values(value, value - HALF, value + HALF, passes_at)


def _threshold(name: str, chance: np.ndarray) -> np.ndarray:
    """The behaviour's threshold on the scale of its score, [layer, head]."""
    behaviour = get_behaviour(name)
    if behaviour.scale == "raw":
        return np.full(chance.shape, behaviour.threshold)
    return behaviour.threshold * (1 - chance) + chance


def _among(values: Values, behaviour: str, lab: MeasurementContext) -> Values:
    """The same with NaN for heads that do not show ``behaviour`` in the profile."""
    profile = lab.profile()
    shown = get_behaviour(behaviour).shown_from
    if behaviour not in profile.score or not (profile.value(behaviour) >= shown).any():
        raise CannotTell(f"No head of {lab.model_name} shows {title(behaviour)}.")
    keep = profile.value(behaviour) >= shown
    value, low, high = (
        np.where(keep, array, np.nan) for array in (values.value, values.low, values.high)
    )
    if np.isnan(value).all():
        raise CannotTell(f"The heads that show {title(behaviour)} were not measured on this.")
    return Values(value, low, high, values.passes_at)


class Measure(NamedTuple):
    """What a question may be answered by: the keys it needs, and every head's value.

    ``values`` is None where the one kind that uses the measure takes it by itself.
    """

    needs: frozenset[str]
    values: Callable[[Question, MeasurementContext], Values] | None
    compares: bool = False  # the open model with a second one
    sampled: bool = False  # over many texts, so that its bounds are intervals


MEASURES: dict[str, Measure] = {
    SCORE: Measure(frozenset({"behaviour"}), _score),
    PROFILE: Measure(frozenset({"behaviour"}), _profile, sampled=True),
    ATTENTION: Measure(frozenset({"from", "to"}), _attention),
    SHAPE: Measure(frozenset({"shape"}), _shape),
    LOST: Measure(frozenset({"behaviour"}), _change, compares=True, sampled=True),
    GAINED: Measure(frozenset({"behaviour"}), _change, compares=True, sampled=True),
    BUDGET: Measure(frozenset({"share"}), _looks, sampled=True),
    EXPLAINED: Measure(frozenset(), _looks, sampled=True),
    REACH: Measure(frozenset(), _looks, sampled=True),
    SHAPES_COUNT: Measure(frozenset({"layer"}), None),
    PROBABILITY: Measure(frozenset(), None),
    RULE: Measure(frozenset({"rule"}), _rule),
    CORPUS: Measure(frozenset({"head"}), None),
    **dict.fromkeys(
        (TOLD, ALONE, WITHOUT),
        Measure(frozenset({"head", "from", "to", "change", "becomes"}), None),
    ),
}
