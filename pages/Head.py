"""One head: its picture, the text as it sees it, its passport; and a second head beside it."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from headlab.behaviours import behaviours, get_behaviour
from headlab.figures import difference_figure, model_policy, pattern_figure, position_names
from headlab.heads import Head
from headlab.measuring.pictures import without_first
from headlab.measuring.reading import Reading, strongest_pairs
from headlab.profiles.profile import Profile
from headlab.ui.components.text_view import text_view
from headlab.ui.services import state
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import ChosenText, get_layer, get_profile, get_reading
from headlab.ui.services.sharing import get_model
from headlab.ui.services.start_page import guarded, start_page
from headlab.ui.services.state import Selection
from headlab.ui.views.passport import passport, published_marks, similar_heads, what_it_writes
from headlab.ui.views.text_choice import choose_text

NONE = "none"
MAX_TABLE = 100  # tokens; beyond it the table shows one row


def choose_heads(selection: Selection, head: Head) -> None:
    """The controls for the head, the one beside it, and what is drawn."""
    model = get_model(selection.model)
    names = [
        str(Head(layer, index)) for layer in range(model.n_layers) for index in range(model.n_heads)
    ]
    first, second, buttons = st.columns([2, 2, 3], vertical_alignment="bottom")
    first.selectbox(
        "Head", names, **state.bound("head_name", str(head), lambda name: place(Head.parse(name)))
    )
    beside = selection.beside
    second.selectbox(
        "Beside it",
        [NONE, *names],
        **state.bound(
            "beside_name",
            NONE if beside is None else str(beside),
            lambda name: {"beside": None if name == NONE else Head.parse(name)},
        ),
    )
    with buttons.container(horizontal=True):
        st.button(
            "Pin",
            icon=":material/push_pin:",
            help="Keeps this head beside the next ones you look at.",
            on_click=lambda: state.change(beside=head),
        )
        st.button(
            "Swap",
            icon=":material/swap_horiz:",
            disabled=beside is None,
            on_click=lambda: state.change(**place(beside or head), beside=head),
        )
    outline, colours = st.columns([4, 3], vertical_alignment="bottom")
    outline.selectbox(
        "Outline the cells that a behaviour asks for",
        [name for name, about in behaviours().items() if about.targets],
        index=None,
        placeholder="no outline",
        format_func=lambda name: get_behaviour(name).title,
        **state.bound("behaviour", outlined_behaviour(selection)),
    )
    colours.toggle(
        "Logarithmic colours",
        help="Spreads the colours over factors of ten, so that small values show.",
        **state.bound("log", selection.log),
    )


def place(head: Head) -> dict[str, int]:
    """A head as parts of the selection."""
    return {"layer": head.layer, "head": head.head}


def outlined_behaviour(selection: Selection) -> str | None:
    """The behaviour in focus, if it asks for cells."""
    name = selection.behaviour
    return name if name and get_behaviour(name).targets else None


def seen_through_lens(selection: Selection, pattern: np.ndarray) -> np.ndarray:
    """The pattern as it is to be drawn."""
    return without_first(pattern)[0] if selection.lens else pattern


def heat_map(selection: Selection, reading: Reading, head: Head, pattern: np.ndarray) -> None:
    """The large picture, what the outline says, and the values as a table."""
    name = outlined_behaviour(selection)
    cells = None if name is None else reading.targets(name)
    left = float(without_first(pattern)[1][1:].mean())
    figure = pattern_figure(
        seen_through_lens(selection, pattern),
        reading.token_texts,
        f"{head} · {reading.hint(head.layer, head.head)}",
        policy(selection, reading),
        selection.log,
        cells,
        strength=left if selection.lens else 1.0,
    )
    st.plotly_chart(figure, key=f"map of {head}", alt=f"Attention of head {head}, query by key")
    if selection.lens:
        st.markdown(
            f"**Sink lens:** without the first token {left:.1%} of this head's attention is left; "
            "the picture shares that out anew in each row, and is fainter the less was left."
        )
    if name is not None:
        outline_sentence(reading, head, name, cells)
    with st.expander("The values as a table"):
        value_table(selection, reading, pattern)


def policy(selection: Selection, reading: Reading) -> str:
    """Model, start token and lens, which every figure names."""
    return model_policy(reading) + " · sink lens" * selection.lens


def outline_sentence(reading: Reading, head: Head, name: str, cells: np.ndarray | None) -> None:
    """How much of the head's attention falls on the outlined cells."""
    about = get_behaviour(name)
    if cells is None or not cells.any():
        st.info(f"This text has no cells for {about.title.lower()}: it needs {about.asks}.")
        return
    score, chance = reading.scores[name][head], reading.chance[name][head]
    st.markdown(
        f"**Outlined: {about.title}.** {about.summary} In the {reading.rows[name]} rows with "
        f"outlined cells this head puts {score:.1%} of its attention on them; even attention "
        f"would put {chance:.1%}."
    )


