"""A teacher's side of a room: opening it, who is where, holding answers back, ending it."""

import pandas as pd
import streamlit as st

from headlab.exercises import Board, sheets
from headlab.exercises.record import OBSERVE
from headlab.rooms import FIRST, FREE, HOURS, SECOND, Room
from headlab.rooms.store import MOST_HOURS
from headlab.ui.services import rooms, state
from headlab.ui.services.navigation import page_link
from headlab.ui.services.start_page import guarded
from headlab.ui.services.state import Selection
from headlab.ui.views.class_board import downloads, show_board, show_files, show_question
from headlab.ui.views.room import qr_code
from headlab.ui.views.words import plain

POLL_S = 3.0
TITLE, HOURS_OPEN, SHEETS, WORD = "room title", "room hours", "room sheets", "teacher's word"
PHASE, MINUTES, STEPS = "room phase", "room minutes", "room steps"
PHASES = {
    FREE: "shown as each locks",
    FIRST: "wait: first vote",
    SECOND: "wait: second vote",
}
BY_HAND, ALL_STEPS = 0, 0
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
        offered = sheets().sheets
        st.multiselect(
            "Sheets of this lesson (none chosen: all)",
            list(offered),
            format_func=lambda name: offered[name].title,
            key=SHEETS,
        )
        if rooms.needs_word():
            st.text_input(
                "The teacher's word: it stands where this server was started",
                type="password",
                key=WORD,
            )
        st.button("Open the room", type="primary", on_click=_open)
        st.caption(
            "Answers, names and sentences of its learners are kept on this machine until the room "
            "ends, and then deleted. You can end it at any time."
        )


def _open() -> None:
    title, hours = str(st.session_state.get(TITLE) or ""), st.session_state.get(HOURS_OPEN, HOURS)
    with guarded():
        rooms.check_word(str(st.session_state.get(WORD) or ""))
        chosen = st.session_state.get(SHEETS, [])
        room, secret = rooms.store().open(title.strip(), hours, chosen)
        rooms.teach(room.code, secret)


def taught_room(projector: bool) -> None:
    """The room that is taught in this browser, for its teacher or for the class to see."""
    mine = rooms.teaching()
    assert mine is not None
    room = rooms.store().teaches(*mine)
    if room is None:
        st.info("Your room has ended, and what was handed in there is deleted.")
        st.button("Go on", on_click=rooms.stop_teaching)
        return
    if projector:
        with st.container(key="projector"):  # the style makes it large, and leaves out the menu
            _way_in(room, mine[1], projector)
            show_class(mine)
        return
    _way_in(room, mine[1], projector)
    _live(mine)
    _ending(mine)


def _way_in(room: Room, secret: str, projector: bool) -> None:
    """The code and the address for learners, large; the teacher's own link."""
    only = {"sheet": room.sheets[0], "step": "1"} if len(room.sheets) == 1 else {}
    address = rooms.link(room, "Predict", **only)
    left, right = st.columns([1, 3], vertical_alignment="center")
    picture = qr_code(address)
    if picture is not None:
        left.image(picture, width=180, alt=f"QR code of {address}")
    with right:
        st.subheader(plain(room.title) or f"Room {room.code}", anchor=False)
        st.markdown("Learners come in at")
        st.code(address, language=None, wrap_lines=True)
        if projector:
            page_link("Class", label="Back to the teacher's view", projector=False)
            return
        page_link("Class", label="For the projector: large, without names", projector=True)
        with st.popover("Your own link", type="tertiary"):
            st.markdown("Yours alone: who has it sees every answer, and can end the room.")
            st.code(rooms.link(room, "Class", teacher=secret), language=None, wrap_lines=True)


