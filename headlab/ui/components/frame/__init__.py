"""What all pages share in the browser: room for their pictures, and where they begin.

The style makes Streamlit's margins narrow. The script scrolls: a new page, sheet, step or head to
its beginning, and whatever :func:`scroll_to` names to itself; on a narrow screen it closes the menu
after a choice. With ``?embed=1`` in the address there is no menu at all, for a frame in
somebody else's page.
"""

from collections.abc import Hashable
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_STYLE = _HERE / "frame.css"
_TARGET = "scroll to"
_COMPONENT = st.components.v2.component(
    "headlab_frame",
    html="<span></span>",
    js=(_HERE / "frame.js").read_text(encoding="utf-8"),
)


def frame(place: Hashable) -> None:
    """Dress the page; where ``place`` differs from the last run's, it is shown from its top."""
    st.html(_STYLE)
    key, turn = st.session_state.get(_TARGET, ("", 0))
    with st.sidebar:
        _COMPONENT(key="frame", data={"place": str(place), "target": key, "turn": turn}, height=1)


def scroll_to(key: str) -> None:
    """Bring the container with this key to the top of the window, once it is drawn next."""
    _, turn = st.session_state.get(_TARGET, ("", 0))
    st.session_state[_TARGET] = (key, turn + 1)