def value_table(selection: Selection, reading: Reading, pattern: np.ndarray) -> None:
    """The numbers of the picture, rows are queries."""
    names = position_names(reading.token_texts)
    shown = np.where(
        np.tri(len(pattern), dtype=bool), seen_through_lens(selection, pattern), np.nan
    )
    table = pd.DataFrame(shown, index=names, columns=names)
    if len(names) > MAX_TABLE:
        query = chosen_token(selection, reading)
        st.caption(f"This text is long: only the row of {names[query]} is shown.")
        table = table.iloc[[query]]
    st.dataframe(table.round(4), alt="Attention from each query (row) to each key (column)")


def chosen_token(selection: Selection, reading: Reading) -> int:
    """The position that the text view reads from; the last one to begin with."""
    last = len(reading.tokens) - 1
    return last if selection.token is None else min(max(selection.token, 0), last)


@st.fragment
def as_text(
    selection: Selection,
    chosen: ChosenText,
    reading: Reading,
    head: Head,
    pattern: np.ndarray,
) -> None:
    """The text shaded by one token's attention, arcs, and what the head would write there."""
    with guarded():
        asked, _ = state.current()
        selection = replace(selection, token=asked.token, toward=asked.toward, arcs=asked.arcs)
        st.subheader("The text as this head reads it")
        st.markdown("Hover over a token or choose it. The numbers are shares of attention.")
        direction, limit = st.columns(2)
        direction.segmented_control(
            "Show",
            [False, True],
            required=True,
            format_func=lambda toward: "from where it is looked at" if toward else "where it looks",
            **state.bound("toward", selection.toward),
        )
        limit.slider(
            "Draw arcs from this share on",
            min_value=1,
            max_value=100,
            format="%d %%",
            **state.bound("arcs", max(selection.arcs, 1)),
        )
        text_view(selection, reading, seen_through_lens(selection, pattern), "text_view")
        what_it_writes(selection, chosen, reading, chosen_token(selection, reading), head)


def pairs(selection: Selection, reading: Reading, pattern: np.ndarray) -> None:
    """The ten strongest token pairs; with the sink lens, of those that leave the first out."""
    without = " without the first token" if selection.lens else ""
    st.markdown(f"**The ten strongest pairs on this text{without}**")
    shown = pattern.copy()
    if selection.lens:
        shown[:, 0] = np.nan
    st.dataframe(
        strongest_pairs(shown, reading.token_texts),
        hide_index=True,
        alt="The ten token pairs with the most attention",
        column_config={
            "attention": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
        },
    )


def one_head(selection: Selection, reading: Reading, profile: Profile, chosen: ChosenText) -> None:
    """Everything about the selected head."""
    head = Head(selection.layer, selection.head or 0)
    pattern = get_layer(selection, chosen, head.layer).patterns[head.head]
    heat_map(selection, reading, head, pattern)
    as_text(selection, chosen, reading, head, pattern)
    passport(selection, reading, profile, head)
    left, right = st.columns(2)
    with left:
        pairs(selection, reading, pattern)
    with right:
        similar_heads(profile, head)
    published_marks(profile, head)


def two_heads(
    selection: Selection, reading: Reading, profile: Profile, chosen: ChosenText, other: Head
) -> None:
    """The selected head and another, their difference and both passports."""
    heads = (Head(selection.layer, selection.head or 0), other)
    patterns = [get_layer(selection, chosen, each.layer).patterns[each.head] for each in heads]
    for column, each, pattern in zip(st.columns(2), heads, patterns, strict=True):
        with column:
            heat_map(selection, reading, each, pattern)
    ours, theirs = (seen_through_lens(selection, pattern) for pattern in patterns)
    figure = difference_figure(
        ours - theirs,
        reading.token_texts,
        f"{heads[0]} minus {other}",
        policy(selection, reading),
    )
    st.plotly_chart(figure, key="difference", alt=f"Attention of {heads[0]} minus that of {other}")
    st.caption(f"Orange: {heads[0]} looks there more. Purple: {other} does.")
    for column, each, pattern in zip(st.columns(2), heads, patterns, strict=True):
        with column:
            passport(selection, reading, profile, each)
            pairs(selection, reading, pattern)


with start_page("Head") as selection:
    head = Head(selection.layer, selection.head or 0)
    st.title(f"Head {head}" if selection.beside is None else f"{head} beside {selection.beside}")
    chosen = choose_text(selection)
    choose_heads(selection, head)
    if chosen is not None:
        reading, profile = get_reading(selection, chosen), get_profile(selection)
        if selection.beside == head:
            st.info("The head beside it is the same one: choose another one beside it.")
        if selection.beside in (None, head):
            one_head(selection, reading, profile, chosen)
        else:
            two_heads(selection, reading, profile, chosen, selection.beside)
        page_link("Layers", label=f"See {head} among its neighbours", head=head.head)
        page_link("Cause", label=f"Remove {head} and see what changes", removed=(head,))
