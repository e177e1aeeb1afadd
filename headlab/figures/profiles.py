"""The heads of one model, by what a profile says of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from headlab.behaviours import get_behaviour
from headlab.figures.labels import label_colour
from headlab.figures.layout import GREY, TEXTURES, laid_out, layer_by_head, model_policy
from headlab.heads import Head
from headlab.measuring.confidence import label_title
from headlab.profiles.looks import MEASURED, look_names
from headlab.profiles.profile import Profile

_MARKS = ("x", "circle")


def behaviour_map_figure(
    profile: Profile,
    behaviour: str,
    marked: Mapping[str, Sequence[Head]] | None = None,
    chosen: bool = False,
) -> go.Figure:
    """Every head's score on one behaviour, 0 to 1; cells that cannot be measured stay empty.

    With ``chosen`` there is a clear point over each cell, since plotly lets one choose points only.

    ``marked`` are classes of heads by name, drawn as x, the second as dots, with a legend.
    """
    score = profile.score[behaviour].T.astype(np.float32)  # [head, layer]
    details = np.stack(
        [profile.low[behaviour].T, profile.high[behaviour].T, profile.role_confidence[behaviour].T],
        axis=-1,
    ).astype(np.float32)
    heatmap = go.Heatmap(
        z=score,
        customdata=details,
        zmin=0,
        zmax=1,
        colorscale="Cividis",
        hoverongaps=False,
        xgap=1,
        ygap=1,
        colorbar={"title": "score"},
        hovertemplate=(
            "L%{x}.H%{y}<br>score %{z:.3f}<br>interval %{customdata[0]:.3f} to "
            "%{customdata[1]:.3f}<br>confidence %{customdata[2]:.0%}<extra></extra>"
        ),
    )
    figure = laid_out(go.Figure(heatmap), label_title(behaviour), model_policy(profile))
    for symbol, (words, heads) in zip(_MARKS, (marked or {}).items(), strict=False):
        figure.add_scatter(
            name=words,
            x=[head.layer for head in heads],
            y=[head.head for head in heads],
            text=[f"{head}<br>score {profile.score[behaviour][head]:.3f}" for head in heads],
            mode="markers",
            marker={
                "symbol": symbol,
                "size": 11 if symbol == "x" else 9,
                "color": "white",
                "line": {"color": "black", "width": 1.5},
            },
            showlegend=True,
            hovertemplate="%{text}<extra>" + words + "</extra>",
        )
    if marked:
        figure.update_layout(legend={"orientation": "h", "yanchor": "top", "y": -0.14})
    if chosen:
        head, layer = np.nonzero(~np.isnan(score))
        figure.add_scatter(
            x=layer,
            y=head,
            mode="markers",
            marker={"symbol": "square", "size": 24, "opacity": 0},
            selected={"marker": {"opacity": 0}},
            unselected={"marker": {"opacity": 0}},
            customdata=np.column_stack([score[head, layer], details[head, layer]]),
            hovertemplate=(
                "L%{x}.H%{y}<br>score %{customdata[0]:.3f}<br>interval %{customdata[1]:.3f} to "
                "%{customdata[2]:.3f}<br>confidence %{customdata[3]:.0%}<extra></extra>"
            ),
            showlegend=False,
        )
    figure = layer_by_head(figure, profile.n_layers, profile.n_heads)
    if chosen:  # or the axes would make room for half a point
        figure.update_xaxes(range=[-0.5, profile.n_layers - 0.5])
        figure.update_yaxes(autorange=False, range=[profile.n_heads - 0.5, -0.5])
    return figure


def ranking_figure(profile: Profile, table: pd.DataFrame, behaviour: str) -> go.Figure:
    """Heads of a ranking (``Profile.ranking``) as bars, with their intervals."""
    bars = go.Bar(
        x=table["score"].to_numpy(np.float32),
        y=table["name"],
        orientation="h",
        marker={"color": label_colour(behaviour)},
        error_x={
            "array": (table["high"] - table["score"]).to_numpy(np.float32),
            "arrayminus": (table["score"] - table["low"]).to_numpy(np.float32),
            "color": GREY,
        },
        customdata=table[["low", "high", "role_confidence"]].to_numpy(np.float32),
        hovertemplate=(
            "%{y}<br>score %{x:.3f}<br>interval %{customdata[0]:.3f} to %{customdata[1]:.3f}<br>"
            "confidence %{customdata[2]:.0%}<extra></extra>"
        ),
    )
    figure = laid_out(
        go.Figure(bars), f"{label_title(behaviour)}: top {len(table)}", model_policy(profile)
    )
    figure.update_xaxes(title="score, with its 95 % interval", range=[0, 1])
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def role_counts_figure(profile: Profile, behaviour: str) -> go.Figure:
    """How many heads of each layer pass a behaviour's threshold, whatever their label."""
    passed = profile.value(behaviour) >= get_behaviour(behaviour).threshold
    bars = go.Bar(
        x=np.arange(profile.n_layers),
        y=passed.sum(axis=1),
        marker={"color": label_colour(behaviour)},
        hovertemplate="layer %{x}: %{y} heads<extra></extra>",
    )
    figure = laid_out(
        go.Figure(bars), f"{label_title(behaviour)}: heads in each layer", model_policy(profile)
    )
    figure.update_xaxes(title="layer", dtick=1 if profile.n_layers <= 24 else 4)
    figure.update_yaxes(title="heads", range=[0, profile.n_heads])
    return figure


