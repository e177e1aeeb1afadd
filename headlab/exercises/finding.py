"""Where a question points to on the open model: a head, a layer, a row, columns."""

import numpy as np

from headlab.behaviours import behaviours, get_behaviour
from headlab.errors import HeadlabError
from headlab.exercises.context import CannotPose, CannotTell, MeasurementContext
from headlab.exercises.format import Question, Text, whole_words
from headlab.heads import Head
from headlab.languages import gettext as _


def find_head(name: str, text: Text, lab: MeasurementContext) -> Head:
    """The head called "L5.H1", or the one that plays a role.

    "top:induction" scores highest in the profile, "here:induction" on this text.
    """
    role, behaviour = name.partition(":")[::2]
    if behaviour:
        scores = lab.profile().score if role == "top" else lab.reading(text).scores
        score = scores.get(behaviour)
        if score is None or np.isnan(score).all():
            raise CannotTell(
                f"No head of {lab.model_name} could be measured on {title(behaviour)}."
            )
        return Head(*(int(i) for i in np.unravel_index(np.nanargmax(score), score.shape)))
    head = Head.parse(name)
    if head.layer >= lab.n_layers or head.head >= lab.n_heads:
        raise CannotPose(
            f"{lab.model_name} has no head {head}: it has {lab.n_layers} layers of {lab.n_heads} "
            "heads, counted from 0."
        )
    return head


def head_or_name(name: str, text: Text, lab: MeasurementContext, otherwise: str = "") -> str:
    """The head of this name or role, in words; ``otherwise`` or the name where there is none."""
    try:
        return str(find_head(name, text, lab))
    except HeadlabError:
        return otherwise or name


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


def title(name: str) -> str:
    """A behaviour's title as it stands inside a sentence."""
    return get_behaviour(name).title.lower()


def leading_heads(
    first: Head, n: int, lab: MeasurementContext, before: int | None = None
) -> list[Head]:
    """A head, and up to ``n`` - 1 others that lead in one behaviour each, in layers ``before``."""
    profile, found = lab.profile(), [first]
    for name in behaviours():
        score = profile.score.get(name)
        if score is None or np.isnan(score[:before]).all():
            continue
        leads = Head(
            *map(int, np.unravel_index(np.nanargmax(score[:before]), score[:before].shape))
        )
        if leads not in found and len(found) < n:
            found.append(leads)
    return found


def with_role(head: Head, lab: MeasurementContext) -> str:
    """A head and what it does in general."""
    titles = ", ".join(title(name) for name in lab.profile().roles(*head))
    return f"{head} ({titles})" if titles else _("{head} (no role)").format(head=head)
