"""Which of two heads has the larger value."""

from dataclasses import replace

from headlab.exercises.choosing import choose_largest
from headlab.exercises.context import CannotTell, MeasurementContext
from headlab.exercises.finding import find_head, head_or_name
from headlab.exercises.format import Question
from headlab.exercises.kinds.base import OF_HEADS, Figures, Keys, Kind
from headlab.exercises.measures import measured
from headlab.exercises.prepared import Option, PreparedQuestion
from headlab.exercises.wording import number


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The one of two heads with the larger value."""
    assert question.heads is not None
    heads = [find_head(name, question.text, lab) for name in question.heads]
    if heads[0] == heads[1]:
        raise CannotTell(f"In {lab.model_name} one head plays both roles: {heads[0]}.")
    values = measured(question, lab)
    options = [Option(str(head), str(head)) for head in heads]
    prepared = choose_largest(question, options, values.of(heads), hidden=heads)
    figures = {
        "a": str(heads[0]),
        "b": str(heads[1]),
        "a_score": number(values.value[heads[0]]),
        "b_score": number(values.value[heads[1]]),
    }
    assert prepared.key is not None
    key = replace(prepared.key, figures={**prepared.key.figures, **figures})
    return replace(prepared, key=key)


def known(question: Question, lab: MeasurementContext) -> dict[str, str]:
    """The two heads, which the question's own words may name."""
    names = zip("ab", question.heads or (), strict=False)
    return {key: head_or_name(name, question.text, lab) for key, name in names}


KIND = Kind(
    name="which of two heads",
    asks="one of two heads",
    measures=OF_HEADS,
    keys=Keys(needs=frozenset({"heads"})),
    figures=Figures(("a", "b"), ("second", "second_score", "margin", "a_score", "b_score")),
    answers="head",
    prepare=prepare,
    known=known,
)
