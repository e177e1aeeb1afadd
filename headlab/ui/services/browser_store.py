"""What a learner typed, kept in their own browser: it survives a reload and never stays here.

Each tab remembers its own (sessionStorage); a newly opened one starts from what was kept last
(localStorage). Values are JSON. Everything goes through the session: a page reads and writes
``st.session_state[name]`` for the names in :data:`KEPT`, and this file carries them over.
"""

import json
from typing import Any

import streamlit as st

KEPT = ("own_text", "marks", "record", "report", "room", "teaching")
_KEY = "browser_store"
_HEARD = "browser_store heard"

_COMPONENT = st.components.v2.component(
    "headlab_browser_store",
    html="<span></span>",
    js="""
const PLACE = "headlab"

export default function ({ data, parentElement, setStateValue }) {
  try {
    if (data.keep === "{}") {
      for (const storage of [sessionStorage, localStorage]) storage.removeItem(PLACE)
    } else if (data.keep !== null) {
      for (const storage of [sessionStorage, localStorage]) storage.setItem(PLACE, data.keep)
    } else {
      setStateValue("kept", sessionStorage.getItem(PLACE) ?? localStorage.getItem(PLACE) ?? "{}")
    }
  } catch (error) { // storage switched off or full: the session still holds everything
    if (data.keep === null) setStateValue("kept", "{}")
  }
}
""",
)


def sync() -> None:
    """Adopt what the browser kept, once, and from then on keep there what the session holds."""
    heard = st.session_state.get(_HEARD, False)
    held = {name: st.session_state[name] for name in KEPT if st.session_state.get(name)}
    _COMPONENT(
        key=_KEY,
        data={"keep": json.dumps(held) if heard else None},
        on_kept_change=_adopt,
        height=1,
    )


def _adopt() -> None:
    if st.session_state.get(_HEARD):
        return
    st.session_state[_HEARD] = True
    for name, value in _read(st.session_state[_KEY].get("kept")).items():
        if not st.session_state.get(name):  # what was typed meanwhile, or came by link, wins
            st.session_state[name] = value


def _read(kept: Any) -> dict[str, Any]:
    """The values kept, or nothing if somebody has changed them."""
    try:
        values = json.loads(kept)
    except (TypeError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {name: values[name] for name in KEPT if isinstance(values.get(name), str)}


def clear() -> None:
    """Forget everything kept, in the session and in the browser; meant for a callback."""
    for name in KEPT:
        st.session_state[name] = ""
    st.session_state[_HEARD] = True
