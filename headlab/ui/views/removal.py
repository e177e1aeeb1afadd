"""The Cause page's first view: remove heads, predict, and see what changes."""

import math
from dataclasses import replace

import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.exercises.effects import SIZES
from headlab.heads import Head
from headlab.interventions import Intervention
from headlab.report import REPORTED
from headlab.ui.components.head_map import head_map
from headlab.ui.services import state
from headlab.ui.services.code import removal_code
from headlab.ui.services.effects import get_removal
from headlab.ui.services.results import ChosenText, ready_profile
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of
from headlab.ui.views.as_code import as_code
from headlab.ui.views.removal_effect import (
    next_tokens,
    other_heads,
    repair,
    surprise,
    what_happened,
)
from headlab.ui.views.removal_sweep import every_head
from headlab.ui.views.text_choice import choose_text
from headlab.ui.views.words import names_of, plain, quoted

NARROW_MAP = 18  # layers of a map that a third of the page has room for
PREDICTIONS = "predicted effects"
FIRST = "previous_token"


def removal_view(selection: Selection) -> None:
    """Choose heads and what to watch; predict; see."""
    selection = replace(selection, removed=selection.removed or usual_removal(selection))
    chosen = choose_text(selection, lens=False)
    word = choose_removed(selection)
    if chosen is None or not selection.removed:
        return
    watch = as_token(word, chosen.text)
    found = {mode: get_removal(selection, chosen, mode, watch) for mode in REPORTED}
    deep = model_of(selection).n_layers > NARROW_MAP
    result, picker = st.columns([1, 1] if deep else [2, 1], gap="medium")
    with picker:
        removal_map(selection)
    with result:
        if not is_predicted(selection, chosen, found["mean"]):
            return
        case = case_of(selection, chosen, found["mean"])
        what_happened(found, st.session_state[PREDICTIONS][case])
        repair(selection, chosen, found["mean"])
    expected, places, others, every = st.tabs(
        ["What it expects next", "Where in the text", "What other heads do now", "Every head"]
    )
    with expected:
        next_tokens(found)
    with places:
        surprise(found)
    with others:
        other_heads(found["mean"])
    with every:
        every_head(selection, chosen, found["mean"])
    as_code(removal_code(selection, chosen, watch), "What changes without some heads")


def removal_map(selection: Selection) -> None:
    """The map of all heads: a head that is chosen is removed, or comes back."""
    model = model_of(selection)

    def take(head: Head) -> None:
        state.change(removed=tuple(sorted({head} ^ set(selection.removed))))

    head_map(
        model.n_layers,
        model.n_heads,
        take,
        ready_profile(selection),
        chosen=selection.removed,
        key="removal map",
        says="Heads to remove: layer across, head down",
    )


def usual_removal(selection: Selection) -> tuple[Head, ...]:
    """What is removed until the learner chooses: the head looked at, or one that leads in a role.

    Heads that look at the previous token come first: others build on what they write.
    """
    if selection.head is not None:
        return (Head(selection.layer, selection.head),)
    profile = ready_profile(selection)
    found = {} if profile is None else profile.top_heads
    leading = (found[name] for name in (FIRST, *found) if found.get(name))
    top = next(leading, None)
    return (Head(0, 0) if top is None else Head.parse(top[0]["head"]),)


def choose_removed(selection: Selection) -> str:
    """The heads to remove, by name or by role, and the word to watch, which it gives."""
    model, profile = model_of(selection), ready_profile(selection)
    names = [
        str(Head(layer, head)) for layer in range(model.n_layers) for head in range(model.n_heads)
    ]
    left, right, last = st.columns([2, 1, 1], vertical_alignment="bottom")
    left.multiselect(
        "Heads to remove",
        names,
        select_all=False,  # Enter would choose all that fit what was typed
        filter_mode="prefix",
        format_func=lambda name: (
            name if profile is None else f"{name}: {profile.label_text(*Head.parse(name))}"
        ),
        **state.bound(
            "removed_names",
            [str(head) for head in selection.removed],
            lambda chosen: {"removed": tuple(sorted(Head.parse(name) for name in chosen))},
        ),
    )
    if profile is not None:
        roles = [name for name, top in profile.top_heads.items() if top]
        right.selectbox(
            "Or those best at one behaviour",
            roles,
            index=None,
            placeholder="choose a behaviour",
            format_func=lambda name: get_behaviour(name).title,
            **state.bound(
                "removed_role",
                None,
                lambda name: {
                    "removed": tuple(
                        sorted(Head.parse(top["head"]) for top in profile.top_heads[name])
                    )
                },
            ),
        )
    word: str = last.text_input(
        "Watch this next token",
        placeholder="the one expected most",
        help="One token. A word is taken with the space in front that it has inside a text.",
        max_chars=40,
        **state.bound("watch", selection.watch),
    )
    return word


def as_token(word: str, text: str) -> str | None:
    """A word to watch as it would stand after a text; None if there is none."""
    if not word.strip():
        return None
    inside = word[0].isalnum() and not text[-1:].isspace()
    return f" {word}" if inside else word


def is_predicted(selection: Selection, chosen: ChosenText, result: Intervention) -> bool:
    """Ask what will happen before it is shown; True once that is committed or declined."""
    token, before = result.watched_texts[0], math.exp(result.logprobs_before[0])
    case = case_of(selection, chosen, result)
    predictions = st.session_state.setdefault(PREDICTIONS, {})
    if case in predictions:
        return True
    state.empty_for(case, {"prediction": None})
    st.markdown(
        f"**Predict first.** After “{plain(chosen.text[-60:])}” the model gives {quoted(token)} a "
        f"probability of **{before:.1%}**. "
        f"Without **{names_of(result.heads)}** (mean), that probability …"
    )
    size = st.pills(
        "Your prediction",
        [size.name for size in SIZES],
        help="Hardly means: by at most a tenth of what it was.",
        wrap=True,
        key="prediction",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Lock my prediction", type="primary", disabled=size is None):
            predictions[case] = size
            st.rerun()
        if st.button("Show it without a prediction", type="tertiary"):
            predictions[case] = None
            st.rerun()
    return False


def case_of(selection: Selection, chosen: ChosenText, result: Intervention) -> str:
    """What tells one prediction from another."""
    how = f"{selection.start_token} {selection.reads}"
    return f"{result.model_name} {how} {chosen.text} {result.heads} {result.watched_texts[0]}"
