"""Exercises: sheets of questions, computed answers, learning records, class board.

A page goes: ``sheets()`` -> ``pose(step.question, lab)`` -> ``Entry.start`` -> ``commit`` ->
``observe`` -> ``explain`` -> ``revise`` -> ``answer_transfer``; ``entry.stage`` says where it is.
"""

from headlab.exercises.board import Board
from headlab.exercises.format import Question, Sheet, Step, Text
from headlab.exercises.measures import Lab
from headlab.exercises.posed import Key, Option, Posed, Verdict, grade
from headlab.exercises.questions import explain, pose
from headlab.exercises.record import Answer, Entry, Record, calibration
from headlab.exercises.record_file import parse_record
from headlab.exercises.sheets import read_sheet, sheets

__all__ = [
    "Answer",
    "Board",
    "Entry",
    "Key",
    "Lab",
    "Option",
    "Posed",
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
    "pose",
    "read_sheet",
    "sheets",
]
