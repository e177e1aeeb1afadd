"""Questions prepared to a learner: what is offered, what is right here, and how sure that is.

Nothing here knows an answer. ``prepare`` measures it on the loaded model at the time of asking,
together with the margin by which it wins (``kinds.py``, ``claims.py``), and puts what was measured
in place of the placeholders of a sheet's words.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from headlab.behaviours import get_behaviour
from headlab.errors import HeadlabError
from headlab.exercises.claims import cannot_be_tested, claim
from headlab.exercises.format import (
    ATTENTION,
    CLAIM,
    HOW_MANY,
    WHAT_IF,
    WHICH_HEAD,
    WHICH_LAYER,
    WHICH_MODEL,
    WHICH_OF_TWO,
    WHICH_SHAPE,
    WHICH_TOKEN,
    Question,
    fill,
    placeholders,
)
from headlab.exercises.kinds import (
    how_many,
    what_if,
    which_head,
    which_layer,
    which_model,
    which_of_two,
    which_shape,
    which_token,
)
from headlab.exercises.measures import (
    CannotTell,
    MeasurementContext,
    find_head,
    find_layer,
    key_positions,
    next_token,
    query_position,
)
from headlab.exercises.prepared import PreparedQuestion
from headlab.exercises.wording import heads_named, number, quoted
from headlab.heads import Head

_KINDS = {
    WHICH_HEAD: which_head,
    WHICH_LAYER: which_layer,
    HOW_MANY: how_many,
    WHICH_OF_TWO: which_of_two,
    WHICH_SHAPE: which_shape,
    WHICH_TOKEN: which_token,
    WHICH_MODEL: which_model,
    CLAIM: claim,
    WHAT_IF: what_if,
}


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The question on this lab's model: options, computed key, margin, what to hide.

    Never raises for a model or text that cannot answer: the result says what is the matter.
    """
    try:
        prepared = replace(_KINDS[question.kind](question, lab), **_places(question, lab))
    except CannotTell as error:
        prepared = _untested(question, str(error))
    except HeadlabError as error:  # CannotPose, or a text that this model cannot read
        generic = None if question.generic is None else prepare(question.generic, lab)
        prepared = PreparedQuestion(question, question.ask, False, str(error), generic=generic)
    figures = _own_figures(question, lab) | role_figures(question.ask, question, lab)
    if prepared.key is not None:
        figures |= prepared.key.figures
        key = replace(prepared.key, figures=figures)
        prepared = replace(prepared, key=key, framed=prepared.framed or _single_head(prepared))
    return replace(prepared, ask=fill(question.ask, figures))


def _single_head(prepared: PreparedQuestion) -> Head | None:
    """The head that the measured answer names, or the only one that is asked about."""
    if prepared.key is not None and prepared.question.kind in (WHICH_HEAD, WHICH_OF_TWO):
        return Head.parse(prepared.key.accepted[0])
    return prepared.heads[0] if len(prepared.heads) == 1 else None


def _untested(question: Question, why: str) -> PreparedQuestion:
    """A question that nothing measured here can answer."""
    if question.kind == CLAIM:
        return cannot_be_tested(question, why)
    return PreparedQuestion(question, question.ask, False, why)


def explain(words: str, prepared: PreparedQuestion, lab: MeasurementContext) -> str:
    """A sheet's explanation or hint with the measured values in place of its placeholders."""
    figures = {} if prepared.key is None else dict(prepared.key.figures)
    unmeasured = dict.fromkeys(placeholders(words), "(not measured)")
    figures = unmeasured | role_figures(words, prepared.question, lab) | figures
    filled = fill(words, figures)
    return filled[:1].upper() + filled[1:]


def _own_figures(question: Question, lab: MeasurementContext) -> dict[str, str]:
    """What a question's own words may name: the model, the head or layer asked about."""
    figures = {
        "model": lab.model_name,
        "n_layers": str(lab.n_layers),
        "n_heads": str(lab.n_heads),
    }
    if question.needs_second:
        second = _or_else("the second model", lambda: lab.second_profile().model_name)
        figures["second_model"] = second
    if question.kind == WHAT_IF:
        figures |= _removed_figures(question, lab)
    names = {"head": question.head, **dict(zip("ab", question.heads or (), strict=False))}
    for key, name in names.items():
        if name is not None:
            figures[key] = _or_else(name, find_head, name, question.text, lab)
    if question.layer not in (None, "every"):
        figures["layer"] = _or_else(str(question.layer), find_layer, question.layer, lab)
    return figures


def _removed_figures(question: Question, lab: MeasurementContext) -> dict[str, str]:
    """What a question about removed heads may name where it cannot be measured."""
    heads = [_or_else(name, find_head, name, question.text, lab) for name in question.remove]
    word = next_token(question)
    leads = f"here:{question.behaviour}"
    return {
        "removed": heads_named(dict.fromkeys(heads)),
        "token": "the token expected most" if word is None else quoted(word),
        "watched": _or_else("the head that leads", find_head, leads, question.text, lab),
        "before": "(not measured)",
    }


def role_figures(words: str, question: Question, lab: MeasurementContext) -> dict[str, str]:
    """Values of the placeholders that name roles: {top:...}, {top_score:...}, {passed:...}."""
    figures = {}
    for name in placeholders(words):
        role, _, behaviour = name.partition(":")
        if behaviour:
            figures[name] = _or_else("none", _role_figure, role, behaviour, question, lab)
    return figures


def _role_figure(role: str, behaviour: str, question: Question, lab: MeasurementContext) -> str:
    if role == "passed":
        passed = lab.profile().value(behaviour) >= get_behaviour(behaviour).threshold
        return str(int(passed.sum()))
    head = find_head(f"top:{behaviour}", question.text, lab)
    return str(head) if role == "top" else number(lab.profile().score[behaviour][head])


def _or_else(otherwise: str, find: Callable[..., Any], *arguments: Any) -> str:
    """What ``find`` finds, in words; ``otherwise`` where this model has no such thing."""
    try:
        return str(find(*arguments))
    except HeadlabError:
        return otherwise


def _places(question: Question, lab: MeasurementContext) -> dict[str, Any]:
    """The row and columns that a question about attention is about."""
    if question.measure != ATTENTION:
        return {}
    keys = () if question.to_word is None else tuple(key_positions(question, lab))
    return {"query": query_position(question, lab), "keys": keys}
