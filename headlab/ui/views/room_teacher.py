"""A teacher's side of a room: opening it, who is where, holding answers back, ending it."""

import pandas as pd
import streamlit as st

from headlab.exercises import Board
from headlab.rooms import HOURS, Room
from headlab.rooms.store import MOST_HOURS
from headlab.ui.services import rooms, state
from headlab.ui.services.start_page import guarded
from headlab.ui.services.state import Selection
from headlab.ui.views.class_board import downloads, show_board, show_files
from headlab.ui.views.room import qr_code
from headlab.ui.views.words import plain

POLL_S = 3.0
TITLE, HOURS_OPEN = "room title", "room hours"
STAGES = {
    "predict": "predicting",
    "observe": "looking",
    "explain": "explaining",
    "revise": "answering again",
    "transfer": "at the transfer",
    "done": "done",
}


def take_teacher_link(selection: Selection) -> None:
    """Who opens the teacher's secret link is the teacher in this browser."""
    if not (selection.room and selection.teacher):
        return
    room = rooms.store().teaches(selection.room, selection.teacher)
    if room is None:
        st.warning("This link belongs to no open room: its room has ended, or it is incomplete.")
        return
    rooms.teach(room.code, selection.teacher)
    state.change(room=None, teacher=None)
    st.rerun()


def offer_room() -> None:
    """The form that opens a room, where one may be opened."""
    if not rooms.may_open():
        return
    with st.expander("Open a room: learners' answers appear here by themselves"):
        st.text_input("What it is called, if you like", key=TITLE, max_chars=100)
        st.number_input("Hours until it ends", 1, MOST_HOURS, HOURS, key=HOURS_OPEN)
        st.button("Open the room", type="primary", on_click=_open)
        st.caption(
            "Answers, names and sentences of its learners are kept on this machine until the room "
            "ends, and then deleted. You can end it at any time."
        )


def _open() -> None:
    title, hours = str(st.session_state.get(TITLE) or ""), st.session_state.get(HOURS_OPEN, HOURS)
    with guarded():
        room, secret = rooms.store().open(title.strip(), hours)
        rooms.teach(room.code, secret)


def taught_room() -> None:
    """The room that is taught in this browser."""
    mine = rooms.teaching()
    assert mine is not None
    room = rooms.store().teaches(*mine)
    if room is None:
        st.info("Your room has ended, and what was handed in there is deleted.")
        st.button("Go on", on_click=rooms.stop_teaching)
        return
    _way_in(room, mine[1])
    _live(mine)
    _ending(mine)


def _way_in(room: Room, secret: str) -> None:
    """The code and the address for learners, large; the teacher's own link."""
    address = rooms.link(room, "Predict")
    left, right = st.columns([1, 3], vertical_alignment="center")
    picture = qr_code(address)
    if picture is not None:
        left.image(picture, width=180, alt=f"QR code of {address}")
    with right:
        st.subheader(plain(room.title) or f"Room {room.code}", anchor=False)
        st.markdown("Learners come in at")
        st.code(address, language=None)
        with st.popover("Your own link", type="tertiary"):
            st.markdown("Yours alone: who has it sees every answer, and can end the room.")
            st.code(rooms.link(room, "Class", teacher=secret), language=None)


@st.fragment(run_every=POLL_S)
def _live(mine: tuple[str, str]) -> None:
    """Who is where and what was answered, a few seconds behind."""
    with guarded():
        room = rooms.store().teaches(*mine)
        if room is None:
            st.rerun(scope="app")
            return
        st.toggle(
            "Hold the answers: whoever has locked waits until you show them",
            value=room.held,
            key="hold the answers",
            on_change=lambda: rooms.store().hold(*mine, bool(st.session_state["hold the answers"])),
        )
        handed = rooms.store().all_handed(*mine)
        board = Board.read((f"learner {each.number}", each.record) for each in handed)
        if not handed:
            st.info("Nobody has come in yet.")
            return
        if st.toggle("Hide names", key="room anonymous"):
            board = board.anonymised()
        show_files(board)
        where_they_are(board)
        if not room.held:  # what others chose is not shown while the class still thinks
            show_board(board)
            downloads(board)


def where_they_are(board: Board) -> None:
    """At which step each learner is, and how many have locked its first answer."""
    rows, locked = [], 0
    for name, record in zip(board.learners(), board.records, strict=True):
        if not record.entries:
            rows.append({"learner": name, "sheet": "", "step": "", "now": "has come in"})
            continue
        entry = max(record.entries, key=lambda each: each.started)
        locked += entry.first is not None
        rows.append(
            {
                "learner": name,
                "sheet": entry.sheet_title,
                "step": str(entry.step),
                "now": STAGES.get(entry.stage, entry.stage),
            }
        )
    st.markdown(f"**{locked} of {len(rows)}** have locked a prediction at the step they are at.")
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Where each learner is")


def _ending(mine: tuple[str, str]) -> None:
    """End the room for good, once that is confirmed."""
    with st.popover("End the room", icon=":material/delete:"):
        st.markdown(
            "Everything handed in is deleted from this machine; learners keep their own records. "
            "Download the tables above first, if you want them."
        )
        st.button("End it and delete everything", type="primary", on_click=_end, args=(mine,))


def _end(mine: tuple[str, str]) -> None:
    with guarded():
        rooms.store().end(*mine)
        rooms.stop_teaching()
