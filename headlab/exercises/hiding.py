"""Which heads' pictures of a text a sheet still asks about, and so must not show."""

from headlab.exercises.context import MeasurementContext
from headlab.exercises.format import PROBABILITY, Question, Sheet, Text
from headlab.exercises.questions import prepare
from headlab.exercises.record import DONE, PREDICT, Entry, Record
from headlab.heads import Head


def hidden_heads(
    sheet: Sheet, record: Record, lab: MeasurementContext, text: Text
) -> tuple[Head, ...]:
    """The heads that a question of this sheet, not answered yet, asks about on ``text``.

    Those that an answered question has shown on the same text already are not hidden again.
    """
    asked: set[Head] = set()
    seen: set[Head] = set()
    for number, step in enumerate(sheet.steps, 1):
        entry = record.find(sheet, number, lab)
        over = (_is_answered(entry), entry is not None and _is_over(entry))
        for question, is_over in zip((step.question, step.transfer), over, strict=True):
            if _is_about(question, text):
                heads = prepare(question, lab).askable.hidden
                (seen if is_over else asked).update(heads)
    return tuple(sorted(asked - seen))


def was_shown(sheet: Sheet, record: Record, lab: MeasurementContext, question: Question) -> bool:
    """Whether earlier answers have shown all that ``question`` would hide."""
    hidden = prepare(question, lab).askable.hidden
    return bool(hidden) and not set(hidden) & {*hidden_heads(sheet, record, lab, question.text)}


def _is_about(question: Question, text: Text) -> bool:
    """What a removal does is no picture, and hides none."""
    return question.measure != PROBABILITY and question.text.words == text.words


def _is_answered(entry: Entry | None) -> bool:
    return entry is not None and (entry.first is not None or PREDICT in entry.skipped)


def _is_over(entry: Entry) -> bool:
    return entry.transfer_answer is not None or entry.stage == DONE
