"""A text shaded by where one token looks, and arcs between tokens: one head, drawn in the browser.

One component (Streamlit components v2, plain JavaScript) gets the pattern once; hovering and
choosing a token repaint there, and Python hears only which token is chosen.
"""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from headlab.measuring.reading import Reading
from headlab.ui.services import state
from headlab.ui.services.selection import Selection

_HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "headlab_text_view",
    html=(_HERE / "text_view.html").read_text(encoding="utf-8"),
    css=(_HERE / "text_view.css").read_text(encoding="utf-8"),
    js=(_HERE / "text_view.js").read_text(encoding="utf-8"),
)


def text_data(
    reading: Reading, pattern: np.ndarray, token: int, toward: bool = False, arcs: float = 0.3
) -> dict[str, Any]:
    """What is sent to the browser."""
    rows, columns = np.tril_indices(len(pattern))
    cells = np.rint(np.nan_to_num(pattern)[rows, columns] * 65_535).clip(0, 65_535)
    return {
        "tokens": reading.token_texts,
        "start": reading.start_token is not None,
        "cells": base64.b64encode(cells.astype("<u2").tobytes()).decode(),
        "token": token,
        "toward": toward,
        "arcs": arcs,
    }


def text_view(selection: Selection, reading: Reading, pattern: np.ndarray, key: str) -> None:
    """Draw the text of a reading as one head with ``pattern`` [query, key] sees it.

    The token chosen goes to the address. Values are sent in steps of 1/65,535.
    """
    last = len(reading.tokens) - 1
    token = last if selection.token is None else min(max(selection.token, 0), last)
    data = text_data(reading, pattern, token, selection.toward, selection.arcs / 100)
    _COMPONENT(
        key=key,
        data=data,
        on_token_change=lambda: state.change(token=int(st.session_state[key].token)),
    )
