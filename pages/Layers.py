"""The heads of one layer at once: pick a text, slide through the layers, lock a head."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.heads import Head
from headlab.measuring.reading import ACTIVE, Reading
from headlab.ui.components.head_grid import GridView, head_grid
from headlab.ui.services import state
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import (
    ChosenText,
    get_pictures,
    get_profile,
    get_reading,
    ready_profile,
)
from headlab.ui.services.sharing import get_model
from headlab.ui.services.start_page import guarded, start_page
from headlab.ui.services.state import Selection
from headlab.ui.views.passport import passport
from headlab.ui.views.text_choice import choose_text


def search(selection: Selection, reading: Reading) -> list[Head]:
    """The controls that look across layers; gives the heads to mark."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.selectbox(
        "Mark heads that show, on this text,",
        list(reading.scores),
        index=None,
        placeholder="choose a behaviour",
        format_func=lambda name: get_behaviour(name).title,
        **state.bound("behaviour", selection.behaviour),
    )
    right.toggle("All layers at once", **state.bound("overview", selection.overview))
    name = selection.behaviour
    if name is None or name not in reading.scores:
        return []
    found = [
        Head(layer, head)
        for layer in range(reading.n_layers)
        for head in range(reading.n_heads)
        if reading.status[name][layer, head] == ACTIVE
    ]
    about = get_behaviour(name)
    if reading.rows[name] == 0:
        st.info(f"This text cannot show {about.title.lower()}: it needs {about.asks}.")
    elif found:
        layers = len({head.layer for head in found})
        heads, across = count(len(found), "head"), count(layers, "layer")
        st.markdown(f"**{heads} in {across}** active on this text, marked ◆ and dashed.")
    else:
        st.markdown(f"No head is active in {about.title.lower()} on this text.")
    return found


def count(number: int, thing: str) -> str:
    """Such as "1 head" or "12 heads"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


@st.fragment
def grid_and_passport(selection: Selection, chosen: ChosenText, marked: list[Head]) -> None:
    """The grid, and below it the passport of the locked head; only this reruns on a choice."""
    with guarded():
        asked, _ = state.current()
        model = get_model(selection.model)
        asked, _ = state.fit(asked, model.n_layers, model.n_heads)
        reading, profile = get_reading(selection, chosen), ready_profile(selection)
        head_grid(
            reading,
            get_pictures(selection, chosen),
            GridView(asked.layer, asked.head),
            profile,
            marked,
            selection.overview,
        )
        if profile is None:  # the pictures come first; labels follow once they are measured
            get_profile(selection)
            st.rerun()
        elif asked.head is None:
            st.info("Click a head, or press Enter on it, to see what it does.")
        else:
            page_link("Head", label=f"Open {Head(asked.layer, asked.head)} on its own page")
            passport(selection, reading, profile, Head(asked.layer, asked.head))


with start_page("Layers") as selection:
    st.title("Twelve heads at once" if get_model(selection.model).n_heads == 12 else "Layers")
    st.markdown(
        "Each picture is one attention head reading the same text. A row is a **query**, the token "
        "that looks; a column is a **key**, the token looked at. Bright means much attention. The "
        "line under a picture names its shape on this text: it describes the picture and is not a "
        "category. The line below that is the head's label in general, from many probe texts."
    )
    chosen = choose_text(selection, look=True)
    if chosen is not None:
        marked = search(selection, get_reading(selection, chosen))
        grid_and_passport(selection, chosen, marked)
