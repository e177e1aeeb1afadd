"""Data to plotly figures. Layer x head maps have layers across and heads down."""

import numpy as np
import plotly.colors
import plotly.graph_objects as go

from headlab.behaviours import get_behaviour
from headlab.confidence import UNCLASSIFIED
from headlab.profile import Profile

_CLEAR = "rgba(0,0,0,0)"


def _title(name: str) -> str:
    return "Unclassified" if name == UNCLASSIFIED else get_behaviour(name).title


def _policy(profile: Profile) -> str:
    """Model and start-token policy, which every figure names."""
    start = "none" if profile.start_text is None else profile.start_text
    return f"{profile.model_name} · start token: {start}".replace("<", "&lt;").replace(">", "&gt;")


def _finished(figure: go.Figure, title: str, profile: Profile) -> go.Figure:
    return figure.update_layout(
        title={"text": title, "subtitle": {"text": _policy(profile)}},
        margin={"l": 50, "r": 10, "t": 80, "b": 45},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
    )


def behaviour_map_figure(profile: Profile, behaviour: str) -> go.Figure:
    """Every head's score on one behaviour, 0 to 1; cells that cannot be measured stay empty."""
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
    figure = _finished(go.Figure(heatmap), _title(behaviour), profile)
    figure.update_xaxes(title="layer", dtick=1 if profile.n_layers <= 24 else 4, showgrid=False)
    figure.update_yaxes(
        title="head", dtick=1 if profile.n_heads <= 24 else 4, autorange="reversed", showgrid=False
    )
    return figure


def label_counts_figure(profile: Profile) -> go.Figure:
    """How many heads of each layer carry each label, stacked; unused labels are left out."""
    names = [name for name, count in profile.label_counts().items() if count]
    colours = plotly.colors.qualitative.Safe
    bars = [
        go.Bar(
            name=_title(name),
            x=np.arange(profile.n_layers),
            y=(profile.label == name).sum(axis=1),
            marker={
                "color": "#8a929b" if name == UNCLASSIFIED else colours[index % len(colours)],
                "pattern": {
                    "shape": ["", "/", ".", "x", "-", "\\", "|", "+"][index % 8],
                    "fillmode": "overlay",
                    "fgopacity": 0.35,
                },
            },
            hovertemplate=f"layer %{{x}}: %{{y}} × {_title(name)}<extra></extra>",
        )
        for index, name in enumerate(names)
    ]
    figure = _finished(go.Figure(bars), "Heads of each label", profile)
    figure.update_layout(barmode="stack", legend={"traceorder": "normal"})
    figure.update_xaxes(title="layer", dtick=1 if profile.n_layers <= 24 else 4)
    figure.update_yaxes(title="heads")
    return figure
