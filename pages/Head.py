"""One head: its picture, its passport, and behind tabs all else; and a second head beside it."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

from collections.abc import Callable

import numpy as np
import streamlit as st

from headlab.behaviours import behaviours, get_behaviour
from headlab.heads import Head
from headlab.measuring.reading import Reading
from headlab.profiles.profile import Profile
from headlab.ui.services import state
from headlab.ui.services.code import head_code
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import ChosenText, get_layer, get_profile, get_reading
from headlab.ui.services.selection import Selection
from headlab.ui.services.start_page import guarded, page_header, start_page
from headlab.ui.views.as_code import as_code
from headlab.ui.views.composing import composes
from headlab.ui.views.head_choice import head_choice, names_of_all, place
from headlab.ui.views.head_picture import (
    as_text,
    chosen_token,
    difference_map,
    heat_map,
    outlined_behaviour,
    pairs,
    value_table,
)
from headlab.ui.views.over_corpus import over_corpus
from headlab.ui.views.passport import (
    all_scores,
    card,
    ladders,
    published_marks,
    similar_heads,
    what_it_writes,
)
from headlab.ui.views.sink import rests, why_first
from headlab.ui.views.text_choice import text_chosen, text_line
from headlab.ui.views.why_there import why_there

NONE = "none"
HOW = """The picture is one attention head reading the text. A row is a **query**, the token that
looks; a column is a **key**, the token looked at. Bright means much attention; no head of these
models can look ahead, so the upper half is grey. Point at a cell for its exact value.

Beside it stands what the head does **in general**, on many probe texts: each role it shows with its
score, the line from where a score counts, and what speaks for it.

