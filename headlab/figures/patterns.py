"""One head's attention pattern, keys across and queries down, and the difference of two."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from headlab.figures.layout import FRAME, below, frames, laid_out, plain, position_names

HEIGHT = 600  # pixels
AHEAD = "rgba(138,146,155,0.75)"  # where no head can look: 3:1 from attention 0, light and dark


def pattern_figure(
    pattern: np.ndarray,
    token_texts: Sequence[str],
    title: str,
    policy: str,
    log: bool = False,
    outlined: np.ndarray | None = None,
    strength: float = 1.0,
    height: int = HEIGHT,
) -> go.Figure:
    """One head's pattern [query, key], query down and key across; exact values on hover.

    ``log`` spreads the colours over factors of ten from .001 up; ``outlined`` cells (boolean) get
    a frame; ``strength`` below 1 draws faintly. Cells ahead of the query and NaN stay empty.
    """
    shown = np.where(np.tri(len(pattern), dtype=bool), pattern, np.nan).astype(np.float32)
    quarters = {"tickvals": [0, 0.25, 0.75, 1]}  # none in the middle, where the title stands
    scale = {"zmin": 0, "zmax": 1, "colorbar": below("attention") | quarters}
    colour = shown
    if log:
        decades = [0.001, 0.01, 0.1, 1]
        colour = np.log10(np.clip(shown, decades[0], 1))
        ticks = {"tickvals": np.log10(decades), "ticktext": ["≤ .001", ".01", ".1", "1"]}
        scale = {"zmin": -3, "zmax": 0, "colorbar": below("attention, log") | ticks}
    figure = _map(colour, shown, token_texts, "Cividis", "%{customdata:.4f}", scale)
    figure.update_traces(opacity=0.15 + 0.85 * strength)
    if outlined is not None and outlined.any():
        figure.add_shape(
            type="path", path=frames(outlined), line={"color": FRAME, "width": 2}, opacity=0.9
        )
    return _with_titles(figure, title, policy, height)


def difference_figure(
    difference: np.ndarray,
    token_texts: Sequence[str],
    title: str,
    policy: str,
    height: int = HEIGHT,
) -> go.Figure:
    """One pattern minus another [query, key], -1 to 1; a colour scale safe for the colour-blind."""
    shown = np.where(np.tri(len(difference), dtype=bool), difference, np.nan).astype(np.float32)
    quarters = {"tickvals": [-1, -0.5, 0.5, 1]}
    scale = {"zmin": -1, "zmax": 1, "colorbar": below("difference") | quarters}
    figure = _map(shown, shown, token_texts, "PuOr_r", "%{customdata:+.4f}", scale)
    return _with_titles(figure, title, policy, height)


def _map(
    colour: np.ndarray,
    values: np.ndarray,
    token_texts: Sequence[str],
    colorscale: str,
    value: str,
    scale: dict[str, Any],
) -> go.Figure:
    """A query x key map with tokens on both axes."""
    names = [plain(name) for name in position_names(token_texts)]
    figure = go.Figure(
        go.Heatmap(
            z=colour,
            customdata=values,
            x=names,
            y=names,
            colorscale=colorscale,
            hoverongaps=False,
            hovertemplate=f"from %{{y}}<br>to %{{x}}<br>{value}<extra></extra>",
            **scale,
        )
    )
    ticks = {"showgrid": False, "tickfont": {"size": 11}}  # plotly names as many as there is room
    figure.update_xaxes(
        title="key (looked at)", side="top", tickangle=-90, automargin=True, **ticks
    )
    figure.update_yaxes(title="query (looks)", autorange="reversed", automargin=True, **ticks)
    # square cells
    figure.update_xaxes(constrain="domain")
    figure.update_yaxes(scaleanchor="x", constrain="domain")
    return figure


def _with_titles(figure: go.Figure, title: str, policy: str, height: int) -> go.Figure:
    """Room above the picture for the words of the tokens."""
    figure = laid_out(figure, title, policy, height=height).update_layout(plot_bgcolor=AHEAD)
    return figure.update_layout(
        title={"y": 0.98, "yref": "container", "automargin": True},
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
    )
