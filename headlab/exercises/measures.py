"""What a question asks about, measured: every head's value with the bounds of its uncertainty."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import sha256

import numpy as np

from headlab.behaviours import get_behaviour
from headlab.errors import HeadlabError
from headlab.exercises.format import (
    ATTENTION,
    GAINED,
    LOST,
    PROBABILITY,
    PROFILE,
    SCORE,
    SHAPE,
    Question,
    Text,
    whole_words,
)
from headlab.heads import Head
from headlab.interventions import Intervention, ablate, mean_reference
from headlab.measuring.reading import DOMINANT, EVEN, SHAPES, Hint, Reading, read_text
from headlab.models.loading import LoadedModel
from headlab.models.tokens import StartToken, find_in_text, resolve_start_token, token_text
from headlab.profiles.compare import MIN_CHANGE, compare_profiles
from headlab.profiles.profile import Profile
from headlab.profiles.profiling import profile_model

# One text has no interval. Two heads that differ by less than five points of a hundred look alike
# in the pictures, and a changed word or number format can exchange them.
MIN_MARGIN = 0.05
HALF = MIN_MARGIN / 2

TOO_SHORT = "The text is too short for its pictures to have shapes."

# Values from which on a fall can be seen. A smaller one halves or doubles for no reason at all.
MIN_START = {PROBABILITY: 0.01, SCORE: 0.1}

Bounds = tuple[float, float, float]  # a value, its lower and its upper bound


class CannotTell(HeadlabError):
    """The question makes sense for this model, but nothing can be measured that answers it."""


class CannotPose(HeadlabError):
    """The question names a head or layer that the loaded model lacks."""


@dataclass(frozen=True)
class MeasurementContext:
    """The loaded model as exercises see it.

    ``reading`` gives a text's reading with the patterns of every layer kept, ``profile`` the
    model's profile, ``find(words, begin, end)`` the positions of the tokens that hold these
    characters, and ``removal(text, heads, token)`` the text with and without some heads, each
    replaced by its mean, with one next token followed (None: the one expected most); all under this
    start-token policy. Who has caches of their own puts them in the place of all but ``find``.
    ``second`` gives the profile of a second model, if there is one to compare with.
    """

    model_name: str
    content_hash: str
    n_layers: int
    n_heads: int
    start_token: int | None
    start_text: str | None
    reading: Callable[[Text], Reading]
    profile: Callable[[], Profile]
    find: Callable[[str, int, int], tuple[int, ...]]
    removal: Callable[[Text, tuple[Head, ...], str | None], Intervention]
    second: Callable[[], Profile] | None = None

    def beside(self, second: Profile) -> "MeasurementContext":
        """The same lab with a second model; records tell what was answered about which pair."""
        pair = f"{self.content_hash} {second.content_hash} {second.start_token}"
        return replace(self, content_hash=sha256(pair.encode()).hexdigest(), second=lambda: second)

    def second_profile(self) -> Profile:
        """The second model's profile; CannotPose, with what to do, if there is none."""
        if self.second is None:
            raise CannotPose(
                "This question compares two models: choose a second one on the Compare page first."
            )
        return self.second()

    @classmethod
    def of(cls, model: LoadedModel, start_token: StartToken = "model") -> "MeasurementContext":
        """A lab that reads each text once and profiles the model when first asked."""
        start = resolve_start_token(model, start_token)
        reference = cache(lambda: mean_reference(model, start_token=start))
        return cls(
            model_name=model.name,
            content_hash=model.content_hash,
            n_layers=model.n_layers,
            n_heads=model.n_heads,
            start_token=start,
            start_text=None if start is None else token_text(model, start),
            reading=cache(
                lambda text: read_text(
                    model, text.words, start_token=start, entities=text.facts or None
                )
            ),
            profile=cache(lambda: profile_model(model, start_token=start)),
            find=lambda words, begin, end: find_in_text(model, words, begin, end, start),
            removal=cache(
                lambda text, heads, token: ablate(
                    model,
                    text.words,
                    heads,
                    "mean",
                    reference(),
                    watch=token,
                    start_token=start,
                )
            ),
        )