**Choose another head** on the map of all heads. **Pin** keeps this head beside the next one that
you choose. Logarithmic colours spread small values over factors of ten.
"""


def controls(selection: Selection, head: Head) -> None:
    """The text, which head, which one beside it, and what is drawn, in one line."""
    with st.container(
        key="controls", horizontal=True, vertical_alignment="center", gap="small", wrap=False
    ):
        text_line(selection, width=190 if selection.beside is None else 120)
        head_choice(selection, head)
        beside(selection, head)
        with st.popover("Draw", icon=":material/palette:", help="Outline cells, change colours"):
            drawing(selection)


def drawing(selection: Selection) -> None:
    """What the picture outlines, and its colours."""
    st.selectbox(
        "Outline the cells that a behaviour asks for",
        [name for name, about in behaviours().items() if about.targets],
        index=None,
        placeholder="no outline",
        format_func=lambda name: get_behaviour(name).title,
        **state.bound("behaviour", outlined_behaviour(selection)),
    )
    st.toggle(
        "Logarithmic colours",
        help="Spreads the colours over factors of ten, so that small values show.",
        **state.bound("log", selection.log),
    )


def beside(selection: Selection, head: Head) -> None:
    """The head beside it: chosen by name, or pinned while the next one is looked at."""
    other = selection.beside
    st.selectbox(
        "Beside it",
        [NONE, *names_of_all(selection)],
        format_func=lambda name: "Beside: none" if name == NONE else f"Beside: {name}",
        label_visibility="collapsed",
        width=140,
        **state.bound(
            "beside_name",
            NONE if other is None else str(other),
            lambda name: {"beside": None if name == NONE else Head.parse(name)},
        ),
    )
    st.button(
        "Pin",
        icon=":material/push_pin:",
        disabled=other == head,
        help="Keeps this head beside the next ones you choose.",
        on_click=lambda: state.change(beside=head),
    )
    if other is not None and other != head:
        st.button(
            "Swap",
            icon=":material/swap_horiz:",
            on_click=lambda: state.change(**place(other), beside=head),
        )


def one_head(
    selection: Selection, reading: Reading, profile: Profile, chosen: ChosenText, head: Head
) -> None:
    """Everything about the selected head: picture and passport, the rest behind tabs."""
    pattern = get_layer(selection, chosen, head.layer).patterns[head.head]
    picture, words = st.columns(2, gap="medium")
    with picture:
        heat_map(selection, reading, head, pattern)
    with words:
        card(reading, profile, head)
    resting = {"Why the first": lambda: why_first(selection, chosen, head)}
    behind_tabs(
        {
            "As text": lambda: as_text(selection, reading, pattern),
            "Why there": lambda: why_there(selection, chosen, reading, head, pattern),
            **(resting if rests(pattern) else {}),
            "Over a corpus": lambda: over_corpus(selection, profile, head),
            "Wired to": lambda: composes(selection, profile, head),
            "What it writes": lambda: what_it_writes(
                selection, chosen, reading, chosen_token(selection, reading), head
            ),
            "What speaks for it": lambda: ladders(selection, reading, profile, head),
            "All scores": lambda: all_scores(reading, profile, head),
            "Values": lambda: values(selection, reading, pattern, head),
            "Heads like it": lambda: alike(profile, head),
        },
        "head tab",
    )


def behind_tabs(parts: dict[str, Callable[[], None]], key: str) -> None:
    """Parts of the page behind tabs, each drawn and computed only while its tab is open."""
    for tab, draw in zip(
        st.tabs(list(parts), key=key, on_change="rerun"), parts.values(), strict=True
    ):
        if tab.open:
            with tab, guarded():
                draw()


def values(selection: Selection, reading: Reading, pattern: np.ndarray, head: Head) -> None:
    """The strongest pairs and the whole picture as numbers."""
    pairs(selection, reading, pattern)
    value_table(selection, reading, pattern, f"values of {head}")


def alike(profile: Profile, head: Head) -> None:
    """Other heads like this one, and what others have published about it."""
    similar_heads(profile, head)
    published_marks(profile, head)


def two_heads(
    selection: Selection,
    reading: Reading,
    profile: Profile,
    chosen: ChosenText,
    heads: tuple[Head, Head],
) -> None:
    """Two heads beside each other, and behind tabs their difference and their values."""
    patterns = [get_layer(selection, chosen, each.layer).patterns[each.head] for each in heads]
    for column, each, pattern in zip(st.columns(2), heads, patterns, strict=True):
        with column:
            heat_map(selection, reading, each, pattern)
            card(reading, profile, each)

    def side_by_side(draw: Callable[[Head, np.ndarray], None]) -> None:
        for column, each, pattern in zip(st.columns(2), heads, patterns, strict=True):
            with column:
                st.markdown(f"**{each}**")
                draw(each, pattern)

    behind_tabs(
        {
            "Difference": lambda: difference_map(selection, reading, heads, *patterns),
            "All scores": lambda: side_by_side(lambda each, _: all_scores(reading, profile, each)),
            "Values": lambda: side_by_side(
                lambda each, pattern: values(selection, reading, pattern, each)
            ),
        },
        "heads tab",
    )


with start_page("Head", "layer", "head") as selection:
    head, other = Head(selection.layer, selection.head or 0), selection.beside
    page_header(selection, f"Head {head}" if other is None else f"{head} beside {other}", HOW)
    controls(selection, head)
    chosen = text_chosen(selection)
    if chosen is not None:
        reading, profile = get_reading(selection, chosen), get_profile(selection)
        if other in (None, head):
            if other == head:
                st.info(f"{head} is pinned: choose another head to see the two side by side.")
            one_head(selection, reading, profile, chosen, head)
        else:
            two_heads(selection, reading, profile, chosen, (head, other))
        with st.container(horizontal=True):
            page_link("Layers", label=f"See {head} among its neighbours", head=head.head)
            page_link("Cause", label=f"Remove {head} and see what changes", removed=(head,))
            page_link("Circuit", label=f"Which heads tell {head} where to look", head=head.head)
        as_code(head_code(selection, chosen), f"Head {head}")
