"""Why a head rests on the first token: what makes that key fit, and the text without it."""

import numpy as np
import streamlit as st

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.mechanisms import Sink
from headlab.mechanisms.sink import Less
from headlab.ui.services import state
from headlab.ui.services.mechanisms import get_sink
from headlab.ui.services.results import ChosenText
from headlab.ui.services.selection import Selection
from headlab.ui.services.start_page import guarded
from headlab.ui.views.words import plain

RESTS = 0.5  # mean attention on the first token from which on a head is said to rest there
SAME = 0.05
ANSWERS = ("rests there less", "rests there as much", "rests there more")
PREDICTED = "predicted sink"


def rests(pattern: np.ndarray) -> bool:
    """Whether a head rests on the first token of a text, its pattern [query, key]."""
    return len(pattern) > 2 and float(pattern[1:, 0].mean()) >= RESTS


@st.fragment
def why_first(selection: Selection, chosen: ChosenText, head: Head) -> None:
    """What gives the first key its score, and the text without one thing, predicted first."""
    with guarded():
        try:
            found = get_sink(selection, chosen, head)
        except HeadlabError as error:
            st.info(str(error))
            return
        st.markdown(
            f"Later tokens put **{found.share:.0%}** of {head}'s attention on the first: its score "
            f"lies {found.contrast:+.2f} above the mean of those that a token can see. "
            f"**{found.by_bias:+.2f}** of that comes from the **bias of the query**, a constant "
            "that every token's query holds, whatever the token. It fits the first key because of "
            f"what was written there: {_writers(found)}."
        )
        st.caption(
            "This is a mechanism of models whose queries have a bias, not of resting in general: "
            "heads of models without one rest on the first token too."
        )
        name = st.segmented_control(
            "Read the text again without",
            [each.name for each in found.less],
            default=found.less[0].name,
            required=True,
            key="sink without",
        )
        case = (found.model_name, found.text, found.start_token, head, name)
        predictions = st.session_state.setdefault(PREDICTED, {})
        if case in predictions:
            _what_it_did(found, found.without(name), predictions[case])
            return
        state.empty_for(case, {"sink answer": None})
        answer = st.pills(f"Without {name}, {head} …", ANSWERS, key="sink answer")
        st.button(
            "Read it without",
            type="primary",
            disabled=answer is None,
            on_click=lambda: predictions.update({case: answer}),
        )


def _writers(found: Sink) -> str:
    order = np.argsort(-np.abs(found.by_key), kind="stable")[:3]
    return ", ".join(f"{plain(found.parts[at])} {found.by_key[at]:+.2f}" for at in order)


def _what_it_did(found: Sink, less: Less, predicted: str) -> None:
    """What was predicted, what came out, and what the control does."""
    change = less.share - found.share
    outcome = ANSWERS[int(change > -SAME) + int(change >= SAME)]
    draw = st.success if outcome == predicted else st.warning
    draw(
        f"You predicted: {predicted}. Without {less.name} the share on the first token goes from "
        f"{found.share:.0%} to {less.share:.0%}: it {outcome}. The model's mean surprise at the "
        f"next token goes from {found.loss:.2f} to {less.loss:.2f} nats."
    )
    if len(less.control_shares):
        shares, losses = less.control_shares, less.control_losses
        st.caption(
            f"With {less.instead} taken out instead, {len(shares)} tried: share "
            f"{shares.min():.0%} to {shares.max():.0%}, surprise {losses.min():.2f} to "
            f"{losses.max():.2f} nats."
        )
    else:
        st.caption("What is first then is the first word of the text.")
