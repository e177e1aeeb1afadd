"""One head's picture on a text: the large map, its values, and the text as the head reads it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.figures import difference_figure, model_policy, pattern_figure, position_names
from headlab.heads import Head
from headlab.measuring.pictures import without_first
from headlab.measuring.reading import Reading, strongest_pairs
from headlab.ui.components.text_view import text_view
from headlab.ui.services import state
from headlab.ui.services.selection import Selection
from headlab.ui.services.start_page import guarded

MAX_TABLE = 100  # tokens; beyond it the table shows one row
SIDE = 600  # pixels of the map with its words


def outlined_behaviour(selection: Selection) -> str | None:
    """The behaviour in focus, if it asks for cells."""
    name = selection.behaviour
    return name if name and get_behaviour(name).targets else None


def seen_through_lens(selection: Selection, pattern: np.ndarray) -> np.ndarray:
    """The pattern as it is to be drawn."""
    return without_first(pattern)[0] if selection.lens else pattern


def policy(selection: Selection, reading: Reading) -> str:
    """Model, start token and lens, which every figure names."""
    return model_policy(reading) + " · sink lens" * selection.lens


def heat_map(selection: Selection, reading: Reading, head: Head, pattern: np.ndarray) -> None:
    """The large picture, and what lens and outline say about it."""
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
        height=SIDE,
    )
    st.plotly_chart(figure, key=f"map of {head}", alt=f"Attention of head {head}, query by key")
    if selection.lens:
        st.markdown(
            f"**Sink lens:** without the first token {left:.1%} of this head's attention is left; "
            "the picture shares that out anew in each row, and is fainter the less was left."
        )
    if name is not None:
        _outline_sentence(reading, head, name, cells)


def _outline_sentence(reading: Reading, head: Head, name: str, cells: np.ndarray | None) -> None:
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


def difference_map(
    selection: Selection,
    reading: Reading,
    heads: tuple[Head, Head],
    ours: np.ndarray,
    theirs: np.ndarray,
) -> None:
    """One head's picture minus another's."""
    first, second = heads
    figure = difference_figure(
        seen_through_lens(selection, ours) - seen_through_lens(selection, theirs),
        reading.token_texts,
        f"{first} minus {second}",
        policy(selection, reading),
        height=SIDE,
    )
    st.plotly_chart(figure, key="difference", alt=f"Attention of {first} minus that of {second}")
    st.caption(f"Orange: {first} looks there more. Purple: {second} does.")


def value_table(selection: Selection, reading: Reading, pattern: np.ndarray, key: str) -> None:
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
    st.dataframe(
        table.round(4), key=key, alt="Attention from each query (row) to each key (column)"
    )


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


def chosen_token(selection: Selection, reading: Reading) -> int:
    """The position that the text is read from; the last one to begin with."""
    last = len(reading.tokens) - 1
    return last if selection.token is None else min(max(selection.token, 0), last)


@st.fragment
def as_text(selection: Selection, reading: Reading, pattern: np.ndarray) -> None:
    """The text shaded by one token's attention, and arcs; only this reruns on a choice."""
    with guarded():
        asked, _ = state.current()
        selection = replace(selection, token=asked.token, toward=asked.toward, arcs=asked.arcs)
        direction, limit = st.columns(2)
        direction.segmented_control(
            "Hover over a token, or choose it",
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
