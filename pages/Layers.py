"""The heads of one layer on one screen: pick a text, slide or play the layers, lock a head."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

from collections.abc import Sequence
from typing import Any

import streamlit as st

from headlab.behaviours import behaviours, get_behaviour
from headlab.exercises.guided import guided_texts
from headlab.heads import Head
from headlab.measuring.pictures import looking_most
from headlab.measuring.reading import ACTIVE, Reading
from headlab.measuring.spans import find_pair
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import characters_of
from headlab.ui.components.head_grid import GridView, head_grid
from headlab.ui.services import state
from headlab.ui.services.code import layers_code
from headlab.ui.services.navigation import open_page
from headlab.ui.services.results import (
    ChosenText,
    get_pictures,
    get_profile,
    get_reading,
    ready_profile,
)
from headlab.ui.services.selection import ANY_LAYER, Selection, fit
from headlab.ui.services.sharing import model_of
from headlab.ui.services.start_page import guarded, name_model, start_page
from headlab.ui.views.as_code import as_code
from headlab.ui.views.going_on import n_written
from headlab.ui.views.passport import passport
from headlab.ui.views.text_choice import text_chosen, text_line

PAIR = "words asked about"
GOING = "where the grid leads next"
HOW = """Each picture is one attention head reading the same text. A row is a **query**, the token
that looks; a column is a **key**, the token looked at. Bright means much attention; the hatched
half lies ahead of the query, where no head of these models can look.

*Here* names a picture's shape on this text: it describes the picture and is not a category.
*Usually* is the head's label in general, from many probe texts.

Hover over a word: every picture shows its row (solid, where it looks), its column (dashed, from
where it is looked at) and where each head looks most. Press a word to hold it. Press a second one
to find the heads that look from the later to the earlier word, or change the word that is held and
see which pictures change most.

Hover over a picture to see it large, click to lock it. On the keyboard, arrow keys move between
heads, Page Up and Page Down change the layer, Enter locks a head, Escape releases it.
"""


def controls(selection: Selection) -> None:
    """The first line of the page: the text, what is drawn of it, the model."""
    with st.container(key="spoken"):
        st.title("Twelve heads at once" if model_of(selection).n_heads == 12 else "Layers")
    with st.container(
        key="controls", horizontal=True, vertical_alignment="center", gap="small", wrap=False
    ):
        text_line(selection, opens=True)
        st.selectbox(
            "Mark heads that show, on this text,",
            behaviour_names(),
            index=None,
            placeholder="Mark heads …",
            format_func=lambda name: get_behaviour(name).title,
            label_visibility="collapsed",
            width=145,
            **state.bound("behaviour", selection.behaviour),
        )
        st.toggle("All layers", **state.bound("overview", selection.overview))
        name_model(selection)
        with st.popover("Help", icon=":material/help:", type="tertiary"):
            st.markdown(HOW)
            if not selection.is_own_text:
                st.markdown(f"**Look for:** {guided_texts()[selection.text_name].look}")


def behaviour_names() -> list[str]:
    """The behaviours that one text can show."""
    return [name for name, about in behaviours().items() if not about.needs_model]


def marked_heads(selection: Selection, reading: Reading) -> list[Head]:
    """The heads to mark: those active on this text in the behaviour in focus."""
    name = selection.behaviour
    if name is None or name not in reading.scores:
        return []
    return [
        Head(layer, head)
        for layer in range(reading.n_layers)
        for head in range(reading.n_heads)
        if reading.status[name][layer, head] == ACTIVE
    ]


def what_to_look_for(selection: Selection, reading: Reading, marked: list[Head]) -> None:
    """One line: how many heads are marked, or where a guided text asks the learner to look."""
    name = selection.behaviour
    with st.container(key="look"):
        if name is not None and name in reading.scores:
            about = get_behaviour(name)
            if reading.rows[name] == 0:
                st.markdown(f"This text cannot show {about.title.lower()}: it needs {about.asks}.")
            elif marked:
                layers = len({head.layer for head in marked})
                heads, across = count(len(marked), "head"), count(layers, "layer")
                st.markdown(f"**{heads} in {across}** active on this text, marked ◆ and dashed.")
            else:
                st.markdown(f"No head is active in {about.title.lower()} on this text.")
        elif not selection.is_own_text:
            st.markdown(f"**Look for:** {guided_texts()[selection.text_name].look}")


def count(number: int, thing: str) -> str:
    """Such as "1 head" or "12 heads"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def asked_pair(selection: Selection, chosen: ChosenText, reading: Reading) -> Any:
    """The words pressed on this text, as (query, key); to begin with those of a guided text."""
    about, pair = st.session_state.get(PAIR, (None, None))
    if about == (reading.text, reading.start_token, reading.model_name):
        return pair
    words = None if selection.is_own_text else guided_texts()[selection.text_name].pair
    if words is None:
        return None
    return find_pair(model_of(selection), chosen.text, words, reading.start_token)


