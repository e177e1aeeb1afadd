"""Two models side by side, by heads where that means something and by roles."""

import json
from collections.abc import Sequence

import streamlit as st

from headlab.files import CSV_NOTE, to_csv
from headlab.measuring.confidence import label_title
from headlab.profiles.compare import ProfileComparison
from headlab.ui.services import state
from headlab.ui.services.second import (
    get_comparison,
    has_second,
)
from headlab.ui.services.selection import Selection
from headlab.ui.views.compare_choice import choose_second, facts
from headlab.ui.views.compare_heads import changed_heads, labels, maps, verdicts
from headlab.ui.views.compare_roles import roles
from headlab.ui.views.compare_text import on_a_text
from headlab.ui.views.words import plain

USUAL = "induction"


def downloads(comparison: ProfileComparison) -> None:
    """The comparison as JSON, and the changes as tidy CSV."""
    names = f"{comparison.before.model_name}-{comparison.after.model_name}"
    with st.container(horizontal=True):
        if comparison.changes:
            st.download_button(
                "Download all changes (CSV)",
                lambda: to_csv(comparison.table()),
                f"{names}-changes.csv",
                "text/csv",
                help=CSV_NOTE,
            )
        st.download_button(
            "Download the comparison (JSON)",
            lambda: json.dumps(comparison.to_dict(), allow_nan=False),
            f"{names}.json",
            "application/json",
        )


def choose_behaviour(selection: Selection, names: Sequence[str]) -> str:
    """The behaviour that maps, curves and pictures are about."""
    wanted = (selection.behaviour, USUAL, *names)
    behaviour = next(name for name in wanted if name in names)
    assert behaviour is not None
    st.selectbox("Behaviour", names, format_func=label_title, **state.bound("behaviour", behaviour))
    return behaviour


def compare(selection: Selection) -> None:
    """The open model beside the second one."""
    choose_second(selection)
    if not has_second(selection):
        st.info("Choose a second model, or hand in a profile, and both are put side by side.")
        return
    comparison = get_comparison(selection)
    one, two = comparison.before, comparison.after
    first, second = ("Before", "After") if comparison.changes else ("First", "Second")
    st.markdown(f"**{first}:** {facts(one)}  \n**{second}:** {facts(two)}")
    if one.content_hash == two.content_hash:
        st.info("Both profiles are of the same weights.")
    for caution in comparison.cautions:
        st.warning(plain(caution))
    reasons = [reason for reason in comparison.by_role if reason not in comparison.cautions]
    for reason in reasons:
        st.info(plain(reason))
    if comparison.by_role:
        st.markdown("So heads are not compared one by one. What can be compared are **roles**.")
    for sentence in comparison.left_out:
        st.caption(plain(sentence))
    if comparison.changes:
        verdicts(comparison)
    behaviour = choose_behaviour(selection, comparison.behaviours)
    maps(selection, comparison, behaviour)
    if comparison.changes:
        changed_heads(comparison, behaviour)
        labels(comparison)
    roles(comparison, behaviour)
    on_a_text(selection, comparison, behaviour)
    downloads(comparison)
