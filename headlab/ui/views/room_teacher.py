"""A teacher's side of a room: opening it, who is where, holding answers back, ending it."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from headlab.exercises import Board, sheets
from headlab.exercises.record import OBSERVE
from headlab.languages import N_
from headlab.languages import gettext as _
from headlab.rooms import FIRST, FREE, HOURS, SECOND, Handed, Room
from headlab.rooms.store import MOST_HOURS
from headlab.ui.services import rooms, state
from headlab.ui.services.navigation import page_link
from headlab.ui.services.selection import Selection
from headlab.ui.services.speaking import speak_on
from headlab.ui.services.start_page import guarded
from headlab.ui.views.class_board import downloads, show_board, show_files, show_question
from headlab.ui.views.room import qr_code
from headlab.ui.views.words import plain

POLL_S = 3.0
TITLE, HOURS_OPEN, SHEETS, WORD = "room title", "room hours", "room sheets", "teacher's word"
PHASE, MINUTES, STEPS = "room phase", "room minutes", "room steps"
PHASES = {
    FREE: N_("shown as each locks"),
    FIRST: N_("wait: first vote"),
    SECOND: N_("wait: second vote"),
}
BY_HAND, ALL_STEPS = 0, 0
STAGES = {
    "predict": N_("predicting"),
    "observe": N_("looking"),
    "explain": N_("explaining"),
    "revise": N_("answering again"),
    "transfer": N_("at the transfer"),
    "done": N_("done"),
}


def take_teacher_link(selection: Selection) -> None:
    """Who opens the teacher's secret link is the teacher in this browser."""
    if not (selection.room and selection.teacher):
        return
    room = rooms.store().teaches(selection.room, selection.teacher)
    if room is None:
        st.warning(_("This link belongs to no open room: its room has ended, or it is incomplete."))
        return
    rooms.teach(room.code, selection.teacher)
    state.change(room=None, teacher=None)
    st.rerun()


def offer_room() -> None:
    """The form that opens a room, where one may be opened."""
    if not rooms.may_open():
        return
    with st.expander(_("Open a room: learners' answers appear here by themselves")):
        st.text_input(_("What it is called, if you like"), key=TITLE, max_chars=100)
        st.number_input(_("Hours until it ends"), 1, MOST_HOURS, HOURS, key=HOURS_OPEN)
        offered = sheets().sheets
        st.multiselect(
            _("Sheets of this lesson (none chosen: all)"),
            list(offered),
            format_func=lambda name: offered[name].title,
            key=SHEETS,
        )
        if rooms.needs_word():
            st.text_input(
                _("The teacher's word: it stands where this server was started"),
                type="password",
                key=WORD,
            )
        st.button(_("Open the room"), type="primary", on_click=_open)
        st.caption(
            _(
                "Answers, names and sentences of its learners are kept on this machine until the "
                "room ends, and then deleted. You can end it at any time."
            )
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
        st.info(_("Your room has ended, and what was handed in there is deleted."))
        st.button(_("Go on"), on_click=rooms.stop_teaching)
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
        left.image(picture, width=180, alt=_("QR code of {address}").format(address=address))
    with right:
        title = plain(room.title) or _("Room {code}").format(code=room.code)
        st.subheader(title, anchor=False)
        st.markdown(_("Learners come in at"))
        st.code(address, language=None, wrap_lines=True)
        if projector:
            page_link("Class", label=_("Back to the teacher's view"), projector=False)
            return
        page_link("Class", label=_("For the projector: large, without names"), projector=True)
        with st.popover(_("Your own link"), type="tertiary"):
            st.markdown(_("Yours alone: who has it sees every answer, and can end the room."))
            st.code(rooms.link(room, "Class", teacher=secret), language=None, wrap_lines=True)


@st.fragment(run_every=POLL_S)
def _live(mine: tuple[str, str]) -> None:
    """Who is where and what was answered, a few seconds behind."""
    speak_on()
    with guarded():
        room = rooms.store().teaches(*mine)
        if room is None:
            st.rerun(scope="app")
            return
        conduct(room, mine)
        handed = rooms.store().all_handed(*mine)
        board = _board(handed)
        if not handed:
            st.info(_("Nobody has come in yet."))
            return
        if st.toggle(_("Hide names"), key="room anonymous"):
            board = board.anonymised()
        show_files(board)
        where_they_are(board, room)
        if not room.held:  # what others chose is not shown while the class still thinks
            show_board(board)
            downloads(board)


def _board(handed: Sequence[Handed]) -> Board:
    """What was handed in, under the numbers of learners who gave no name."""
    return Board.read((_("learner {n}").format(n=each.number), each.record) for each in handed)


def conduct(room: Room, mine: tuple[str, str]) -> None:
    """Which answers are shown, and which steps are open."""
    st.session_state[PHASE] = room.phase
    st.session_state[STEPS] = room.steps or ALL_STEPS
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            _("Answers"),
            list(PHASES),
            required=True,
            format_func=lambda phase: _(PHASES[phase]),
            key=PHASE,
            on_change=_begin_phase,
            args=(mine,),
            wrap=True,
            help=_(
                "Alone first: let answers wait until all have locked. Then let them talk and vote "
                "a second time, and only then show what was measured."
            ),
        )
        st.number_input(
            _("Shown after, in minutes (0: by you)"), 0, 60, BY_HAND, key=MINUTES, width=230
        )
        st.number_input(
            _("Steps open (0: all)"),
            ALL_STEPS,
            20,
            key=STEPS,
            width=150,
            on_change=_open_steps,
            args=(mine,),
        )
    if room.held and room.shown_at is not None:
        st.caption(_("Shown by themselves at the end of the time; choose again to begin it anew."))