@dataclass(frozen=True, eq=False)
class Values:
    """Every head's value, with its bounds and the value from which it counts.

    Values lie between 0 and 1, changes between -1 and 1.

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

    def count(self, heads: Iterable[Head]) -> Bounds:
        """How many of these heads count: by their values, surely, and possibly."""
        chosen = list(heads)
        at = [self.passes_at[head] for head in chosen]
        value, low, high = (
            float(sum(array[head] >= t for head, t in zip(chosen, at, strict=True)))
            for array in self.bounds
        )
        return value, low, high

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
    values = _MEASURES[question.measure](question, lab)
    if question.passing is not None:
        at = np.full_like(values.value, question.passing)
        values = Values(values.value, values.low, values.high, at)
    if question.among is not None:
        values = _among(values, question.among, lab)
    return values


def _score(question: Question, lab: MeasurementContext) -> Values:
    name = str(question.behaviour)
    reading = lab.reading(question.text)
    _check_occasion(name, reading)
    return _with_margin(reading.scores[name], _threshold(name, reading.chance[name]))


def _check_occasion(name: str, reading: Reading) -> None:
    if reading.rows[name] == 0:
        asks = get_behaviour(name).asks
        raise CannotTell(f"This text cannot show {_title(name)}; it takes {asks}.")


def _profile(question: Question, lab: MeasurementContext) -> Values:
    return profile_values(lab.profile(), str(question.behaviour))


def profile_values(profile: Profile, name: str) -> Values:
    """Every head's score on a behaviour in a profile, with its interval."""
    score = profile.score.get(name)
    if score is None or np.isnan(score).all():
        why = profile.untested.get(name, "its profile does not hold it")
        raise CannotTell(f"{_title(name)} was not measured on {profile.model_name} ({why}).")
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
        raise CannotTell(f"The change of {_title(name)} cannot be told: {why}.")
    at = np.full_like(change.change, MIN_CHANGE)
    if question.measure == LOST:
        return Values(-change.change, -change.high, -change.low, at)
    return Values(change.change, change.low, change.high, at)


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


_MEASURES = {
    SCORE: _score,
    PROFILE: _profile,
    ATTENTION: _attention,
    SHAPE: _shape,
    LOST: _change,
    GAINED: _change,
}


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
        raise CannotTell(f"No head of {lab.model_name} shows {_title(behaviour)}.")
    keep = profile.value(behaviour) >= shown
    value, low, high = (
        np.where(keep, array, np.nan) for array in (values.value, values.low, values.high)
    )
    if np.isnan(value).all():
        raise CannotTell(f"The heads that show {_title(behaviour)} were not measured on this.")
    return Values(value, low, high, values.passes_at)


def find_head(name: str, text: Text, lab: MeasurementContext) -> Head:
    """The head called "L5.H1", or the one that plays a role.

    "top:induction" scores highest in the profile, "here:induction" on this text.
    """
    role, _, behaviour = name.partition(":")
    if behaviour:
        scores = lab.profile().score if role == "top" else lab.reading(text).scores
        score = scores.get(behaviour)
        if score is None or np.isnan(score).all():
            raise CannotTell(
                f"No head of {lab.model_name} could be measured on {_title(behaviour)}."
            )
        return Head(*(int(i) for i in np.unravel_index(np.nanargmax(score), score.shape)))
    head = Head.parse(name)
    if head.layer >= lab.n_layers or head.head >= lab.n_heads:
        raise CannotPose(
            f"{lab.model_name} has no head {head}: it has {lab.n_layers} layers of {lab.n_heads} "
            "heads, counted from 0."
        )
    return head


