"""In which language a page speaks: that of the sheet it shows, or of the sheets of its room."""

from collections.abc import Iterable

import streamlit as st

from headlab import languages
from headlab.exercises import Sheet, sheets
from headlab.rooms import Room

_SPOKEN = "language"
# Each paragraph runs in the direction of its own words, since some of them stay English.
RIGHT_TO_LEFT = """
[data-testid=stMain] { direction: rtl; text-align: right; }
[data-testid=stMain] :is(p, li, h1, h2, h3, label) { unicode-bidi: plaintext; text-align: right; }
[data-testid=stMain] :is(iframe, canvas, svg, [data-testid=stPlotlyChart],
  [data-testid=stBidiComponentIsolated], [data-testid=stDataFrame]) {
  direction: ltr; text-align: left; }
"""


def speak(language: str = languages.ENGLISH) -> None:
    """Speak this language on the rest of the page, and in the parts of it that run by themselves.

    Where it is written from right to left, so are the words of the page; pictures stay as they are.
    """
    st.session_state[_SPOKEN] = language
    languages.speak(language)
    if languages.is_right_to_left(language):
        st.html(f"<style>{RIGHT_TO_LEFT}</style>")


def speak_on() -> None:
    """Speak as the page did: for what runs again without it (a fragment)."""
    languages.speak(st.session_state.get(_SPOKEN, languages.ENGLISH))


def language_of(room: Room | None) -> str:
    """The language that all sheets of a room's lesson share; English where they share none."""
    if room is None or not room.sheets:
        return languages.ENGLISH
    offered = sheets().sheets
    return shared(offered[name] for name in room.sheets if name in offered)


def shared(lesson: Iterable[Sheet]) -> str:
    """The language that these sheets share; English where they share none."""
    spoken = {sheet.language for sheet in lesson}
    return spoken.pop() if len(spoken) == 1 else languages.ENGLISH
