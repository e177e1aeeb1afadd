"""At which earlier token a head looks in a passage of the corpus, after two that show it."""

import numpy as np

from headlab.exercises.choosing import choose_largest
from headlab.exercises.context import CannotTell, MeasurementContext
from headlab.exercises.finding import find_head
from headlab.exercises.format import CORPUS, Question
from headlab.exercises.kinds.base import Figures, Keys, Kind
from headlab.exercises.measures import HALF, Ranges
from headlab.exercises.prepared import Option, PreparedQuestion
from headlab.heads import Head
from headlab.languages import gettext as _
from headlab.models.tokens import visible
from headlab.profiles.corpus import Row

SHOWN = 2  # passages before the one asked about
CLEAR = 0.25  # of the attention on one token: less is no look that could be predicted
OFFERED, LIKELY = 6, 3  # tokens to choose from, and how many of them the head looks at most


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The token of the passage with the most attention off the first one."""
    head = find_head(str(question.head), question.text, lab)
    rows = passages_of(head, lab, question.passage)
    asked = rows[-1]
    known = dict(zip(asked.keys, asked.shares, strict=True))
    places = _offered(asked)
    value = np.array([known.get(place, 0.0) for place in places])
    least = min(asked.shares)  # what is not among the kept keys gets no more
    high = np.array([known.get(place, least) for place in places])
    options = [Option(str(place), _named(asked, place)) for place in places]
    prepared = choose_largest(question, options, Ranges(value, value - HALF, high + HALF))
    return PreparedQuestion(
        **{**vars(prepared), "heads": (head,), "passages": rows, "covered": len(rows) - 1}
    )


def passages_of(head: Head, lab: MeasurementContext, last: int) -> tuple[Row, ...]:
    """Three of a head's rows in the corpus, up to the ``last``, counted from 1.

    Only those count in which it looks at one token clearly, and that token is among the words that
    are shown. CannotTell where there are fewer.
    """
    rows = [
        row
        for row in lab.corpus().of(head)
        if row.keys and row.begin <= row.keys[0] < row.query and row.shares[0] >= CLEAR
    ]
    if len(rows) < last:
        raise CannotTell(
            f"Only {len(rows)} passages of the corpus show clearly what {head} looks at: ask about "
            "an earlier one."
        )
    return tuple(rows[last - SHOWN - 1 : last])


def _offered(row: Row) -> list[int]:
    """The tokens looked at most, and others of the passage spread over it, in their order."""
    likely = [place for place in row.keys if row.begin <= place < row.query][:LIKELY]
    others = [place for place in range(row.begin, row.query) if place not in row.keys]
    spread = np.linspace(0, len(others) - 1, OFFERED - len(likely)).round().astype(int)
    return sorted({*likely, *(others[at] for at in spread if others)})


def _named(row: Row, place: int) -> str:
    """A token of a passage, and how far back it stands."""
    words = _("“{token}”, {n} back")
    text = visible(row.texts[place - row.begin])
    return words.format(token=text.removeprefix("·"), n=row.query - place)


KIND = Kind(
    name="which key",
    asks="the token that a head looks at from the framed one, in a passage of the corpus",
    measures=(CORPUS,),
    keys=Keys(may=frozenset({"passage"})),
    figures=Figures(explanation=("second", "second_score", "margin")),
    prepare=prepare,
)
