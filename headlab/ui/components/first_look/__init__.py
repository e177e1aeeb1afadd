"""The first thing on the entrance: one question about one real head, answered in the browser.

What is drawn was measured before and is kept in ``kept.json`` (``scripts/keep_first_look.py`` makes
it, a test holds it against the network), so that it stands there before torch has been imported.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

KEPT = Path(__file__).with_name("kept.json")
_HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "headlab_first_look",
    html=(_HERE / "first_look.html").read_text(encoding="utf-8"),
    css=(_HERE / "first_look.css").read_text(encoding="utf-8"),
    js=(_HERE / "first_look.js").read_text(encoding="utf-8"),
)


@cache
def kept() -> dict[str, Any]:
    """The question, and the attention [key] of one query of one head of `mini`."""
    found: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def first_look() -> None:
    """Draw the question; it needs nothing but this package and Streamlit."""
    _COMPONENT(key="first look", data=kept())
