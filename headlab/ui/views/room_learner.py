"""A learner's side of a room: coming in, seeing that answers are handed in, waiting, leaving."""

from dataclasses import replace

import streamlit as st

from headlab.errors import HeadlabError
from headlab.exercises import parse_record
from headlab.languages import N_, ngettext
from headlab.languages import gettext as _
from headlab.rooms import Room
from headlab.rooms.store import tidy
from headlab.ui.services import rooms, state
from headlab.ui.services.learner import get_record, keep_record
from headlab.ui.services.selection import Selection
from headlab.ui.services.speaking import speak_on
from headlab.ui.services.start_page import guarded
from headlab.ui.views.words import plain

POLL_S = 4.0  # answers then reach a class over some seconds, not all at once
NAME = "name in the room"


def room_line(selection: Selection) -> None:
    """Where a learner stands: asked to come in, in a room, or in none."""
    with guarded():
        asked, mine = tidy(selection.room or ""), rooms.joined()
        if selection.me and asked:
            _come_back(asked, selection.me)
        elif mine is not None and (not asked or asked == mine[0]):
            _inside(mine)
        elif asked:
            room = rooms.store().room(asked)
            if room is None:
                st.warning(_("There is no such room, or it has ended: ask for its address again."))
            else:
                _door(room)


def _door(room: Room) -> None:
    """A name, if the learner likes, and the way in."""
    with st.container(border=True):
        title = f" “{plain(room.title)}”" if room.title else ""
        st.markdown(
            _(
                "**Room {code}**{title}. Your answers are handed in to its teacher as you lock "
                "them: predictions, how sure you are, and the sentences you write. They are "
                "deleted when the room ends, in {left}."
            ).format(code=room.code, title=title, left=_left(room))
        )
        st.text_input(_("Your name, if you like"), value=get_record().name, key=NAME, max_chars=60)
        st.button(_("Come in"), type="primary", on_click=_enter, args=(room.code,))


def _enter(code: str) -> None:
    """Join, and hand in what there is; somebody else's record is not taken along."""
    record, name = get_record(), str(st.session_state.get(NAME) or "").strip()
    with guarded():
        rooms.join(code)
        if record.entries and record.name and name and name != record.name:
            record = type(record).new(name)
        keep_record(replace(record, name=name))
        if not name:
            found = rooms.handed()
            if found is not None:
                keep_record(replace(get_record(), name=_("learner {n}").format(n=found.number)))


def _come_back(code: str, learner: str) -> None:
    """With a link of their own a learner finds everything again, on any device."""
    found = rooms.store().handed(code, learner)
    if found is None:
        st.warning(
            _("This link belongs to no learner of an open room: come in with the room's own.")
        )
        return
    rooms.join(code, learner)
    try:
        record = parse_record(found.record)
    except HeadlabError:
        record = get_record()
    keep_record(record)
    state.change(me=None)
    st.rerun()


def _inside(mine: tuple[str, str]) -> None:
    """Which room, as whom, and whether the last answer arrived."""
    room = rooms.store().room(mine[0])
    if room is None:
        st.info(
            _(
                "The room has ended, and what was handed in there is deleted. Your record is still "
                "in this browser."
            )
        )
        st.button(_("Go on without it"), on_click=_leave)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        name = get_record().name
        st.caption(
            ":material/meeting_room: "
            + _("Room {code}, as {name}. Each answer is handed in as you lock it.").format(
                code=room.code, name=f"**{plain(name)}**"
            )
        )
        with st.popover(_("This room"), type="tertiary"):
            st.markdown(
                _(
                    "**Your own link** brings you back on another device. It is yours alone: who "
                    "has it can answer in your name."
                )
            )
            st.code(rooms.link(room, "Predict", me=mine[1]), language=None)
            st.caption(_("The room is open for {left} yet.").format(left=_left(room)))
            st.button(_("Leave the room"), on_click=_leave)
    if sentence := rooms.problem():
        st.warning(sentence)


def _leave() -> None:
    rooms.leave()
    state.change(room=None, me=None)


@st.fragment(run_every=POLL_S)
def wait_for_store(sentence: str) -> None:
    """While the store does not answer: whether answers are held back cannot be known."""
    try:
        rooms.room_here()
    except HeadlabError:
        st.warning(sentence)
    else:
        st.rerun(scope="app")


@st.fragment(run_every=POLL_S)
def wait_for(room: Room, words: str) -> None:
    """Say what is waited for; the page goes on by itself once the teacher has moved the room on."""
    speak_on()
    st.info(_(words))
    with guarded():
        now = rooms.room_here()
        if now is None or (now.phase, now.steps) != (room.phase, room.steps):
            st.rerun(scope="app")


VOTED = N_(
    "**Locked and handed in.** Your teacher shows the answer when the class is ready. Meanwhile: "
    "how would you explain your prediction to a neighbour?"
)
VOTE_AGAIN = N_(
    "**Talk to your neighbours:** what did they predict, and why? Then answer a second time, the "
    "same or differently. Your first answer stays as it is."
)
VOTED_AGAIN = N_(
    "**Both answers are handed in.** Your teacher shows what was measured in a moment."
)
NOT_OPEN = N_("**This step is not open yet.** Your teacher opens it when the class is ready.")


def _left(room: Room) -> str:
    minutes = room.minutes_left
    if minutes < 90:
        return ngettext("{n} minute", "{n} minutes", minutes).format(n=minutes)
    hours = round(minutes / 60)
    return ngettext("{n} hour", "{n} hours", hours).format(n=hours)
