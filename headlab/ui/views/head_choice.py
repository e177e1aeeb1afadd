"""Choosing the head that a page is about: by name, or on the map of all heads."""

import streamlit as st

from headlab.heads import Head
from headlab.ui.components.head_map import head_map
from headlab.ui.services import state
from headlab.ui.services.results import ready_profile
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of


def head_choice(selection: Selection, head: Head) -> None:
    """The head by its name, as the door to all others."""
    with st.popover(str(head), icon=":material/grid_on:", help="Choose another head"):
        _pick(selection, head)


def _pick(selection: Selection, head: Head) -> None:
    """The map of all heads, and their names."""
    model = model_of(selection)

    def take(picked: Head) -> None:
        state.change(**place(picked))

    st.selectbox(
        "Head",
        names_of_all(selection),
        **state.bound("head_name", str(head), lambda name: place(Head.parse(name))),
    )
    profile = ready_profile(selection)
    head_map(model.n_layers, model.n_heads, take, profile, chosen=[head], key="head picker")


def names_of_all(selection: Selection) -> list[str]:
    """Every head of the model by its name."""
    model = model_of(selection)
    return [str(Head(i, h)) for i in range(model.n_layers) for h in range(model.n_heads)]


def place(head: Head) -> dict[str, int]:
    """A head as parts of the selection."""
    return {"layer": head.layer, "head": head.head}
