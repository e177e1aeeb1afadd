"""How a value changes when heads are removed, as one of a few sizes."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from headlab.exercises.context import CannotTell, MeasurementContext
from headlab.exercises.effects import SIZES, possible_sizes
from headlab.exercises.finding import find_head, head_or_name, title
from headlab.exercises.format import PROBABILITY, SCORE, Question
from headlab.exercises.kinds.base import Figures, Keys, Kind, Mistake
from headlab.exercises.measures import MIN_MARGIN, check_occasion
from headlab.exercises.prepared import Key, Option, PreparedQuestion
from headlab.exercises.wording import heads_named, near_limit, number, percent, quoted
from headlab.heads import Head
from headlab.languages import gettext as _

# Values from which on a fall can be seen. A smaller one halves or doubles for no reason at all.
MIN_START = {PROBABILITY: 0.01, SCORE: 0.1}


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """How much a value changes without some heads, as one of a few sizes."""
    effect = _removal_effect(question, lab)
    near = possible_sizes(effect.ratio, MIN_MARGIN)
    limits = [size.least for size in SIZES if size.least > 0]
    show = percent if question.measure == PROBABILITY else number
    before, after = show(effect.before), show(effect.after)
    said = _("{size} (from {before} to {after}: {ratio} times as much{close})")
    key = Key(
        accepted=tuple(size.name for size in near),
        text=said.format(
            size=_(near[0].name),
            before=before,
            after=after,
            ratio=number(effect.ratio),
            close=near_limit(near),
        ),
        graded=True,
        score=effect.ratio,
        margin=min(abs(effect.ratio - limit) for limit in limits),
        figures={
            "answer": _(near[0].name),
            "score": number(effect.ratio),
            "ratio": number(effect.ratio),
            "before": before,
            "after": after,
            "beyond": f"{effect.beyond:.0%}" if np.isfinite(effect.beyond) else "no share",
            "removed": heads_named(effect.removed),
            "token": quoted(effect.watched),
            "watched": effect.watched,
        },
    )
    return PreparedQuestion(
        question,
        options=tuple(Option(size.name, _(size.name)) for size in SIZES),
        key=key,
        heads=effect.removed,
        measured={
            name: (value, value, value)
            for name, value in (("before", effect.before), ("after", effect.after))
        },
    )


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


def _removal_effect(question: Question, lab: MeasurementContext) -> Effect:
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
    check_occasion(name, lab.reading(question.text))
    head = find_head(f"here:{name}", question.text, lab)
    found = lab.removal(question.text, removed, None)
    before, after = (
        float(scores[name][head]) for scores in (found.scores_before, found.scores_after)
    )
    if not np.isfinite((before, after)).all():
        raise CannotTell(f"{title(name)} cannot be followed while heads are removed.")
    return Effect(removed, str(head), before, after, float("nan"))


def next_token(question: Question) -> str | None:
    """The watched word as it comes next: inside a text it has a space in front."""
    word = question.watch
    if word is None or not word[0].isalnum() or question.text.words[-1:].isspace():
        return word
    return f" {word}"


def known(question: Question, lab: MeasurementContext) -> dict[str, str]:
    """What the question may name where it cannot be measured."""
    heads = [head_or_name(name, question.text, lab) for name in question.remove]
    word = next_token(question)
    leads = f"here:{question.behaviour}"
    return {
        "removed": heads_named(dict.fromkeys(heads)),
        "token": "the token expected most" if word is None else quoted(word),
        "watched": head_or_name(leads, question.text, lab, "the head that leads"),
        "before": "(not measured)",
    }


def check(question: Question) -> Iterable[Mistake]:
    """What is watched is one next token, and only where a probability is asked for."""
    word = question.watch
    if word is None:
        return
    role, colon = word.partition(":")[:2]
    if question.measure == SCORE:
        yield Mistake(
            "watch",
            "'watch' is a next token, and by score the head that leads in the behaviour is "
            "watched: delete it.",
        )
    elif colon and role in ("top", "here"):
        yield Mistake(
            "watch",
            f"{word!r} is a head, and 'watch' is a next token: for the score of the head that "
            'leads here use measure = "score" and name the behaviour.',
        )
    elif len(word.split()) > 1:
        yield Mistake("watch", f"{word!r} is more than one word: watch one token.")


KIND = Kind(
    name="what if removed",
    asks="how a value changes without some heads: it rises, hardly changes, falls to no less than "
    "half, falls to less than half",
    measures=(PROBABILITY, SCORE),
    keys=Keys(needs=frozenset({"remove"}), may=frozenset({"watch"})),
    figures=Figures(("removed", "before"), ("after", "ratio")),
    figures_by={
        PROBABILITY: Figures(("token",), ("beyond",)),
        SCORE: Figures(("watched",)),
    },
    answers="size",
    prepare=prepare,
    known=known,
    check=check,
)
