"""Cells of a text to paint, query down and key across, drawn in the browser.

Press or drag, or arrow keys and Space; cells that a rule asks for are framed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import streamlit as st

_HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "headlab_paint",
    html=(_HERE / "paint.html").read_text(encoding="utf-8"),
    css=(_HERE / "paint.css").read_text(encoding="utf-8"),
    js=(_HERE / "paint.js").read_text(encoding="utf-8"),
)


def paint(
    tokens: Sequence[str],
    cells: np.ndarray,
    ruled: np.ndarray,
    take: Callable[[list[tuple[int, int]]], None],
    key: str = "paint",
) -> None:
    """Draw the grid; ``take`` is called, as a callback, with the cells that are painted then.

    ``cells`` and ``ruled`` [query, key] are painted and framed. The browser takes ``cells`` when
    the text is new to it, and goes on painting by itself.
    """

    def taken() -> None:
        found = st.session_state[key].cells
        n = len(tokens)
        places = [(int(q), int(k)) for q, k in found or []]
        take([(q, k) for q, k in places if 0 <= k <= q < n])

    data = {
        "id": "\0".join(tokens),
        "tokens": list(tokens),
        "cells": np.argwhere(cells).tolist(),
        "ruled": np.argwhere(ruled).tolist(),
    }
    _COMPONENT(key=key, data=data, on_cells_change=taken)
