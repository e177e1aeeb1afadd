"""Two models side by side, by heads where that means something and by roles; and a training."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import streamlit as st

from headlab.profiles.history import read_history
from headlab.ui.services import state
from headlab.ui.services.navigation import page_link
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of
from headlab.ui.services.start_page import page_header, start_page
from headlab.ui.views.compare import compare
from headlab.ui.views.compare_choice import others_here
from headlab.ui.views.training import training

MODELS, TRAINING = "Two models", "One model over its training"
HOW = """What does fine-tuning do to the heads of a model? Do larger models have more of a kind?
Head 5 of one model is not head 5 of another, so heads are compared by number only where one model
grew out of the other; otherwise by what they do."""


def shows_training(selection: Selection) -> bool:
    """Whether the training is shown: as chosen, else where there is one and nothing to compare."""
    if selection.training is not None:
        return selection.training
    if selection.second is not None or others_here(selection):
        return False
    return read_history(model_of(selection).folder) is not None


with start_page("Compare") as selection:
    page_header(selection, "Compare", HOW)
    trained = shows_training(selection)
    st.segmented_control(
        "View",
        [MODELS, TRAINING],
        required=True,
        label_visibility="collapsed",
        **state.bound(
            "view",
            TRAINING if trained else MODELS,
            lambda view: {"training": view == TRAINING},
        ),
    )
    if trained:
        training(selection)
        if selection.training is None:
            st.info(
                "With a second model on this machine, this page shows which heads changed between "
                "the two, which labels became which, and both on one text. Models has more of them."
            )
            page_link("Models", label="Get a second model")
    else:
        compare(selection)
