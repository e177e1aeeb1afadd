"""The heads of one layer side by side, drawn in the browser.

One component (Streamlit components v2, plain JavaScript on canvas) gets the patterns of all layers
once and slides layers, hovers and locks heads without asking the server.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plotly.colors
import streamlit as st

from headlab.profile import Profile
from headlab.reading import Reading

_HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "headlab_head_grid",
    html=(_HERE / "head_grid.html").read_text(encoding="utf-8"),
    css=(_HERE / "head_grid.css").read_text(encoding="utf-8"),
    js=(_HERE / "head_grid.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class GridView:
    """What the learner has in view: a layer, and the head locked in it or None."""

    layer: int
    head: int | None


def quantised(patterns: np.ndarray) -> bytes:
    """Lower triangles of patterns [layer, head, query, key] as uint8, 255 for 1, row by row.

    Values are off by at most 0.2 points of a hundred.
    """
    rows, columns = np.tril_indices(patterns.shape[-1])
    cells = patterns[..., rows, columns] * 255  # [layer, head, cell]
    return np.rint(cells).clip(0, 255).astype(np.uint8).tobytes()


def grid_data(reading: Reading, view: GridView, profile: Profile | None) -> dict[str, Any]:
    """What is sent to the browser; ``id`` names the reading."""
    patterns = quantised(reading.patterns)
    layers, heads = range(reading.n_layers), range(reading.n_heads)
    labels = profile and [[profile.label_text(i, h) for h in heads] for i in layers]
    identity = f"{reading.model_name} {reading.tokens}".encode()
    return {
        "id": hashlib.sha256(patterns + identity).hexdigest()[:16],
        "patterns": base64.b64encode(patterns).decode(),
        "tokens": reading.token_texts,
        "start": reading.start_token is not None,
        "n_layers": reading.n_layers,
        "n_heads": reading.n_heads,
        "hints": [[str(hint) for hint in row] for row in reading.hints],
        "labels": labels,
        "layer": view.layer,
        "head": view.head,
        "palette": list(plotly.colors.sequential.Cividis),
    }


def head_grid(
    reading: Reading, view: GridView, profile: Profile | None = None, key: str = "grid"
) -> GridView:
    """Draw the grid, starting from ``view``; returns what the learner has in view now.

    ``view`` counts when the reading or ``view`` itself changes; the learner's own sliding is kept
    by the browser.
    """
    data = grid_data(reading, view, profile)
    result = _COMPONENT(key=key, data=data, on_view_change=lambda: None)
    seen = result.view
    if not seen or seen.get("id") != data["id"]:
        return view
    return GridView(int(seen["layer"]), None if seen["head"] is None else int(seen["head"]))
