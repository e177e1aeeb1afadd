"""What figures have in common: titles, axes, colours, and text that plotly shows unchanged."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import plotly.graph_objects as go

from headlab.models.tokens import visible

NO_TOOLBAR = {"displayModeBar": False}  # for whoever shows a figure
CLEAR = "rgba(0,0,0,0)"
GREY = "#8a929b"  # what is beside the point: intervals, thresholds, heads without a label
FRAME = "#ff8a3d"  # around what was predicted, chosen or asked for
SMALL = 340  # pixels high: a chart beside text
TEXTURES = ("", "/", ".", "x", "-", "\\", "|", "+")  # beside colours, never colours alone


class OnModel(Protocol):
    """A result that names its model and start token."""

    @property
    def model_name(self) -> str: ...

    @property
    def start_text(self) -> str | None: ...


def model_policy(result: OnModel) -> str:
    """Model and start-token policy, which every figure names."""
    return f"{result.model_name} · start token: {result.start_text or 'none'}"


def plain(text: str) -> str:
    """Text as plotly shows it unchanged: it reads markup in every string."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def position_names(token_texts: Sequence[str]) -> list[str]:
    """Axis names, each its own: position and token, white space made visible."""
    return [f"{i} {visible(text)}" for i, text in enumerate(token_texts)]


def below(title: str) -> dict[str, Any]:
    """A colour bar under the picture, where a narrow screen has room for it."""
    words = {"text": title, "side": "bottom"}
    return {"title": words, "orientation": "h", "thickness": 12, "y": 0, "yanchor": "top"}


def frames(cells: np.ndarray) -> str:
    """One path around every cell [query, key] that is true."""
    corners = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    return " ".join(
        "M" + " L".join(f"{k + x},{q + y}" for x, y in corners) + " Z"
        for q, k in np.argwhere(cells)
    )


def layer_by_head(figure: go.Figure, n_layers: int, n_heads: int) -> go.Figure:
    """The axes of a map with layers across and heads down."""
    figure.update_xaxes(
        title="layer", dtick=1 if n_layers <= 24 else 4, showgrid=False, zeroline=False
    )
    return figure.update_yaxes(
        title="head",
        dtick=1 if n_heads <= 24 else 4,
        autorange="reversed",
        showgrid=False,
        zeroline=False,
    )


def laid_out(
    figure: go.Figure, title: str, policy: str = "", height: int | None = None
) -> go.Figure:
    """Title, model and policy below it, margins, no ground; text is shown as it stands."""
    subtitle = {"subtitle": {"text": plain(policy)}} if policy else {}
    return figure.update_layout(
        title={"text": plain(title), **subtitle},
        margin={"l": 50, "r": 10, "t": 80, "b": 45},
        height=height,
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
    )
