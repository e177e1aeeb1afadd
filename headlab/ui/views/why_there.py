"""Why a head looks from one token to another: what wrote the query and the key, and a part less."""

from dataclasses import replace
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from headlab.errors import HeadlabError
from headlab.figures import position_names
from headlab.heads import Head
from headlab.measuring.reading import Reading
from headlab.mechanisms.explaining import SIDES, AttentionExplanation, Side, Without
from headlab.ui.services import state
from headlab.ui.services.mechanisms import brightest, get_explanation
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import ChosenText
from headlab.ui.services.selection import Selection
from headlab.ui.services.start_page import guarded
from headlab.ui.views.head_picture import chosen_token
from headlab.ui.views.words import plain, quoted

SHOWN = 6  # parts of each side
SAME = 0.05  # a change of attention below this counts as none
ANSWERS = ("looks there less", "looks there as much", "looks there more")
PREDICTED = "predicted without a part"


@st.fragment
def why_there(
    selection: Selection, chosen: ChosenText, reading: Reading, head: Head, pattern: np.ndarray
) -> None:
    """One cell of the head's picture explained; only this reruns on a choice."""
    with guarded():
        asked, _ = state.current()
        query, key = cell(
            replace(selection, token=asked.token, key=asked.key), reading, head, pattern
        )
        try:
            why = get_explanation(selection, chosen, head, query, key)
        except HeadlabError as error:
            st.info(str(error))
            return
        names = position_names(reading.token_texts)
        st.markdown(
            f"From {quoted(names[query])} {head} puts **{why.attention:.0%}** of its attention on "
            f"{quoted(names[key])}: its **score**, query times key, lies "
            f"{why.contrast:+.2f} above the mean of the row. Everything that wrote into the query "
            "or the key adds to that; these sums are exact."
        )
        for column, side in zip(st.columns(2, gap="medium"), SIDES, strict=True):
            with column:
                _writers(why, side, query if side == "query" else key, names)
        _take_out(why, names)


def cell(
    selection: Selection, reading: Reading, head: Head, pattern: np.ndarray
) -> tuple[int, int]:
    """The two tokens asked about: to begin with, where the chosen token looks off the first."""
    names = position_names(reading.token_texts)
    left, right = st.columns(2)
    query = left.selectbox(
        "It looks from",
        range(len(names)),
        format_func=lambda at: names[at],
        **state.bound("token", chosen_token(selection, reading)),
    )
    row = pattern[query, : query + 1]
    key = brightest(row) if selection.key is None or selection.key > query else selection.key
    key = right.selectbox(
        "It looks at",
        range(query + 1),
        format_func=lambda at: f"{names[at]}   {row[at]:.0%}",
        **state.bound("key", key),
    )
    return query, key


def _writers(why: AttentionExplanation, side: Side, at: int, names: list[str]) -> None:
    """The parts that add most on one side, as bars; a head's name is the door to it."""
    says = "Who wrote the query" if side == "query" else "Who wrote the key"
    st.markdown(f"**{says}**, at {quoted(names[at])}")
    shares = why.shares(side)[:SHOWN]
    largest = max(abs(value) for _, value in shares) or 1.0
    for part, value in shares:
        name, bar = st.columns([2, 3], vertical_alignment="center", gap="small")
        with name:
            if part.startswith("L"):
                writer = Head.parse(part)
                place = {"layer": writer.layer, "head": writer.head, "token": at}
                page_link("Head", label=part, **place)
            else:
                st.markdown(plain(part if part != "token" else "the token itself"))
        kind = "bar active" if value > 0 else "bar"
        width = 100 * abs(value) / largest
        bar.html(
            f'<div class="{kind}" role="img" aria-label="{escape(part)} adds {value:+.2f}">'
            f'<i style="width:{width:.0f}%"></i><span>{value:+.2f}</span></div>'
        )
    rest = why.contrast - sum(value for _, value in shares)
    st.caption(f"All other parts together: {rest:+.2f}. The sum of all: {why.contrast:+.2f}.")


def _take_out(why: AttentionExplanation, names: list[str]) -> None:
    """Take one part out of what the head reads, predicted first."""
    side_words = {"query": "the query", "key": "the keys"}
    left, middle = st.columns(2)
    side = left.segmented_control(
        "Take a part out of",
        SIDES,
        default="key",
        required=True,
        format_func=lambda side: side_words[side],
        key="why side",
    )
    parts = [part for part, _ in why.shares(side)[:SHOWN]]
    state.empty_for((why.text, why.head, why.query, why.key, side), {"why part": parts[0]})
    part = middle.selectbox("The part", parts, key="why part")
    case = (why.model_name, why.text, why.start_token, why.head, why.query, why.key, side, part)
    predictions = st.session_state.setdefault(PREDICTED, {})
    if case not in predictions:
        answer = st.pills(
            f"Without {part}, from this token {why.head} …", ANSWERS, key="why answer"
        )
        st.button(
            "Take it out",
            type="primary",
            disabled=answer is None,
            on_click=lambda: predictions.update({case: answer}),
        )
        return
    _what_it_did(why.without(part, side), why, predictions[case], side_words[side], names)


def _what_it_did(
    found: Without, why: AttentionExplanation, predicted: str, side: str, names: list[str]
) -> None:
    """What was predicted, what came out, and what other parts would have done."""
    change = found.change
    outcome = ANSWERS[int(change > -SAME) + int(change >= SAME)]
    draw = st.success if outcome == predicted else st.warning
    draw(
        f"You predicted: {predicted}. Without {plain(found.parts[0])} in {side}, attention on "
        f"{quoted(names[why.key])} goes from {found.before[why.key]:.0%} to "
        f"{found.after[why.key]:.0%}: it {outcome}."
    )
    if np.isnan(found.beyond_control):
        st.caption("Too few other parts exist to compare with.")
    else:
        drawn = found.control[:, why.key]
        st.caption(
            f"With another part out instead, {len(drawn)} tried, it lies between {drawn.min():.0%} "
            f"and {drawn.max():.0%}; {found.beyond_control:.0%} of them change it less."
        )
    seen = sorted(np.argsort(-np.maximum(found.before, found.after))[:SHOWN])
    st.dataframe(
        pd.DataFrame(
            {
                "looks at": [names[at] for at in seen],
                "as it is": found.before[seen],
                "without it": found.after[seen],
            }
        ),
        hide_index=True,
        alt="Attention of the row before and after",
        column_config={
            name: st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
            for name in ("as it is", "without it")
        },
    )
    st.caption(
        "Only what this head reads has changed. What removing the writer from the whole model does "
        "is another question: see Cause."
    )
