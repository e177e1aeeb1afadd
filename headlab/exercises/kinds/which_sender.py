"""Which earlier head tells a head where to look."""

import numpy as np

from headlab.exercises.changed import changed_text, check_change
from headlab.exercises.choosing import choose_largest
from headlab.exercises.context import CannotTell, MeasurementContext
from headlab.exercises.finding import (
    find_head,
    key_positions,
    leading_heads,
    query_position,
    with_role,
)
from headlab.exercises.format import TOLD, Question
from headlab.exercises.kinds.base import Figures, Kind
from headlab.exercises.measures import Ranges
from headlab.exercises.prepared import Option, PreparedQuestion
from headlab.heads import Head
from headlab.mechanisms.edges import SEEN

OFFERED = 6


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The earlier head whose message on the changed text moves the score most."""
    head = find_head(str(question.head), question.text, lab)
    if head.layer == 0:
        raise CannotTell(f"{head} is in the first layer: no head comes before it.")
    query, key = query_position(question, lab), key_positions(question, lab)[-1]
    other = changed_text(question, lab)
    edges = lab.senders(question.text, other, head, query, key)
    moved: dict[Head, float] = {}
    for edge in edges:
        moved.setdefault(edge.sender, abs(edge.change))  # the largest of its paths comes first
    if not edges or not edges[0].counts:
        raise CannotTell(
            f"With this word changed, no earlier head tells {head} more than random messages of "
            "the same size do."
        )
    heads = sorted(leading_heads(edges[0].sender, OFFERED, lab, head.layer))
    options = [Option(str(each), with_role(each, lab)) for each in heads]
    value = np.array([moved.get(each, 0.0) for each in heads])
    return choose_largest(question, options, Ranges(value, value - SEEN / 2, value + SEEN / 2))


KIND = Kind(
    name="which sender",
    asks="the earlier head that tells a head where to look",
    measures=(TOLD,),
    figures=Figures(explanation=("second", "second_score", "margin")),
    prepare=prepare,
    check=check_change,
)
