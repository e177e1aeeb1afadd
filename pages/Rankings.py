"""Which heads do what: maps, a ranked table and counts over the whole model."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import streamlit as st

from headlab.ui.services import state
from headlab.ui.services.code import rankings_code
from headlab.ui.services.results import get_profile
from headlab.ui.services.selection import NAME_MAPS
from headlab.ui.services.start_page import page_header, start_page
from headlab.ui.views.as_code import as_code
from headlab.ui.views.name_maps import name_maps
from headlab.ui.views.rankings import USUAL, rankings

RANKINGS = "rankings"
HOW = """A **behaviour** is a named way of attending. Every head gets a **score** for each: the mean
share of its attention on the places that the behaviour asks for, over probe texts made for it, from
0 to 1. **Chance** is what a head with even attention would score."""
VIEWS = {RANKINGS: "One behaviour", NAME_MAPS: "Name copying heat maps"}

with start_page("Rankings") as selection:
    page_header(selection, "Which heads do what", HOW)
    profile = get_profile(selection)
    st.segmented_control(
        "View",
        [RANKINGS, NAME_MAPS],
        required=True,
        label_visibility="collapsed",
        format_func=lambda view: VIEWS[view],
        **state.bound(
            "view",
            selection.preset or RANKINGS,
            lambda view: {"preset": None if view == RANKINGS else view},
        ),
    )
    if selection.preset == NAME_MAPS:
        name_maps(profile)
    else:
        rankings(selection, profile)
        behaviour = selection.behaviour or USUAL
        as_code(rankings_code(selection, behaviour), f"Which heads show {behaviour}")
