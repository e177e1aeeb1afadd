"""Who tells a head where to look, and who listens to it, as a graph."""

from collections.abc import Sequence

import plotly.graph_objects as go

from headlab.figures.layout import FRAME, GREY, laid_out
from headlab.heads import Head
from headlab.mechanisms.edges import Edge, Listener

COLOURS = {"query": "#5a8fc8", "key": "#cf7a3e"}
WIDEST = 9.0  # pixels


def circuit_figure(
    focus: Head,
    edges: Sequence[Edge],
    listeners: Sequence[Listener],
    policy: str,
    wired: Sequence[Head] = (),
) -> go.Figure:
    """Senders left, the head in the middle, right the heads that listen to it.

    A line is the wider the more it changes; blue through queries, orange and dashed through keys.
    Dotted and faint: heads that it is ``wired`` to by the weights, whatever the text.
    """
    figure = go.Figure()
    senders = sorted({*(edge.sender for edge in edges), *wired})
    places = {head: (0.0, at) for head, at in zip(senders, _spread(len(senders)), strict=True)}
    for head in wired:
        x, y = places[head]
        figure.add_scatter(
            x=[x, 1.0],
            y=[y, 0.5],
            mode="lines",
            line={"color": GREY, "width": 1, "dash": "dot"},
            hoverinfo="skip",
            showlegend=False,
        )
    most = max((abs(edge.change) for edge in edges), default=1.0)
    for edge in edges:
        x, y = places[edge.sender]
        shift = 0.015 if edge.into == "key" else -0.015  # both inputs of one sender stay visible
        _line(figure, (x, 1.0), (y + shift, 0.5 + shift), edge.into,
              WIDEST * abs(edge.change) / most)  # fmt: skip
    hearing = sorted({each.receiver for each in listeners})
    heights = dict(zip(hearing, _spread(len(hearing)), strict=True))
    for each in listeners:
        shift = 0.015 if each.into == "key" else -0.015
        _line(figure, (1.0, 2.0), (0.5 + shift, heights[each.receiver] + shift), each.into,
              WIDEST * each.moved)  # fmt: skip
    _heads(figure, 0.0, senders, "middle left")
    _heads(figure, 2.0, hearing, "middle right")
    _heads(figure, 1.0, [focus], "top center", FRAME)
    figure.update_xaxes(visible=False, range=[-0.6, 2.7 if listeners else 1.35])
    figure.update_yaxes(visible=False, range=[-0.1, 1.1])
    title = f"Who tells {focus} where to look" if edges else f"Who listens to {focus}"
    return laid_out(figure, title, policy, height=300)


def _line(
    figure: go.Figure, x: Sequence[float], y: Sequence[float], into: str, width: float
) -> None:
    """What one head carries into another's queries or keys."""
    figure.add_scatter(
        x=list(x),
        y=list(y),
        mode="lines",
        line={
            "color": COLOURS[into],
            "width": max(1.5, width),
            "dash": "dash" if into == "key" else "solid",
        },
        hoverinfo="skip",
        showlegend=False,
    )


def _heads(
    figure: go.Figure, x: float, heads: Sequence[Head], where: str, colour: str = GREY
) -> None:
    """A column of heads; the name of each is what a press gives back."""
    figure.add_scatter(
        x=[x] * len(heads),
        y=_spread(len(heads)),
        mode="markers+text",
        text=[str(head) for head in heads],
        customdata=[str(head) for head in heads],
        textposition=where,
        marker={"size": 14, "color": colour},
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _spread(n: int) -> list[float]:
    """Heights of ``n`` points from 1 down to 0; one alone stands in the middle."""
    return [0.5] if n == 1 else [1 - at / (n - 1) for at in range(n)]
