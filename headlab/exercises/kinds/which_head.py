"""Which head of a layer, or of the model, has the largest value."""

from headlab.exercises.choosing import choose_largest
from headlab.exercises.context import MeasurementContext
from headlab.exercises.finding import find_layer
from headlab.exercises.format import Question
from headlab.exercises.kinds.base import OF_HEADS, Figures, Keys, Kind
from headlab.exercises.measures import measured
from headlab.exercises.prepared import Option, PreparedQuestion
from headlab.heads import Head


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The head with the largest value."""
    layer = None if question.layer is None else find_layer(question.layer, lab)
    values = measured(question, lab)
    rows = range(lab.n_layers) if layer is None else [layer]
    heads = [Head(row, head) for row in rows for head in range(lab.n_heads)]
    options = [Option(str(head), str(head)) for head in heads]
    return choose_largest(question, options, values.of(heads), hidden=heads)


KIND = Kind(
    name="which head",
    asks="a head: the one with the largest value",
    measures=OF_HEADS,
    keys=Keys(may=frozenset({"layer", "among"})),
    figures=Figures(explanation=("second", "second_score", "margin")),
    answers="head",
    prepare=prepare,
)
