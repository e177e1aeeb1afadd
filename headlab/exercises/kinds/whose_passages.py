"""Which of four heads looks like this in three passages of the corpus."""

from collections.abc import Iterable

from headlab.exercises.context import MeasurementContext
from headlab.exercises.finding import find_head, leading_heads, with_role
from headlab.exercises.format import CORPUS, Question, placeholders
from headlab.exercises.kinds.base import Keys, Kind, Mistake
from headlab.exercises.kinds.which_key import passages_of
from headlab.exercises.prepared import Key, Option, PreparedQuestion

OFFERED = 4


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The head whose passages they are, among others that lead in one behaviour each."""
    head = find_head(str(question.head), question.text, lab)
    rows = passages_of(head, lab, question.passage)
    heads = sorted(leading_heads(head, OFFERED, lab))
    named = with_role(head, lab)
    return PreparedQuestion(
        question,
        options=tuple(Option(str(each), with_role(each, lab)) for each in heads),
        key=Key((str(head),), named, graded=True, figures={"answer": named, "head": str(head)}),
        heads=(head,),
        passages=rows,
    )


def check(question: Question) -> Iterable[Mistake]:
    """The question does not name its answer."""
    if "head" in placeholders(question.ask):
        yield Mistake("ask", "{head} is the answer: write 'this head' in its place.")


KIND = Kind(
    name="whose passages",
    asks="one of four heads: the one that looks like this in three passages of the corpus",
    measures=(CORPUS,),
    keys=Keys(may=frozenset({"passage"})),
    answers="head",
    prepare=prepare,
    check=check,
)
