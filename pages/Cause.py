"""Cause and effect: remove heads and see what changes, or patch what they did between two texts."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import streamlit as st

from headlab.ui.services import state
from headlab.ui.services.start_page import guarded, start_page
from headlab.ui.views.patch import patch_view
from headlab.ui.views.removal import removal_view

REMOVE, PATCH = "Remove", "Patch"

with start_page("Cause") as selection:
    st.title("Cause and effect")
    st.markdown(
        "Attention shows where a head looks. What it does with what it finds shows only when you "
        "change it and watch the model's prediction."
    )
    st.radio(
        "What to do",
        [REMOVE, PATCH],
        horizontal=True,
        **state.bound(
            "cause view",
            PATCH if selection.patching else REMOVE,
            lambda view: {"patching": view == PATCH},
        ),
    )
    with guarded():
        if selection.patching:
            patch_view(selection)
        else:
            removal_view(selection)
