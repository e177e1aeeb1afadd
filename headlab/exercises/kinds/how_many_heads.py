"""How many heads of a layer count."""

import numpy as np

from headlab.exercises.choosing import key_among
from headlab.exercises.context import MeasurementContext
from headlab.exercises.finding import find_layer
from headlab.exercises.format import Question
from headlab.exercises.kinds.base import OF_HEADS, Figures, Keys, Kind
from headlab.exercises.measures import measured
from headlab.exercises.prepared import Option, PreparedQuestion
from headlab.exercises.wording import heads_text, number
from headlab.heads import Head
from headlab.languages import gettext as _


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The number of heads that count; heads too close to the line leave room."""
    assert question.layer is not None
    layer = find_layer(question.layer, lab)
    values = measured(question, lab)
    heads = [Head(layer, head) for head in range(lab.n_heads)]
    count, surely, possibly = (int(x) for x in values.count(heads))
    options = tuple(Option(str(n), heads_text(n)) for n in range(lab.n_heads + 1))
    near = sorted(range(surely, possibly + 1), key=lambda n: (abs(n - count), n))
    text = heads_text(count)
    if surely != possibly:
        room = _("; anything from {low} to {high}, since some lie too close to the line")
        text += room.format(low=surely, high=possibly)
    passing = values.passes_at[layer]
    key = key_among(
        options,
        [options[n] for n in near],
        text,
        score=float(count),
        figures={"score": str(count), "passing": number(float(np.nanmin(passing)))},
    )
    return PreparedQuestion(
        question,
        options=options,
        key=key,
        hidden=tuple(heads),
        heads=tuple(heads),
        counted=values.counted(heads),
        measured={str(head): values.at(head) for head in heads if not np.isnan(values.value[head])},
    )


KIND = Kind(
    name="how many heads",
    asks="a number of heads in a layer",
    measures=OF_HEADS,
    keys=Keys(needs=frozenset({"layer"}), may=frozenset({"passing", "among"})),
    figures=Figures(ask=("passing",)),
    prepare=prepare,
)
