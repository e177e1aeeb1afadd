"""Predictions beside what was measured, and what a class answered."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from headlab.figures.layout import FRAME, GREY, SMALL, laid_out, plain


def calibration_figure(
    sureness: Sequence[int], answers: Sequence[int], right: Sequence[int], title: str
) -> go.Figure:
    """How sure against how right: the share of right answers at each sureness, with their number.

    Sureness without answers stays empty.
    """
    n = np.asarray(answers, dtype=float)
    share = np.divide(np.asarray(right, dtype=float), n, out=np.full(len(n), np.nan), where=n > 0)
    bars = go.Bar(
        x=np.asarray(sureness),
        y=share.astype(np.float32),
        text=[
            f"{good} of {count}" if count else ""
            for good, count in zip(right, answers, strict=True)
        ],
        hovertemplate="sureness %{x}: %{text} right<extra></extra>",
    )
    figure = laid_out(go.Figure(bars), title, height=SMALL)
    names = ["1 guess", "2", "3", "4", "5 certain"]
    figure.update_xaxes(
        title="how sure", tickvals=[1, 2, 3, 4, 5], ticktext=names, range=[0.4, 5.6]
    )
    figure.update_yaxes(title="share that was right", range=[0, 1], tickformat=".0%")
    return figure


def answers_figure(
    answers: Sequence[str],
    rounds: Mapping[str, Sequence[int]],
    accepted: Sequence[bool],
    title: str,
) -> go.Figure:
    """How often a class gave each answer, in each round (first, revised); ✓ at what was measured.

    ``rounds`` holds a count for each answer, by the name of the round.
    """
    names = [
        f"{answer} ✓" if right else answer for answer, right in zip(answers, accepted, strict=True)
    ]
    figure = go.Figure()
    for (name, counts), shape in zip(rounds.items(), ("", "x", "/"), strict=False):
        figure.add_bar(
            name=name,
            y=[plain(text) for text in names],
            x=np.asarray(counts),
            orientation="h",
            marker={"pattern": {"shape": shape}},
            hovertemplate="%{y}: %{x}<extra>" + name + "</extra>",
        )
    figure = laid_out(figure, title, height=150 + 44 * len(names))
    figure.update_layout(
        barmode="group", legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"}
    )
    most = max(1, *(count for counts in rounds.values() for count in counts))
    figure.update_xaxes(title="learners", range=[0, most * 1.05], dtick=-(-most // 8))
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def prediction_figure(
    names: Sequence[str],
    value: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray] | None,
    predicted: str | None,
    title: str,
    policy: str,
) -> go.Figure:
    """What was measured for each answer, and the prediction marked on it.

    ``bounds`` are the ends of its intervals; None where the values are exact.
    """
    value = np.asarray(value, dtype=np.float32)
    error = None
    if bounds is not None:
        low, high = (np.asarray(array, dtype=np.float32) for array in bounds)
        error = {"array": high - value, "arrayminus": value - low, "color": GREY}
    chosen = [name == predicted for name in names]
    figure = go.Figure(
        go.Bar(
            x=[plain(name) for name in names],
            y=value,
            error_y=error,
            marker={
                "line": {"color": FRAME, "width": [4 if mine else 0 for mine in chosen]},
                "pattern": {"shape": ["/" if mine else "" for mine in chosen]},
            },
            text=["your prediction" if mine else "" for mine in chosen],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}: %{y:.3f}<extra></extra>",
        )
    )
    figure = laid_out(figure, title, policy, SMALL)
    figure.update_xaxes(type="category")
    figure.update_yaxes(title="measured", rangemode="tozero")
    return figure


def removal_figure(
    before: float,
    after: float,
    predicted: tuple[float, float],
    value: str,
    title: str,
    policy: str,
) -> go.Figure:
    """A value, 0 to 1, before and after; a frame over the second marks where it was predicted.

    ``predicted`` are the ends of that range on the value's own scale; what lies above 1 cannot
    come true and is not drawn.
    """
    low, high = (min(end, 1.0) for end in predicted)
    figure = go.Figure(
        go.Bar(
            x=[0, 1],
            y=np.array([before, after], dtype=np.float32),
            width=0.5,
            text=[f"{before:.3f}", f"{after:.3f}"],
            marker={"color": [GREY, "#4c9be8"]},
            hovertemplate="%{y:.4f}<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_scatter(
        x=[0.65, 1.35, 1.35, 0.65, 0.65],
        y=[low, low, high, high, low],
        mode="lines",
        line={"color": FRAME, "width": 4},
        hoverinfo="skip",
        name="your prediction",
    )
    figure = laid_out(figure, title, policy, SMALL)
    figure.update_layout(legend={"orientation": "h", "y": -0.15})
    figure.update_xaxes(tickvals=[0, 1], ticktext=["before", "after"], range=[-0.6, 1.6])
    figure.update_yaxes(title=plain(value), rangemode="tozero")
    return figure
