"""Questions prepared to a learner: what is offered, what is right here, and how sure that is.

Nothing here knows an answer. ``prepare`` measures it on the loaded model at the time of asking,
together with the margin by which it wins (``kinds/``), and puts what was measured
in place of the placeholders of a sheet's words.
"""

from dataclasses import replace
from typing import Any

from headlab.behaviours import get_behaviour
from headlab.errors import HeadlabError
from headlab.exercises.context import CannotTell, MeasurementContext
from headlab.exercises.finding import (
    find_head,
    find_layer,
    head_or_name,
    key_positions,
    query_position,
)
from headlab.exercises.format import Question, fill, placeholders
from headlab.exercises.kinds import get_kind, needs_second
from headlab.exercises.prepared import PreparedQuestion
from headlab.exercises.wording import number
from headlab.heads import Head


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The question on this lab's model: options, computed key, margin, what to hide.

    Never raises for a model or text that cannot answer: the result says what is the matter.
    """
    return lab.prepared(question, lambda: _prepare(question, lab))


def _prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    kind = get_kind(question.kind)
    try:
        prepared = replace(kind.prepare(question, lab), **_places(question, lab))
    except CannotTell as error:
        prepared = kind.untested(question, str(error))
    except HeadlabError as error:  # CannotPose, or a text that this model cannot read
        generic = None if question.generic is None else prepare(question.generic, lab)
        prepared = PreparedQuestion(question, posable=False, why=str(error), generic=generic)
    figures = _own_figures(question, lab) | role_figures(question.ask, question, lab)
    if prepared.key is not None:
        figures |= prepared.key.figures
        key = replace(prepared.key, figures=figures)
        prepared = replace(prepared, key=key, framed=prepared.framed or _single_head(prepared))
    return replace(prepared, ask=fill(question.ask, figures))


def _single_head(prepared: PreparedQuestion) -> Head | None:
    """The head that the measured answer names, or the only one that is asked about."""
    if prepared.key is not None and get_kind(prepared.question.kind).answers == "head":
        return Head.parse(prepared.key.accepted[0])
    return prepared.heads[0] if len(prepared.heads) == 1 else None


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
    if needs_second(question):
        figures["second_model"] = lab.second.model_name if lab.second else "the second model"
    if question.head is not None:
        figures["head"] = head_or_name(question.head, question.text, lab)
    if question.layer not in (None, "every"):
        figures["layer"] = _layer_or_name(question, lab)
    return figures | get_kind(question.kind).known(question, lab)


def _layer_or_name(question: Question, lab: MeasurementContext) -> str:
    assert question.layer is not None
    try:
        return str(find_layer(question.layer, lab))
    except HeadlabError:
        return str(question.layer)


def role_figures(words: str, question: Question, lab: MeasurementContext) -> dict[str, str]:
    """Values of the placeholders that name roles: {top:...}, {top_score:...}, {passed:...}."""
    figures = {}
    for name in placeholders(words):
        role, _, behaviour = name.partition(":")
        if behaviour:
            try:
                figures[name] = _role_figure(role, behaviour, question, lab)
            except HeadlabError:
                figures[name] = "none"
    return figures


def _role_figure(role: str, behaviour: str, question: Question, lab: MeasurementContext) -> str:
    if role == "passed":
        passed = lab.profile().value(behaviour) >= get_behaviour(behaviour).threshold
        return str(int(passed.sum()))
    head = find_head(f"top:{behaviour}", question.text, lab)
    return str(head) if role == "top" else number(lab.profile().score[behaviour][head])


def _places(question: Question, lab: MeasurementContext) -> dict[str, Any]:
    """The row and columns that a question about attention is about."""
    if question.from_word is None:
        return {}
    keys = () if question.to_word is None else tuple(key_positions(question, lab))
    return {"query": query_position(question, lab), "keys": keys}
