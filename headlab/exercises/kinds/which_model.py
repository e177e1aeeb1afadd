"""Which of two models has the stronger head of a behaviour, or more heads with it."""

from dataclasses import replace

import numpy as np

from headlab.exercises.choosing import choose_largest
from headlab.exercises.context import MeasurementContext
from headlab.exercises.format import PROFILE, Question
from headlab.exercises.kinds.base import Figures, Keys, Kind
from headlab.exercises.measures import Bounds, Ranges, Values, profile_values
from headlab.exercises.prepared import Option, PreparedQuestion
from headlab.exercises.wording import number, whole
from headlab.heads import Head


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The model with the stronger or more heads."""
    profiles = lab.profile(), lab.second_profile()
    values = [profile_values(profile, str(question.behaviour)) for profile in profiles]
    found = np.array([_of_model(each, question.by) for each in values])
    names = [profile.model_name for profile in profiles]
    if names[0] == names[1]:
        names = [f"{names[0]} (open)", f"{names[1]} (second)"]
    options = [Option(value, name) for value, name in zip(("open", "second"), names, strict=True)]
    prepared = choose_largest(question, options, Ranges(*found.T))
    show = whole if question.by == "count" else number
    figures = {"a": names[0], "b": names[1]}
    figures |= {"a_score": show(found[0][0]), "b_score": show(found[1][0])}
    assert prepared.key is not None
    key = replace(prepared.key, figures={**prepared.key.figures, **figures})
    return replace(prepared, key=key)


def _of_model(values: Values, by: str) -> Bounds:
    """A model's strongest head, or the number or share of its heads that count."""
    heads = [Head(*map(int, place)) for place in np.argwhere(~np.isnan(values.value))]
    if by == "strongest":
        value, low, high = (float(np.nanmax(array)) for array in values.bounds)
        return value, low, high
    value, low, high = values.count(heads)
    per = 1 if by == "count" else len(heads)
    return value / per, low / per, high / per


KIND = Kind(
    name="which model",
    asks="the open model or a second one",
    measures=(PROFILE,),
    keys=Keys(may=frozenset({"by"})),
    by=("strongest", "count", "share"),
    figures=Figures(("a", "b"), ("second", "second_score", "margin", "a_score", "b_score")),
    compares=True,
    prepare=prepare,
)
