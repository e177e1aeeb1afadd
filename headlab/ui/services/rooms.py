"""The room that this browser is in, as a learner or as its teacher.

Both are kept by the browser (``browser_store``), so that a reload or a dead battery loses nothing.
"""

import hmac
import json
import secrets
from urllib.parse import urlencode, urlsplit

import streamlit as st

from headlab import settings
from headlab.errors import HeadlabError
from headlab.exercises import parse_record
from headlab.places import cache_folder
from headlab.rooms import Handed, Room, Store
from headlab.ui.services.navigation import PAGES

JOINED, TEACHING = "room", "teaching"  # names in the session and in the browser's store
PROBLEM = "why nothing was handed in"


@st.cache_resource(show_spinner=False, on_release=Store.close)
def store() -> Store:
    """The rooms of this server."""
    opened = Store(settings.store() or cache_folder() / "rooms.sqlite")
    opened.forget_from_now_on()
    return opened


def joined() -> tuple[str, str] | None:
    """The code of the room that a learner here is in, and their token."""
    return _pair(JOINED)


def join(code: str, learner: str = "") -> None:
    """Enter a room, as who has this token or as somebody new."""
    st.session_state[JOINED] = json.dumps([code, learner or secrets.token_urlsafe(16)])


def leave() -> None:
    """Go on without a room; what was handed in stays there until it ends."""
    st.session_state[JOINED] = ""
    st.session_state.pop(PROBLEM, None)


def hand_in(record: str) -> None:
    """Hand the record in, if a learner here is in a room; ``problem`` says what goes wrong.

    What was locked stays as it was handed in first; somebody else's record is one more learner's.
    """
    mine = joined()
    if mine is None:
        return
    try:
        handed = store().handed(*mine)
        if handed is not None:
            earlier, now = parse_record(handed.record), parse_record(record)
            if earlier.id == now.id:
                record = now.following(earlier).to_json()
            elif earlier.entries:
                join(mine[0])
                mine = joined() or mine
        store().hand_in(*mine, record)
        st.session_state.pop(PROBLEM, None)
    except HeadlabError as error:
        st.session_state[PROBLEM] = str(error)


def handed() -> Handed | None:
    """What the learner here has handed in last."""
    mine = joined()
    return None if mine is None else store().handed(*mine)


def room_here() -> Room | None:
    """The open room that a learner here is in."""
    mine = joined()
    return None if mine is None else store().room(mine[0])


def problem() -> str:
    """Why the last answer was not handed in, or nothing."""
    return str(st.session_state.get(PROBLEM) or "")


def teaching() -> tuple[str, str] | None:
    """The code of the room that is taught here, and its secret."""
    return _pair(TEACHING)


def taught() -> Room | None:
    """The open room that is taught here."""
    mine = teaching()
    return None if mine is None else store().teaches(*mine)


def teach(code: str, secret: str) -> None:
    """Be the teacher of a room in this browser."""
    st.session_state[TEACHING] = json.dumps([code, secret])


def stop_teaching() -> None:
    """Be no teacher any more in this browser."""
    st.session_state[TEACHING] = ""


def needs_word() -> bool:
    """Whether who opens a room must know the teacher's word: on a server for strangers."""
    return settings.public()


def may_open() -> bool:
    """Whether rooms can be opened on this server at all."""
    return not needs_word() or bool(settings.teacher())


def check_word(word: str) -> None:
    """HeadlabError unless rooms may be opened by who says this word."""
    if needs_word() and not hmac.compare_digest(word.strip().encode(), settings.teacher().encode()):
        raise HeadlabError(
            "This is not the teacher's word of this server: it stands where the server was started."
        )


def link(room: Room, page: str, **more: str) -> str:
    """The address of a page in a room, as others reach this server."""
    base = settings.room() or f"{urlsplit(str(st.context.url or ''))._replace(path='').geturl()}"
    base = base.partition("?")[0].rstrip("/")
    path = PAGES[page].path.removeprefix("pages/").removesuffix(".py")
    return f"{base}/{path}?{urlencode({'room': room.code, **more})}"


def _pair(name: str) -> tuple[str, str] | None:
    """A code and a token that the browser kept; None where somebody has changed them."""
    try:
        code, token = json.loads(st.session_state.get(name) or "null")
    except (TypeError, ValueError):
        return None
    return (code, token) if isinstance(code, str) and isinstance(token, str) else None
