"""Two models side by side, by heads where that means something and by roles; and a training."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import streamlit as st

from headlab.ui.services import state
from headlab.ui.services.start_page import start_page
from headlab.ui.views.compare import compare
from headlab.ui.views.training import training

MODELS, TRAINING = "Two models", "Training"

with start_page("Compare") as selection:
    st.title("Compare")
    st.markdown(
        "What does fine-tuning do to the heads of a model? Has a larger model more of a kind? Head "
        "5 of one model is not head 5 of another, so heads are compared by number only where one "
        "model grew out of the other; otherwise by what they do."
    )
    st.radio(
        "View",
        [MODELS, TRAINING],
        horizontal=True,
        **state.bound(
            "view",
            TRAINING if selection.training else MODELS,
            lambda view: {"training": view == TRAINING},
        ),
    )
    if selection.training:
        training(selection)
    else:
        compare(selection)
