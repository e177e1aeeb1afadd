"""Exercises: sheets of questions, computed answers, learning records, class board.

A page goes: ``sheets()`` -> ``prepare(step.question, lab)`` -> ``Entry.start`` -> ``commit`` ->
``observe`` -> ``explain`` -> ``revise`` -> ``answer_transfer``; ``entry.stage`` says where it is.
"""

from headlab.exercises.board import Board
from headlab.exercises.context import MeasurementContext
from headlab.exercises.format import Question, Sheet, Step, Text
from headlab.exercises.prepared import Key, Option, PreparedQuestion, Verdict, grade
from headlab.exercises.questions import explain, prepare
from headlab.exercises.record import Answer, Entry, Record, calibration
from headlab.exercises.record_file import parse_record, record_from_dict
from headlab.exercises.sheets import read_sheet, sheets

__all__ = [
    "Answer",
    "Board",
    "Entry",
    "Key",
    "MeasurementContext",
    "Option",
    "PreparedQuestion",
    "Question",
    "Record",
    "Sheet",
    "Step",
    "Text",
    "Verdict",
    "calibration",
    "explain",
    "grade",
    "parse_record",
    "prepare",
    "read_sheet",
    "record_from_dict",
    "sheets",
]
