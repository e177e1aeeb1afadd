"""The Cause page's first view: remove heads, predict, and see what changes."""

import math

import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.exercises.effects import SIZES
from headlab.heads import Head
from headlab.interventions import Intervention
from headlab.report import REPORTED
from headlab.ui.services import state
from headlab.ui.services.results import (
    ChosenText,
    get_model,
    get_removal,
    ready_profile,
)
from headlab.ui.services.state import Selection
from headlab.ui.views.removal_effect import (
    next_tokens,
    other_heads,
    repair,
    surprise,
    what_happened,
)
from headlab.ui.views.removal_sweep import every_head
from headlab.ui.views.text_choice import choose_text
from headlab.ui.views.words import names_of, quoted

PREDICTIONS = "predicted effects"


def removal_view(selection: Selection) -> None:
    """Choose heads and what to watch; predict; see."""
    st.markdown(
        "The text is read twice: as it is, and with what the chosen heads write replaced. What "
        "changes is what these heads do here. **Mean** puts in what each head writes on average, "
        "so the rest of the model sees nothing unusual; **zero** puts in nothing at all."
    )
    chosen = choose_text(selection, lens=False)
    choose_removed(selection)
    if chosen is None:
        return
    if not selection.removed:
        st.info("Choose one or more heads to remove.")
        return
    watch = watched_token(selection, chosen)
    found = {mode: get_removal(selection, chosen, mode, watch) for mode in REPORTED}
    if not is_predicted(selection, chosen, found["mean"]):
        return
    st.header("What happened")
    what_happened(found, st.session_state[PREDICTIONS][case_of(selection, chosen, found["mean"])])
    next_tokens(found)
    surprise(found)
    other_heads(found["mean"])
    repair(selection, chosen, found["mean"])
    every_head(selection, chosen, found["mean"])


def choose_removed(selection: Selection) -> None:
    """The heads to remove: by name, by role, or the one last looked at."""
    model, profile = get_model(selection.model), ready_profile(selection)
    names = [
        str(Head(layer, head)) for layer in range(model.n_layers) for head in range(model.n_heads)
    ]
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.multiselect(
        "Heads to remove",
        names,
        format_func=lambda name: (
            name if profile is None else f"{name}: {profile.label_text(*Head.parse(name))}"
        ),
        **state.bound(
            "removed_names",
            [str(head) for head in selection.removed],
            lambda chosen: {"removed": tuple(sorted(Head.parse(name) for name in chosen))},
        ),
    )
    looked_at = None if selection.head is None else Head(selection.layer, selection.head)
    if profile is not None:
        roles = [name for name, top in profile.top_heads.items() if top]
        right.selectbox(
            "Or all that lead in one behaviour",
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
    if looked_at is not None and looked_at not in selection.removed:
        st.button(
            f"Add {looked_at}, the head you looked at",
            on_click=lambda: state.change(removed=tuple(sorted({*selection.removed, looked_at}))),
        )


def watched_token(selection: Selection, chosen: ChosenText) -> str | None:
    """The next token to follow, as it stands in a text; None for the one expected most."""
    word = st.text_input(
        "Watch this next token",
        placeholder="blank: the token that the model expects most after the text",
        help="One token. A word is taken with the space in front that it has inside a text.",
        max_chars=40,
        **state.bound("watch", selection.watch),
    )
    return as_token(word, chosen.text)


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
    st.header("Predict first")
    st.markdown(
        f"After this text the model gives {quoted(token)} a probability of **{before:.1%}**. "
        f"Without **{names_of(result.heads)}** (mean), that probability …"
    )
    size = st.radio(
        "Your prediction",
        [size.name for size in SIZES],
        index=None,
        help="Hardly means: by at most a tenth of what it was.",
        key="prediction",
    )
    left, right = st.columns(2)
    if left.button("Lock my prediction", type="primary", disabled=size is None):
        predictions[case] = size
        st.rerun()
    if right.button("Show it without a prediction", type="tertiary"):
        predictions[case] = None
        st.rerun()
    return False


def case_of(selection: Selection, chosen: ChosenText, result: Intervention) -> str:
    """What tells one prediction from another."""
    start = selection.start_token
    return f"{result.model_name} {start} {chosen.text} {result.heads} {result.watched_texts[0]}"
