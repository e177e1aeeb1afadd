"""For teachers: a room of the class, live, or the records that learners handed in as files."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from headlab.exercises import Board, sheets
from headlab.exercises.invented import invented_records
from headlab.exercises.submissions import submissions
from headlab.languages import N_
from headlab.languages import gettext as _
from headlab.report import read_record
from headlab.ui.services import rooms
from headlab.ui.services.learner import get_lab
from headlab.ui.services.selection import Selection
from headlab.ui.services.speaking import language_of, speak
from headlab.ui.services.start_page import guarded, page_header, start_page
from headlab.ui.views.class_board import downloads, show_board, show_files
from headlab.ui.views.room_teacher import offer_room, take_teacher_link, taught_room

_BOARD = "class board"


def read_board(files: Sequence[UploadedFile]) -> Board:
    """The board over these files; it is read again only when other files are there."""
    ids = [file.file_id for file in files]
    kept = st.session_state.get(_BOARD)
    if kept is None or kept[0] != ids:
        handed_in = (each for file in files for each in submissions(file.name, file.getvalue()))
        kept = ids, Board.read(handed_in, read_record)
        st.session_state[_BOARD] = kept
    board: Board = kept[1]
    return board


def from_files(selection: Selection) -> None:
    """The board of files that are dropped in; three invented learners until then."""
    files = st.file_uploader(
        _("Records (JSON), reports (HTML), or a zip of submissions"),
        type=["json", "html", "zip"],
        accept_multiple_files=True,
        key="class records",
    )
    if files:
        board = read_board(files)
        if st.toggle(_("Hide names"), key="anonymous"):
            board = board.anonymised()
        show_files(board)
        show_board(board)
        downloads(board)
        return
    st.session_state.pop(_BOARD, None)
    sheet = next(iter(sheets().sheets.values()))
    st.info(
        _(
            "**An example.** Nobody has handed in anything yet: these three learners are invented. "
            "Real ones take their place once you drop in records above."
        )
    )
    show_board(Board(invented_records(sheet, get_lab(selection))))


HOW = N_("""**A room**: learners come in by its address or code, and their answers appear here as
they lock them. Nobody uploads anything. When the room ends, everything handed in is deleted.

**Files**: drop in the records that learners downloaded on the Predict page, or reports that hold
one. They are read here and kept nowhere: close the page, and they are gone.

A record does not prove who made it.""")

with start_page("Class") as selection:
    take_teacher_link(selection)
    with guarded():
        speak(language_of(rooms.taught()))
    page_header(selection, _("Class"), _(HOW))
    with guarded():
        if rooms.teaching() is not None:
            taught_room(selection.projector)
        else:
            offer_room()
            from_files(selection)
