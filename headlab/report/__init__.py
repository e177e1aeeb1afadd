"""Reports: what was measured and what a learner made of it, in one HTML file that needs no network.

``make_report`` puts the data together (``contents.py``), ``Report.html`` draws them (templates,
``drawing.py``), ``open_report`` gets them back.
"""

from headlab.report.causes import REPORTED
from headlab.report.contents import MAX_LINE, MAX_NOTES
from headlab.report.document import (
    Report,
    make_report,
    open_report,
    read_notes,
    read_record,
    read_report,
)
from headlab.report.inputs import ReportInput, report_date
from headlab.report.mechanisms import Told
from headlab.report.sections import SECTIONS, Given

__all__ = [
    "MAX_LINE",
    "MAX_NOTES",
    "REPORTED",
    "SECTIONS",
    "Given",
    "Report",
    "ReportInput",
    "Told",
    "make_report",
    "open_report",
    "read_notes",
    "read_record",
    "read_report",
    "report_date",
]
