"""Three learners who do not exist, for a class page that nobody has handed anything in to yet."""

from headlab.exercises.context import MeasurementContext
from headlab.exercises.format import Sheet
from headlab.exercises.prepared import PreparedQuestion
from headlab.exercises.questions import prepare
from headlab.exercises.record import Entry, Record

# For each learner: whether the first, the revised and the transfer answer is right, and how sure.
_LEARNERS = {
    "Invented learner A": ((True, True, True), 4),
    "Invented learner B": ((False, True, True), 5),
    "Invented learner C": ((False, True, False), 2),
}


def invented_records(sheet: Sheet, lab: MeasurementContext) -> tuple[Record, ...]:
    """Records of the first step of a sheet; what counts as right is measured, as ever."""
    step = sheet.steps[0]
    asked, moved = (prepare(q, lab).askable for q in (step.question, step.transfer))
    records = []
    for name, (rights, sureness) in _LEARNERS.items():
        first, revised = (_answer(asked, right) for right in rights[:2])
        entry = Entry.start(sheet, 1, asked, lab).commit(asked, first, sureness)
        entry = entry.skip().skip().revise(asked, revised, sureness)
        entry = entry.answer_transfer(moved, _answer(moved, rights[2]), sureness)
        records.append(Record.new(name).with_entry(entry))
    return tuple(records)


def _answer(prepared: PreparedQuestion, right: bool) -> str:
    assert prepared.key is not None
    if right:
        return prepared.key.accepted[0]
    wrong = (o.value for o in prepared.options if o.value not in prepared.key.accepted)
    return next(wrong)
