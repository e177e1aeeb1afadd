"""Two models on one text: their pictures beside each other."""

from dataclasses import replace

import streamlit as st

from headlab.figures import (
    NO_TOOLBAR,
    model_policy,
    pair_policy,
    pattern_figure,
    similarity_map_figure,
)
from headlab.heads import Head
from headlab.measuring.confidence import label_title
from headlab.profiles.compare import ProfileComparison
from headlab.profiles.compare_text import TextComparison
from headlab.ui.components.head_grid import GridView, head_grid
from headlab.ui.services import state
from headlab.ui.services.results import ChosenText
from headlab.ui.services.second import (
    drawn,
    get_text_comparison,
)
from headlab.ui.services.selection import UPLOADED, Selection, fit
from headlab.ui.services.start_page import guarded
from headlab.ui.views.text_choice import choose_text


def on_a_text(selection: Selection, comparison: ProfileComparison, behaviour: str) -> None:
    """Pictures of both models on one text."""
    st.header("On one text")
    if selection.second == UPLOADED:
        st.info("A profile holds no pictures: for those both models must be on this machine.")
        return
    chosen = choose_text(selection, lens=False, start_token=False)
    if chosen is None:
        return
    with guarded():
        both = get_text_comparison(selection, chosen)
        if comparison.changes:
            alike(comparison, both)
            grids(replace(selection, lens=False), comparison, chosen)
        else:
            strongest(comparison, both, behaviour)


def alike(comparison: ProfileComparison, both: TextComparison) -> None:
    """How far the pictures of every head have changed on this text."""
    st.plotly_chart(
        similarity_map_figure(
            both.similarity(), "How alike the pictures are", pair_policy(comparison)
        ),
        config=NO_TOOLBAR,
        key="alike",
        alt="Similarity of the pictures of every head in both models",
    )
    st.caption(
        "1: the same picture; 0: no attention in common. It is one minus the share of a row's "
        "attention that has moved elsewhere, mean of all rows but the first."
    )


def strongest(comparison: ProfileComparison, both: TextComparison, behaviour: str) -> None:
    """The strongest head of each model, side by side."""
    st.markdown(both.sentence)
    sides = (("before", comparison.before, both.before), ("after", comparison.after, both.after))
    for column, (side, profile, patterns) in zip(st.columns(2), sides, strict=True):
        head = Head.parse(profile.ranking(behaviour, top=1)["name"][0])
        column.plotly_chart(
            pattern_figure(
                patterns[head],
                both.names,
                f"{head}: first in {label_title(behaviour).lower()}",
                model_policy(profile),
            ),
            key=f"strongest {side}",
            alt=f"Attention of {head} of {profile.model_name}",
        )


@st.fragment
def grids(selection: Selection, comparison: ProfileComparison, chosen: ChosenText) -> None:
    """The layer grids of both models; hovering and choosing in one is followed by the other."""
    with guarded():
        st.subheader("Layer by layer")
        st.markdown("What you hover over or choose in one grid is shown in the other too.")
        asked, _ = state.current()
        asked, _ = fit(asked, comparison.before.n_layers, comparison.before.n_heads)
        view = GridView(asked.layer, asked.head)
        first = drawn(selection, chosen)
        second = drawn(replace(selection, model=str(selection.second)), chosen)
        sides = (
            ("before", comparison.before, first),
            ("after", comparison.after, second),
        )
        for column, (side, profile, here) in zip(st.columns(2), sides, strict=True):
            with column:
                st.markdown(f"**{profile.model_name}** ({side})")
                head_grid(
                    here.reading, here.pictures, view, profile, key=f"grid {side}", link="compare"
                )
