"""Which layer has the strongest head, the strongest mean, or the most heads that count."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from headlab.exercises.choosing import choose_largest
from headlab.exercises.context import MeasurementContext
from headlab.exercises.format import Question
from headlab.exercises.kinds.base import OF_HEADS, Figures, Keys, Kind, Mistake
from headlab.exercises.measures import Ranges, measured
from headlab.exercises.prepared import Option, PreparedQuestion
from headlab.heads import Head
from headlab.languages import gettext as _


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The layer whose heads lead."""
    values = measured(question, lab)
    options = [Option(str(i), _("layer {n}").format(n=i)) for i in range(lab.n_layers)]
    layers = [values.layer(index, question.by) for index in range(lab.n_layers)]
    ranges = Ranges(*np.array(layers).T)
    prepared = choose_largest(question, options, ranges, hidden=lab.all_heads())
    assert prepared.key is not None
    best = int(prepared.key.accepted[0])
    heads = [head for head in lab.all_heads() if head.layer == best]
    return replace(
        prepared,
        framed=Head(best, int(np.nanargmax(values.value[best]))),
        counted=values.counted(heads) if question.by == "count" else (),
    )


def check(question: Question) -> Iterable[Mistake]:
    """A value from which heads count needs a count."""
    if question.passing is not None and question.by != "count":
        yield Mistake("passing", "'passing' needs by = \"count\".")


KIND = Kind(
    name="which layer",
    asks="a layer: the one with the strongest head",
    measures=OF_HEADS,
    keys=Keys(may=frozenset({"by", "passing", "among"})),
    figures=Figures(explanation=("second", "second_score", "margin")),
    prepare=prepare,
    check=check,
)