class Axis(NamedTuple):
    """A measure of every head as an axis: values [layer, head], title, threshold or None."""

    values: np.ndarray
    title: str
    scale: str
    threshold: float | None


def axis_of(profile: Profile, name: str) -> Axis:
    """A behaviour on the scale of its threshold, or one of ``looks.look_names``."""
    titles = look_names()
    if name in titles:
        assert profile.looks is not None, "a profile without looks offers none of them"
        return Axis(profile.looks.value[name.removeprefix(MEASURED)], titles[name], "", None)
    about = get_behaviour(name)
    return Axis(profile.value(name), about.title, f" ({about.scale})", about.threshold)


def scatter_figure(profile: Profile, across: str, up: str) -> go.Figure:
    """Every head by two measures (see ``axis_of``); thresholds are drawn as lines."""
    symbols = ["circle", "square", "diamond", "cross", "x", "triangle-up", "star", "hexagon"]
    names = [name for name, count in profile.label_counts().items() if count]
    x, y = axis_of(profile, across), axis_of(profile, up)
    figure = go.Figure()
    for index, name in enumerate(names):
        layers, heads = np.nonzero(profile.label == name)
        places = [str(Head(*map(int, place))) for place in zip(layers, heads, strict=True)]
        figure.add_scatter(
            name=label_title(name),
            x=x.values[layers, heads].astype(np.float32),
            y=y.values[layers, heads].astype(np.float32),
            text=places,
            customdata=places,
            mode="markers",
            marker={
                "symbol": symbols[index % len(symbols)],
                "size": 8,
                "opacity": 0.8,
                "color": label_colour(name),
            },
            hovertemplate="%{text}<br>%{x:.3f}, %{y:.3f}<extra>" + label_title(name) + "</extra>",
        )
    line = {"dash": "dot", "color": GREY}
    if x.threshold is not None:
        figure.add_vline(x.threshold, line=line)
    if y.threshold is not None:
        figure.add_hline(y.threshold, line=line)
    figure = laid_out(figure, f"{x.title} and {y.title.lower()}", model_policy(profile))
    figure.update_xaxes(title=f"{x.title}{x.scale}")
    figure.update_yaxes(title=f"{y.title}{y.scale}")
    return figure


def label_counts_figure(profile: Profile) -> go.Figure:
    """How many heads of each layer carry each label, stacked; unused labels are left out."""
    names = [name for name, count in profile.label_counts().items() if count]
    bars = [
        go.Bar(
            name=label_title(name),
            x=np.arange(profile.n_layers),
            y=(profile.label == name).sum(axis=1),
            marker={
                "color": label_colour(name),
                "pattern": {
                    "shape": TEXTURES[index % len(TEXTURES)],
                    "fillmode": "overlay",
                    "fgopacity": 0.35,
                },
            },
            hovertemplate=f"layer %{{x}}: %{{y}} × {label_title(name)}<extra></extra>",
        )
        for index, name in enumerate(names)
    ]
    figure = laid_out(go.Figure(bars), "Heads of each label", model_policy(profile))
    figure.update_layout(barmode="stack", legend={"traceorder": "normal"})
    figure.update_xaxes(title="layer", dtick=1 if profile.n_layers <= 24 else 4)
    figure.update_yaxes(title="heads")
    return figure