def open_where_there_is_something(
    selection: Selection, chosen: ChosenText, reading: Reading
) -> None:
    """While no layer is chosen, choose the head that looks most between the text's two words."""
    asked, _ = state.current()
    if asked.layer != ANY_LAYER:
        return
    pair = asked_pair(selection, chosen, reading)
    found = pair and looking_most(get_pictures(selection, chosen), pair[0], pair[1], 1)
    head = asked.head
    layer = 0
    if found and head is None:
        layer, head = found[0][0]
    state.change(layer=layer, head=head)


def ask_about(reading: Reading, pressed: Sequence[int]) -> None:
    """Keep the two words that were pressed, or that there are none now; a callback."""
    about = (reading.text, reading.start_token, reading.model_name)
    st.session_state[PAIR] = (about, tuple(pressed) or None)


def change_word(model: LoadedModel, reading: Reading, position: int, word: str) -> None:
    """The text with another word becomes the learner's own; a callback."""
    if position == 0 and reading.start_token is not None:
        st.session_state[GOING] = "The start token is no word of the text: choose another."
        return
    begin, end = characters_of(model, reading.text, position, reading.start_token)
    old = reading.text[begin:end]
    space = old[: len(old) - len(old.lstrip())]
    state.take_as_own(reading.text[:begin] + space + word + reading.text[end:])
    st.session_state[GOING] = None


def go_on() -> None:
    """Do what the grid asked for last: another page, the page anew, or a word about it."""
    if GOING not in st.session_state:
        return
    where = st.session_state.pop(GOING)
    if where is None:
        st.rerun()
    elif isinstance(where, str):
        st.warning(where)
    else:
        head = Head(int(where["layer"]), int(where["head"]))
        beside = Head(*map(int, where["beside"])) if "beside" in where else None
        parts = {"removed": (head,)} if where["page"] == "Cause" else {"beside": beside}
        open_page(where["page"], layer=head.layer, head=head.head, **parts)


@st.fragment
def grid_and_passport(selection: Selection, chosen: ChosenText, marked: list[Head]) -> None:
    """The grid, and below it the passport of the locked head; only this reruns on a choice."""
    with guarded():
        go_on()
        model = model_of(selection)
        fitting, _ = fit(state.current()[0], model.n_layers, model.n_heads)
        reading, profile = get_reading(selection, chosen), ready_profile(selection)
        pictures = get_pictures(selection, chosen)
        pair = asked_pair(selection, chosen, reading)
        view = GridView(fitting.layer, fitting.head)
        head_grid(
            reading,
            pictures,
            view,
            profile,
            marked,
            selection.overview,
            pair=pair,
            written=n_written(chosen.text),
            hear={
                "pair": lambda pressed: ask_about(reading, pressed),
                "edit": lambda edit: change_word(model, reading, **edit),
                "go": lambda where: st.session_state.update({GOING: where}),
            },
        )
        if profile is None:  # the pictures come first; labels follow once they are measured
            get_profile(selection)
            st.rerun()
        elif view.head is not None:
            passport(selection, reading, profile, Head(view.layer, view.head))


with start_page("Layers") as selection:
    controls(selection)
    chosen = text_chosen(selection)
    if chosen is not None:
        reading = get_reading(selection, chosen)
        marked = marked_heads(selection, reading)
        what_to_look_for(selection, reading, marked)
        open_where_there_is_something(selection, chosen, reading)
        grid_and_passport(selection, chosen, marked)
        as_code(layers_code(selection, chosen), "All heads of a layer")
