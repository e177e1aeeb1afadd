"""Two models beside each other."""

import numpy as np
import plotly.graph_objects as go

from headlab.figures.labels import label_colour
from headlab.figures.layout import (
    FRAME,
    below,
    frames,
    laid_out,
    layer_by_head,
    model_policy,
    plain,
)
from headlab.figures.profiles import behaviour_map_figure
from headlab.heads import Head
from headlab.measuring.confidence import label_title
from headlab.profiles.compare import ProfileComparison
from headlab.profiles.roles import depth_shares


def pair_policy(comparison: ProfileComparison) -> str:
    """Both models and their start-token policies, which every figure names."""
    one, two = comparison.before, comparison.after
    if one.start_text == two.start_text:
        return f"{one.model_name} → {model_policy(two)}"
    return f"{model_policy(one)} → {model_policy(two)}"


def compared_map_figure(
    comparison: ProfileComparison, behaviour: str, side: str, chosen: Head | None = None
) -> go.Figure:
    """Every head's score "before" or "after", or its "change"; the others are told on hover.

    Heads that surely changed are marked in the map of the change; ``chosen`` is framed in all.
    """
    change = comparison.changes.get(behaviour)
    profile = comparison.before if side == "before" else comparison.after
    if change is None:
        figure = behaviour_map_figure(profile, behaviour)
    else:
        one, two = comparison.before.score[behaviour], comparison.after.score[behaviour]
        shown = {"before": one, "after": two, "change": change.change}[side]
        details = [one, two, change.change, change.low, change.high]
        if side == "change":
            scale = {"zmin": -1, "zmax": 1, "colorscale": "PuOr_r"}
        else:
            scale = {"zmin": 0, "zmax": 1, "colorscale": "Cividis"}
        figure = go.Figure(
            go.Heatmap(
                z=shown.T.astype(np.float32),
                customdata=np.stack([d.T for d in details], axis=-1).astype(np.float32),
                **scale,
                hoverongaps=False,
                xgap=1,
                ygap=1,
                colorbar=below("change" if side == "change" else "score") | {"y": -0.2},
                hovertemplate=(
                    "L%{x}.H%{y}<br>before %{customdata[0]:.3f}, after %{customdata[1]:.3f}<br>"
                    "change %{customdata[2]:+.3f}, interval %{customdata[3]:+.3f} to "
                    "%{customdata[4]:+.3f}<extra></extra>"
                ),
            )
        )
        if side == "change":
            layers, heads = np.nonzero(np.isin(change.verdict, ("up", "down")))
            figure.add_scatter(
                x=layers,
                y=heads,
                mode="markers",
                marker={"symbol": "circle-open", "size": 7, "color": "#000000"},
                hoverinfo="skip",
                showlegend=False,
            )
            figure = laid_out(figure, f"{label_title(behaviour)}: change", pair_policy(comparison))
        else:
            figure = laid_out(figure, f"{label_title(behaviour)} {side}", model_policy(profile))
        layer_by_head(figure, profile.n_layers, profile.n_heads)
    if chosen is not None and chosen.layer < profile.n_layers and chosen.head < profile.n_heads:
        cell = np.zeros((profile.n_heads, profile.n_layers), dtype=bool)
        cell[chosen.head, chosen.layer] = True
        figure.add_shape(type="path", path=frames(cell), line={"color": FRAME, "width": 3})
    return figure


def similarity_map_figure(similarity: np.ndarray, title: str, policy: str) -> go.Figure:
    """How alike the pictures of heads of the same number are on a text [layer, head], 0 to 1."""
    figure = go.Figure(
        go.Heatmap(
            z=similarity.T.astype(np.float32),
            zmin=0,
            zmax=1,
            colorscale="Cividis",
            xgap=1,
            ygap=1,
            colorbar={"title": "alike"},
            hovertemplate="L%{x}.H%{y}<br>similarity %{z:.3f}<extra></extra>",
        )
    )
    return layer_by_head(laid_out(figure, title, policy, height=420), *similarity.shape)


def flow_figure(comparison: ProfileComparison) -> go.Figure:
    """How many heads went from which label to which."""
    flow = comparison.flow()
    left = list(dict.fromkeys(flow["before"]))
    right = list(dict.fromkeys(flow.sort_values("after", kind="stable")["after"]))
    names = [*left, *right]
    kept = (flow["before"] == flow["after"]).to_numpy()
    figure = go.Figure(
        go.Sankey(
            arrangement="snap",
            node={
                "label": [label_title(name) for name in names],
                "color": [label_colour(name) for name in names],
                "hovertemplate": "%{label}: %{value} heads<extra></extra>",
                "pad": 14,
                "thickness": 14,
            },
            link={
                "source": [left.index(name) for name in flow["before"]],
                "target": [len(left) + right.index(name) for name in flow["after"]],
                "value": flow["heads"].to_numpy(),
                "color": ["rgba(138,146,155,.25)" if k else "rgba(255,138,61,.45)" for k in kept],
                "hovertemplate": (
                    "%{source.label} → %{target.label}: %{value} heads<extra></extra>"
                ),
            },
        )
    )
    return laid_out(figure, "Labels before and after", pair_policy(comparison), height=460)


def depth_figure(comparison: ProfileComparison, behaviour: str) -> go.Figure:
    """The share of heads past a behaviour's threshold over the relative depth of both models."""
    figure = go.Figure()
    sides = ((comparison.before, "solid", "circle"), (comparison.after, "dash", "diamond"))
    for profile, dash, symbol in sides:
        depth, share = depth_shares(profile, behaviour)
        figure.add_scatter(
            name=plain(model_policy(profile)),
            x=depth,
            y=share.astype(np.float32),
            customdata=np.arange(profile.n_layers),
            mode="lines+markers",
            line={"dash": dash},
            marker={"symbol": symbol, "size": 8},
            hovertemplate="layer %{customdata}: %{y:.0%} of its heads<extra></extra>",
        )
    figure = laid_out(figure, f"{label_title(behaviour)}: share of heads by depth", height=380)
    figure.update_layout(legend={"orientation": "h", "y": -0.35})
    figure.update_xaxes(title="relative depth: 0 first layer, 1 last layer", range=[-0.03, 1.03])
    figure.update_yaxes(title="share of a layer's heads", rangemode="tozero", tickformat=".0%")
    return figure


def label_shares_figure(comparison: ProfileComparison) -> go.Figure:
    """Which share of each model's heads carries which label."""
    table = comparison.label_shares()
    table = table[table["depth"] == "all"]
    figure = go.Figure()
    sides = (("before", comparison.before, ""), ("after", comparison.after, "/"))
    for column, profile, shape in sides:
        figure.add_bar(
            name=plain(model_policy(profile)),
            y=[label_title(name) for name in table["label"]],
            x=table[column].to_numpy(np.float32),
            orientation="h",
            marker={"pattern": {"shape": shape}},
            hovertemplate="%{y}: %{x:.1%} of the heads<extra></extra>",
        )
    figure = laid_out(figure, "Share of heads by label", height=140 + 40 * len(table))
    figure.update_layout(barmode="group", legend={"orientation": "h", "y": -0.2})
    figure.update_xaxes(title="share of all heads", tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure
