"""Cause and effect: remove heads and see what changes, or patch what they did between two texts."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import streamlit as st

from headlab.ui.services import state
from headlab.ui.services.start_page import guarded, page_header, start_page
from headlab.ui.views.patch import patch_view
from headlab.ui.views.removal import removal_view

REMOVE, PATCH = "Remove heads", "Patch between two texts"
HOW = """Attention shows where a head looks. What it does with what it finds shows only when you
change it and watch the model's prediction.

**Remove**: the text is read twice, as it is, and with what the chosen heads write replaced. What
changes is what these heads do here. **Mean** puts in what each head writes on average, so the rest
of the model sees nothing unusual; **zero** puts in nothing at all.

**Patch**: heads do on one text what they did on another."""

with start_page("Cause") as selection:
    page_header(selection, "Cause and effect", HOW)
    st.segmented_control(
        "What to do",
        [REMOVE, PATCH],
        required=True,
        label_visibility="collapsed",
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
