"""Which token one head looks at most from another one."""

from headlab.exercises.choosing import choose_largest
from headlab.exercises.context import CannotTell, MeasurementContext
from headlab.exercises.finding import find_head, query_position
from headlab.exercises.format import ATTENTION, Question
from headlab.exercises.kinds.base import Figures, Keys, Kind
from headlab.exercises.measures import HALF, MIN_MARGIN, Ranges
from headlab.exercises.prepared import Option, PreparedQuestion
from headlab.exercises.wording import token_words
from headlab.measuring.pictures import without_first


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The token that one head looks at most from another token."""
    head = find_head(str(question.head), question.text, lab)
    reading = lab.reading(question.text)
    query = query_position(question, lab)
    rows = reading.pattern(*head)[: query + 1, : query + 1].astype(float)
    first, value = 0, rows[query]
    if question.without_first:
        rest, left = without_first(rows)
        first, value = 1, rest[query][1:]
        if not left[query] >= MIN_MARGIN:
            raise CannotTell(
                f"{head} leaves only {left[query]:.1%} of its attention for other tokens than the "
                "first."
            )
    options = [Option(str(k), token_words(reading, k)) for k in range(first, query + 1)]
    return choose_largest(
        question, options, Ranges(value, value - HALF, value + HALF), hidden=[head]
    )


KIND = Kind(
    name="which token",
    asks="the token a head looks at most from a word",
    measures=(ATTENTION,),
    keys_by={ATTENTION: Keys(frozenset({"head", "from"}), frozenset({"without_first"}))},
    figures=Figures(explanation=("second", "second_score", "margin")),
    answers="token",
    prepare=prepare,
)
