"""Models over their training."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from headlab.figures.labels import label_colour
from headlab.figures.layout import TEXTURES, laid_out, model_policy, plain
from headlab.measuring.confidence import label_title
from headlab.profiles.history import History
from headlab.profiles.profile import Profile

PANEL = 210  # pixels high
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
# of models in one figure: dark and light enough on either background
COLOURS = ("#4c8dbd", "#d18f3a", "#4fa37d", "#b5638a", "#8286cf", "#8f8f80")


def sweep_figure(best: pd.DataFrame, behaviours: Sequence[str], column: str) -> go.Figure:
    """A panel for each behaviour: ``column`` of a sweep's best heads, over steps, for every model.

    ``best`` as :meth:`headlab.sweeps.Cells.best` gives it. Every point carries model and revision.
    """
    models = list(best["model"].unique())
    rows = -(-len(behaviours) // 2)
    figure = make_subplots(
        rows=rows,
        cols=2,
        subplot_titles=[label_title(name) for name in behaviours],
        shared_xaxes="all",
        vertical_spacing=0.25 / rows,
    )
    stepped = best["step"].notna().all()
    for at, behaviour in enumerate(behaviours):
        for number, model in enumerate(models):
            lines = best[(best["behaviour"] == behaviour) & (best["model"] == model)]
            lines = lines.sort_values("step") if stepped else lines
            interval = column == "score"
            figure.add_scatter(
                row=at // 2 + 1,
                col=at % 2 + 1,
                name=plain(str(model)),
                legendgroup=str(number),
                showlegend=not at,
                x=(lines["step"] + 1).tolist() if stepped else lines["revision"].tolist(),
                y=lines[column].astype(np.float32),
                error_y={
                    "array": (lines["high"] - lines["score"]).tolist(),
                    "arrayminus": (lines["score"] - lines["low"]).tolist(),
                    "thickness": 1.2,
                }
                if interval
                else None,
                customdata=lines[["model", "revision", "head", "passing"]].to_numpy(),
                mode="lines+markers",
                line={
                    "dash": DASHES[number % len(DASHES)],
                    "color": COLOURS[number % len(COLOURS)],
                },
                hovertemplate="%{customdata[1]}: %{y:.2f}<br>best head %{customdata[2]}, "
                "%{customdata[3]} pass<extra></extra>",
            )
    height = 90 + PANEL * rows
    figure = laid_out(figure, "", "", height)
    figure.update_layout(legend={"orientation": "h", "y": -0.12}, margin={"t": 40})
    if stepped:
        figure.update_xaxes(type="log", dtick=1)
        figure.update_xaxes(title={"text": "step + 1", "standoff": 4}, row=rows)
    figure.update_yaxes(rangemode="tozero")
    if column != "passing":
        figure.update_yaxes(range=[0, 1.02])
    return figure


def history_figure(
    history: History, appeared: Mapping[str, int | None], profile: Profile
) -> go.Figure:
    """The best score of each behaviour over training; a ring where it ``appeared``, if it did."""
    figure = go.Figure()
    for index, (name, values) in enumerate(history.best.items()):
        colour, step = label_colour(name), appeared.get(name)
        figure.add_scatter(
            name=label_title(name),
            x=history.steps,
            y=values.astype(np.float32),
            mode="lines",
            line={"dash": DASHES[index % len(DASHES)], "color": colour, "width": 2.5},
            hovertemplate="step %{x}: %{y:.3f}<extra>" + label_title(name) + "</extra>",
        )
        if step is not None:
            figure.add_scatter(
                x=[step],
                y=values[history.steps == step].astype(np.float32),
                mode="markers",
                marker={"symbol": "circle-open", "size": 13, "color": colour, "line": {"width": 3}},
                showlegend=False,
                hovertemplate=f"{label_title(name)} appears by step %{{x}}<extra></extra>",
            )
    figure = laid_out(figure, "Best score of any head over training", model_policy(profile), 460)
    figure.update_layout(legend={"orientation": "h", "y": -0.2})
    figure.update_xaxes(title="training step", rangemode="tozero")
    figure.update_yaxes(title="best score", range=[0, 1.02])
    return figure


def history_labels_figure(history: History, profile: Profile) -> go.Figure:
    """How many heads carry each label at each checkpoint, stacked; unused labels are left out."""
    names = [name for name, counts in history.labels.items() if counts.any()]
    figure = go.Figure()
    for index, name in enumerate(names):
        figure.add_scatter(
            name=label_title(name),
            x=history.steps,
            y=history.labels[name],
            stackgroup="heads",
            mode="lines",
            line={"width": 0.8, "color": label_colour(name)},
            fillpattern={
                "shape": TEXTURES[index % len(TEXTURES)],
                "fillmode": "overlay",
                "fgopacity": 0.35,
            },
            hovertemplate="step %{x}: %{y} × " + label_title(name) + "<extra></extra>",
        )
    figure = laid_out(figure, "Heads of each label over training", model_policy(profile), 460)
    figure.update_layout(legend={"orientation": "h", "y": -0.2})
    figure.update_xaxes(title="training step", rangemode="tozero")
    figure.update_yaxes(title="heads")
    return figure