def _begin_phase(mine: tuple[str, str]) -> None:
    minutes = int(st.session_state.get(MINUTES, BY_HAND))
    with guarded():
        rooms.store().hold(*mine, st.session_state[PHASE], minutes or None)


def _open_steps(mine: tuple[str, str]) -> None:
    with guarded():
        rooms.store().open_steps(*mine, st.session_state[STEPS] or None)


def where_they_are(board: Board, room: Room) -> None:
    """At which step each learner is, and how many have locked its answers."""
    columns = (_("learner"), _("sheet"), _("step"), _("now"))
    rows = []
    for name, record in zip(board.learners(), board.records, strict=True):
        if not record.entries:
            rows.append(dict(zip(columns, (name, "", "", _("has come in")), strict=True)))
            continue
        entry = max(record.entries, key=lambda each: each.started)
        now = _(STAGES.get(entry.stage, entry.stage))
        if room.held and entry.stage == OBSERVE:
            now = _("has voted") if entry.second is None else _("has voted twice")
        title, step = entry.sheet_title, str(entry.step)
        rows.append(dict(zip(columns, (name, title, step, now), strict=True)))
    st.markdown(_locked(board, room))
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt=_("Where each learner is"))


def _locked(board: Board, room: Room) -> str:
    """How many have locked an answer at the step they are at."""
    latest = [max(r.entries, key=lambda e: e.started) for r in board.records if r.entries]
    first = sum(entry.first is not None for entry in latest)
    words = _("**{n} of {all}** have locked a prediction at the step they are at.").format(
        n=first, all=len(board.records)
    )
    if room.phase == SECOND:
        second = sum(entry.second is not None for entry in latest)
        words += " " + _("**{n}** have voted a second time.").format(n=second)
    return words


@st.fragment(run_every=POLL_S)
def show_class(mine: tuple[str, str]) -> None:
    """What a class may see of itself: how many have answered, and once it is shown, how."""
    speak_on()
    with guarded():
        room = rooms.store().teaches(*mine)
        if room is None:
            st.rerun(scope="app")
            return
        handed = rooms.store().all_handed(*mine)
        board = _board(handed).anonymised()
        said = _locked(board, room).replace("**", "") if handed else _("Nobody has come in yet.")
        st.header(said, anchor=False)
        question = board.current()
        if room.held:
            st.subheader(_(SAID[room.phase]), anchor=False)
        elif question is not None:
            show_question(question, 0)


SAID = {
    FIRST: N_("Predict on your own, then lock."),
    SECOND: N_("Talk to your neighbours, then vote again."),
}


def _ending(mine: tuple[str, str]) -> None:
    """End the room for good, once that is confirmed."""
    with st.popover(_("End the room"), icon=":material/delete:"):
        st.markdown(
            _(
                "Everything handed in is deleted from this machine; learners keep their own "
                "records. Download the tables above first, if you want them."
            )
        )
        st.button(_("End it and delete everything"), type="primary", on_click=_end, args=(mine,))


def _end(mine: tuple[str, str]) -> None:
    with guarded():
        rooms.store().end(*mine)
        rooms.stop_teaching()
