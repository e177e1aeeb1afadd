"""The answer among several: the best measured one, and those that lie too close to tell."""

from collections.abc import Mapping, Sequence

import numpy as np

from headlab.exercises.context import CannotTell
from headlab.exercises.format import Question
from headlab.exercises.measures import Ranges
from headlab.exercises.prepared import MAX_ACCEPTED, Key, Option, PreparedQuestion
from headlab.exercises.wording import number, whole
from headlab.heads import Head
from headlab.languages import gettext as _


def choose_largest(
    question: Question, options: Sequence[Option], values: Ranges, hidden: Sequence[Head] = ()
) -> PreparedQuestion:
    """The option with the largest value; those whose bounds reach its own are accepted beside it.

    ``values`` has one entry for each option; NaN is never an answer.
    """
    value, low, high = values
    if np.isnan(value).all():
        raise CannotTell("None of these could be measured here.")
    order = [int(i) for i in np.argsort(-value, kind="stable") if not np.isnan(value[i])]
    best = order[0]
    near = [i for i in order if i == best or high[i] >= low[best]]
    others = [i for i in order if i not in near]
    show = whole if question.by == "count" else number
    texts = [f"{options[i].text} ({show(value[i])})" for i in order]
    figures = {"score": show(value[best])}
    if len(order) > 1:
        second = order[1]
        figures |= {
            "second": options[second].text,
            "second_score": show(value[second]),
            "margin": show(value[best] - value[second]),
        }
    key = key_among(
        options,
        [options[i] for i in near],
        texts[0] + _too_close(texts[1 : len(near)]),
        score=float(value[best]),
        margin=float(value[best] - value[others[0]]) if others else None,
        figures=figures,
    )
    return PreparedQuestion(
        question,
        options=tuple(options),
        key=key,
        hidden=tuple(hidden),
        heads=tuple(hidden),
        measured={
            option.value: (float(value[i]), float(low[i]), float(high[i]))
            for i, option in enumerate(options)
            if not np.isnan(value[i])
        },
    )


def _too_close(texts: Sequence[str]) -> str:
    more = ", …" if len(texts) > MAX_ACCEPTED else ""
    if not texts:
        return ""
    close = _(", too close to tell from {answers}")
    return close.format(answers=", ".join(texts[:MAX_ACCEPTED]) + more)


def key_among(
    options: Sequence[Option],
    near: Sequence[Option],
    text: str,
    score: float,
    figures: Mapping[str, str],
    margin: float | None = None,
) -> Key:
    """The key, ungraded if more answers lie too close than can fairly be called right."""
    graded = len(near) <= min(MAX_ACCEPTED, max(1, len(options) // 3))
    named = ", ".join(option.text for option in near[:MAX_ACCEPTED])
    left = len(near) - MAX_ACCEPTED
    more = _(" and {n} more").format(n=left) if left > 0 else ""
    why = _("{n} answers lie too close to each other: {answers}.")
    return Key(
        accepted=tuple(option.value for option in near),
        text=text,
        graded=graded,
        why="" if graded else why.format(n=len(near), answers=named + more),
        score=score,
        margin=margin,
        figures={"answer": near[0].text, **figures},
    )