@dataclass(frozen=True)
class Effect:
    """What removing heads does to one value: a probability or a score, 0 to 1.

    ``watched`` names the token, as it stands in a text, or the head whose score it is. ``beyond``
    is the share of random heads of the same layers that matter less; NaN where there is none.
    """

    removed: tuple[Head, ...]
    watched: str
    before: float
    after: float
    beyond: float

    @property
    def ratio(self) -> float:
        """What the value has become over what it was."""
        return self.after / self.before


def removal_effect(question: Question, lab: MeasurementContext) -> Effect:
    """What removing the question's heads does; CannotTell where there is too little to lose."""
    removed = tuple(sorted({find_head(name, question.text, lab) for name in question.remove}))
    if question.measure == PROBABILITY:
        effect = _token_effect(question, removed, lab)
        what = f"The probability of {effect.watched.strip()!r} is only {effect.before:.2%}"
    else:
        effect = _score_effect(question, removed, lab)
        what = f"The score of {effect.watched} is only {effect.before:.2f}"
    if not effect.before >= MIN_START[question.measure]:
        raise CannotTell(f"{what} to begin with: too little to tell a rise from a fall.")
    return effect


def _token_effect(question: Question, removed: tuple[Head, ...], lab: MeasurementContext) -> Effect:
    found = lab.removal(question.text, removed, next_token(question))
    before, after = (
        float(np.exp(logprob[0])) for logprob in (found.logprobs_before, found.logprobs_after)
    )
    beyond = float(found.logprob_beyond_control[0])
    return Effect(removed, found.watched_texts[0], before, after, beyond)


def _score_effect(question: Question, removed: tuple[Head, ...], lab: MeasurementContext) -> Effect:
    name = str(question.behaviour)
    _check_occasion(name, lab.reading(question.text))
    head = find_head(f"here:{name}", question.text, lab)
    found = lab.removal(question.text, removed, None)
    before, after = (
        float(scores[name][head]) for scores in (found.scores_before, found.scores_after)
    )
    if not np.isfinite((before, after)).all():
        raise CannotTell(f"{_title(name)} cannot be followed while heads are removed.")
    return Effect(removed, str(head), before, after, float("nan"))


def next_token(question: Question) -> str | None:
    """The watched word as it comes next: inside a text it has a space in front."""
    word = question.watch
    if word is None or not word[0].isalnum() or question.text.words[-1:].isspace():
        return word
    return f" {word}"


def find_layer(layer: int | str, lab: MeasurementContext) -> int:
    """The number of a layer named "first", "middle", "last" or by its number."""
    names = {"first": 0, "middle": lab.n_layers // 2, "last": lab.n_layers - 1}
    number = names.get(layer, layer) if isinstance(layer, str) else layer
    assert isinstance(number, int)
    if number >= lab.n_layers:
        raise CannotPose(
            f"{lab.model_name} has no layer {number}: its layers run from 0 to {lab.n_layers - 1}."
        )
    return number


def query_position(question: Question, lab: MeasurementContext) -> int:
    """The position that looks: the last token of the last mention of the word after "from"."""
    return _mentions(str(question.from_word), question.text, lab)[-1][-1]


def key_positions(question: Question, lab: MeasurementContext) -> list[int]:
    """The positions looked at: the last mention of the word after "to" before the query."""
    query, word = query_position(question, lab), str(question.to_word)
    earlier = [places for places in _mentions(word, question.text, lab) if places[-1] < query]
    if not earlier:
        raise CannotTell(f"{word!r} does not stand before the place that looks back at it.")
    return list(earlier[-1])


def _mentions(word: str, text: Text, lab: MeasurementContext) -> list[tuple[int, ...]]:
    begins = whole_words(word, text.words)
    return [lab.find(text.words, begin, begin + len(word)) for begin in begins]


def _title(name: str) -> str:
    return get_behaviour(name).title.lower()


def all_heads(lab: MeasurementContext) -> list[Head]:
    """Every head of the open model, layer by layer."""
    return [Head(layer, head) for layer in range(lab.n_layers) for head in range(lab.n_heads)]