@st.fragment(run_every=POLL_S)
def _live(mine: tuple[str, str]) -> None:
    """Who is where and what was answered, a few seconds behind."""
    with guarded():
        room = rooms.store().teaches(*mine)
        if room is None:
            st.rerun(scope="app")
            return
        conduct(room, mine)
        handed = rooms.store().all_handed(*mine)
        board = Board.read((f"learner {each.number}", each.record) for each in handed)
        if not handed:
            st.info("Nobody has come in yet.")
            return
        if st.toggle("Hide names", key="room anonymous"):
            board = board.anonymised()
        show_files(board)
        where_they_are(board, room)
        if not room.held:  # what others chose is not shown while the class still thinks
            show_board(board)
            downloads(board)


def conduct(room: Room, mine: tuple[str, str]) -> None:
    """Which answers are shown, and which steps are open."""
    st.session_state[PHASE] = room.phase
    st.session_state[STEPS] = room.steps or ALL_STEPS
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Answers",
            list(PHASES),
            required=True,
            format_func=lambda phase: PHASES[phase],
            key=PHASE,
            on_change=_begin_phase,
            args=(mine,),
            wrap=True,
            help="Alone first: let answers wait until all have locked. Then let them talk and vote "
            "a second time, and only then show what was measured.",
        )
        st.number_input(
            "Shown after, in minutes (0: by you)", 0, 60, BY_HAND, key=MINUTES, width=230
        )
        st.number_input(
            "Steps open (0: all)",
            ALL_STEPS,
            20,
            key=STEPS,
            width=150,
            on_change=_open_steps,
            args=(mine,),
        )
    if room.held and room.shown_at is not None:
        st.caption("Shown by themselves at the end of the time; choose again to begin it anew.")


def _begin_phase(mine: tuple[str, str]) -> None:
    minutes = int(st.session_state.get(MINUTES, BY_HAND))
    with guarded():
        rooms.store().hold(*mine, st.session_state[PHASE], minutes or None)


def _open_steps(mine: tuple[str, str]) -> None:
    with guarded():
        rooms.store().open_steps(*mine, st.session_state[STEPS] or None)


def where_they_are(board: Board, room: Room) -> None:
    """At which step each learner is, and how many have locked its answers."""
    rows = []
    for name, record in zip(board.learners(), board.records, strict=True):
        if not record.entries:
            rows.append({"learner": name, "sheet": "", "step": "", "now": "has come in"})
            continue
        entry = max(record.entries, key=lambda each: each.started)
        now = STAGES.get(entry.stage, entry.stage)
        if room.held and entry.stage == OBSERVE:
            now = "has voted" if entry.second is None else "has voted twice"
        title, step = entry.sheet_title, str(entry.step)
        rows.append({"learner": name, "sheet": title, "step": step, "now": now})
    st.markdown(_locked(board, room))
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Where each learner is")


def _locked(board: Board, room: Room) -> str:
    """How many have locked an answer at the step they are at."""
    latest = [max(r.entries, key=lambda e: e.started) for r in board.records if r.entries]
    first = sum(entry.first is not None for entry in latest)
    words = f"**{first} of {len(board.records)}** have locked a prediction at the step they are at."
    if room.phase == SECOND:
        second = sum(entry.second is not None for entry in latest)
        words += f" **{second}** have voted a second time."
    return words


@st.fragment(run_every=POLL_S)
def show_class(mine: tuple[str, str]) -> None:
    """What a class may see of itself: how many have answered, and once it is shown, how."""
    with guarded():
        room = rooms.store().teaches(*mine)
        if room is None:
            st.rerun(scope="app")
            return
        handed = rooms.store().all_handed(*mine)
        board = Board.read((f"learner {each.number}", each.record) for each in handed).anonymised()
        said = _locked(board, room).replace("**", "") if handed else "Nobody has come in yet."
        st.header(said, anchor=False)
        question = board.current()
        if room.held:
            st.subheader(SAID[room.phase], anchor=False)
        elif question is not None:
            show_question(question, 0)


SAID = {
    FIRST: "Predict on your own, then lock.",
    SECOND: "Talk to your neighbours, then vote again.",
}


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
