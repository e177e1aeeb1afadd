"""Every head removed in turn: its effect beside its score."""

import numpy as np
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.figures import (
    behaviour_map_figure,
    effect_map_figure,
    model_policy,
    score_effect_figure,
)
from headlab.interventions import Intervention, Sweep
from headlab.ui.services.effects import get_sweep
from headlab.ui.services.results import ChosenText, get_profile
from headlab.ui.services.selection import Selection
from headlab.ui.views.words import quoted


def every_head(selection: Selection, chosen: ChosenText, result: Intervention) -> None:
    """The effect of every head beside its score."""
    st.markdown("Every head is removed in turn, the others stay.")
    token = quoted(result.watched_texts[0])
    of_token = f"the probability of {token}"
    wanted = st.radio(
        "Show the effect on",
        ["loss", "token"],
        index=None,
        horizontal=True,
        format_func=lambda name: "the loss of the text" if name == "loss" else of_token,
        key="sweep of",
    )
    if wanted is None:
        st.caption("Choose one: the text is then read once for each head of the model.")
        return
    watch = None if wanted == "loss" else int(result.watched[0])
    sweep = get_sweep(selection, chosen.text, watch)
    value = "change of loss (nats)" if watch is None else "change of log-probability (nats)"
    profile = get_profile(selection)
    measured = [name for name in profile.behaviours if np.isfinite(profile.score[name]).any()]
    name = st.selectbox(
        "Beside it, the score for",
        measured,
        index=measured.index(selection.behaviour) if selection.behaviour in measured else 0,
        format_func=lambda name: get_behaviour(name).title,
        key="beside the sweep",
    )
    left, right = st.columns(2)
    with left:
        figure = effect_map_figure(
            sweep.effect, "Effect of removing it", model_policy(result), value
        )
        st.plotly_chart(figure, key="sweep", alt=f"Every head's {value}, layer by head")
    with right:
        st.plotly_chart(
            behaviour_map_figure(profile, name).update_layout(height=460),
            key="scores",
            alt=f"Every head's score for {get_behaviour(name).title}",
        )
    st.plotly_chart(
        score_effect_figure(profile, name, sweep.effect, value),
        key="score and effect",
        alt="Every head by score and by effect",
    )
    score_without_effect(profile.value(name), name, sweep)


def score_without_effect(value: np.ndarray, name: str, sweep: Sweep) -> None:
    """How many heads score high and hardly matter here."""
    about = get_behaviour(name)
    passing = value >= about.threshold
    if not passing.any():
        st.caption(f"No head passes the threshold of {about.title.lower()}.")
        return
    n_quiet = int(sweep.without_effect(passing).sum())
    st.caption(
        f"{int(passing.sum())} heads pass the threshold of {about.title.lower()} (the dotted "
        f"line). {n_quiet} of them matter less here than half of all heads do: a high score "
        "says where a head looks, not that this text needs it."
    )
