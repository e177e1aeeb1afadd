"""What heads do to the model's predictions: removed, patched, taken apart."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from headlab.behaviours import get_behaviour
from headlab.figures.layout import (
    GREY,
    below,
    laid_out,
    layer_by_head,
    model_policy,
    plain,
    position_names,
)
from headlab.heads import Head
from headlab.measuring.confidence import label_title
from headlab.profiles.profile import Profile


def effect_map_figure(
    effect: np.ndarray, title: str, policy: str, value: str, number: str = "+.3f"
) -> go.Figure:
    """An effect of every head [layer, head], above and below zero; NaN stays empty."""
    most = float(np.nanmax(np.abs(effect))) if np.isfinite(effect).any() else 1.0
    n_layers, n_heads = effect.shape
    heatmap = go.Heatmap(
        z=effect.T.astype(np.float32),
        zmid=0,
        zmin=-most,
        zmax=most,
        colorscale="PuOr_r",
        hoverongaps=False,
        xgap=1,
        ygap=1,
        colorbar=below(value) | {"y": -0.2},
        hovertemplate=f"L%{{x}}.H%{{y}}<br>%{{z:{number}}}<extra></extra>",
    )
    figure = laid_out(go.Figure(heatmap), title, policy, height=460)
    return layer_by_head(figure, n_layers, n_heads)


def position_effect_figure(
    effect: np.ndarray,
    rows: Sequence[str],
    token_texts: Sequence[str],
    title: str,
    policy: str,
    value: str,
) -> go.Figure:
    """An effect by position [row, position]: what was changed down, where in the text across."""
    most = float(np.nanmax(np.abs(effect))) if np.isfinite(effect).any() else 1.0
    names = [plain(name) for name in position_names(token_texts)]
    heatmap = go.Heatmap(
        z=effect.astype(np.float32),
        x=names,
        y=list(rows),
        zmid=0,
        zmin=-most,
        zmax=most,
        colorscale="PuOr_r",
        colorbar=below(value) | {"y": -0.1},
        hovertemplate="%{y}<br>%{x}<br>%{z:+.3f}<extra></extra>",
    )
    figure = laid_out(go.Figure(heatmap), title, policy, height=300 + 24 * len(rows))
    title_place = {"y": 0.97, "yanchor": "top"}
    figure.update_layout(margin={"t": 200}, title=title_place)
    figure.update_xaxes(side="top", tickangle=-90, showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return figure


def control_figure(
    rows: Sequence[tuple[str, float, np.ndarray]], title: str, policy: str, value: str
) -> go.Figure:
    """An effect beside those of the control's draws: rows of name, effect, effects of the draws."""
    figure = go.Figure()
    figure.add_scatter(
        name="other heads, drawn at random",
        x=np.concatenate([draws for _, _, draws in rows]).astype(np.float32),
        y=[name for name, _, draws in rows for _ in draws],
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 14, "color": GREY},
        hovertemplate="%{x:+.3f}<extra></extra>",
    )
    figure.add_scatter(
        name="the heads removed",
        x=[effect for _, effect, _ in rows],
        y=[name for name, _, _ in rows],
        mode="markers",
        marker={"symbol": "diamond", "size": 13, "color": "#C9822B"},
        hovertemplate="%{x:+.3f}<extra></extra>",
    )
    figure = laid_out(figure, title, policy, height=300)
    figure.update_layout(margin={"l": 10}, legend={"orientation": "h", "y": -0.35})
    figure.update_xaxes(title=value, zeroline=True)
    figure.update_yaxes(type="category", autorange="reversed", automargin=True)
    return figure


def losses_figure(
    token_texts: Sequence[str], losses: Sequence[tuple[str, np.ndarray]], title: str, policy: str
) -> go.Figure:
    """The loss of each token, in nats: lines of name and losses [position], NaN left out."""
    names = [plain(name) for name in position_names(token_texts)]
    styles = [("solid", "circle"), ("dash", "diamond"), ("dot", "square")]
    lines = [
        go.Scatter(
            name=name,
            x=names,
            y=loss.astype(np.float32),
            mode="lines+markers",
            line={"dash": dash},
            marker={"symbol": symbol, "size": 7},
            hovertemplate="%{x}<br>%{y:.2f} nats<extra>" + plain(name) + "</extra>",
        )
        for (name, loss), (dash, symbol) in zip(losses, styles, strict=False)
    ]
    figure = laid_out(go.Figure(lines), title, policy, height=420)
    figure.update_layout(legend={"orientation": "h", "y": -0.45})
    figure.update_xaxes(type="category", tickangle=-90)
    figure.update_yaxes(title="loss (nats)")
    return figure


def score_effect_figure(
    profile: Profile, behaviour: str, effect: np.ndarray, value: str
) -> go.Figure:
    """Every head by its score on a behaviour and the effect of its removal [layer, head]."""
    places = [Head(int(layer), int(head)) for layer, head in np.ndindex(effect.shape)]
    figure = go.Figure(
        go.Scatter(
            x=profile.value(behaviour).ravel().astype(np.float32),
            y=effect.ravel().astype(np.float32),
            text=[str(head) for head in places],
            mode="markers",
            marker={"size": 8, "opacity": 0.8},
            hovertemplate="%{text}<br>%{x:.3f}, %{y:+.3f}<extra></extra>",
        )
    )
    figure.add_vline(get_behaviour(behaviour).threshold, line={"dash": "dot", "color": GREY})
    figure = laid_out(
        figure, f"{label_title(behaviour)} and what removal does", model_policy(profile), 460
    )
    figure.update_xaxes(title=f"{label_title(behaviour)} ({get_behaviour(behaviour).scale})")
    figure.update_yaxes(title=value)
    return figure
