"""The entrance: one question about a real head, the doors, all heads, the shapes in a minute."""

import streamlit as st

from headlab.ui.components.first_look import first_look
from headlab.ui.services.opening import wait_for_imports

st.title("What do attention heads do?", anchor=False)
st.markdown(
    "A language model reads a text as **tokens**, pieces of words. In every layer it has several "
    "**attention heads**; from each token a head looks back at the tokens before it, and shares "
    "out its attention among them."
)
first_look()
wait_for_imports()

from headlab.behaviours import get_behaviour
from headlab.heads import Head
from headlab.models.catalogue import CATALOGUE
from headlab.models.hub import find_model
from headlab.ui.components.head_map import head_map
from headlab.ui.services.navigation import open_page, page_link
from headlab.ui.services.results import ready_profile
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of
from headlab.ui.services.start_page import start_page
from headlab.ui.views.room import show_room
from headlab.ui.views.textbook import SHAPES, WORDS, textbook_picture
from headlab.ui.views.words import plain

DOORS = {
    "Layers": "Look at all heads of a layer at once.",
    "Your_text": "See which heads wake on what you write.",
    "Rankings": "See which heads do what.",
    "Predict": "Guess what a head does before you look.",
}
PRETRAINED = "smollm2"  # a real network, fetched by pip


def doors() -> None:
    """The four things to do here, and the real network beside the sandbox."""
    for column, (page, purpose) in zip(st.columns(len(DOORS)), DOORS.items(), strict=True):
        with column.container(border=True):
            page_link(page)
            st.markdown(purpose)


def all_heads(selection: Selection) -> None:
    """The map of all heads of the open model; one press opens a head."""
    model = model_of(selection)
    profile = ready_profile(selection)

    def take(head: Head) -> None:
        st.session_state["head to open"] = head

    picked = st.session_state.pop("head to open", None)
    if picked is not None:
        open_page("Head", layer=picked.layer, head=picked.head)
    st.header(f"All {model.n_layers * model.n_heads} heads of {plain(model.name)}")
    words = "layer across, head down. " + (
        "Letters and colours say what a head does most, over many probe texts."
        if profile is not None
        else "What each does is measured when you first open Layers or Rankings."
    )
    st.markdown(f"One cell is one head: {words} Press one to see it.")
    head_map(model.n_layers, model.n_heads, take, profile, key="entrance map")


def other_models(selection: Selection) -> None:
    """What the open model is, and the door to a real pretrained one."""
    st.header("A sandbox, and a real network")
    st.markdown(
        "The model that comes with headlab, `mini`, is a sandbox: small, trained by this project, "
        "and **not GPT-2**. What you find in it need not hold in larger models."
    )
    here = find_model(PRETRAINED) is not None
    entry = CATALOGUE[PRETRAINED]
    with st.container(horizontal=True):
        if selection.model == PRETRAINED:
            page_link("Layers", label="Look at its heads")
        elif here:
            page_link("Layers", label=f"**Open {entry.title}**", model=PRETRAINED, layer=-1)
        else:
            page_link("Models", label=f"**Get a real pretrained model**: {entry.title}")
        page_link("Models", label="**Models**: GPT-2 and its relatives")


with start_page("Start") as selection:
    show_room()
    doors()
    all_heads(selection)
    st.header("The shapes in a minute")
    st.markdown(
        f"Drawn by hand, not measured: heads that do one thing only, on the words "
        f"*{' '.join(WORDS)}* after a start token. Each row is the token that looks (the "
        "**query**), each column the token looked at (the **key**); bright means much attention. "
        "Nothing looks ahead, so the upper half stays empty. Real heads are mixtures."
    )
    for row in (SHAPES[:3], SHAPES[3:]):  # by rows: columns stack on a narrow screen
        for column, name in zip(st.columns(3), row, strict=True):
            with column.container(border=True):
                behaviour = get_behaviour(name)
                st.html(textbook_picture(name))
                st.markdown(f"**{behaviour.title}**  \n{behaviour.summary}")
    st.header("What a picture cannot tell")
    st.markdown(
        "Attention shows where a head looks, not what it does with what it finds there. Two heads "
        "with the same picture can push the next word in opposite directions. So read a label as a "
        "statement about attention, and mind the confidence beside it."
    )
    page_link("Cause", label="**Cause**: remove a head and see what changes")
    other_models(selection)
