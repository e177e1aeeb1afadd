"""The Cause page's second view: what a head did on one text, put into another."""

import numpy as np
import pandas as pd
import streamlit as st

from headlab.exercises.guided import GuidedPair, guided_pairs
from headlab.figures import effect_map_figure, model_policy, position_effect_figure, position_names
from headlab.heads import Head
from headlab.interventions import WHATS, Patching
from headlab.ui.services import state
from headlab.ui.services.effects import get_patching
from headlab.ui.services.navigation import page_link
from headlab.ui.services.selection import OWN, Selection
from headlab.ui.views.words import plain, quoted

MAX_DOORS = 5
WHAT_IS_PATCHED = {
    "head output": "what a head writes (its output)",
    "pattern": "where a head looks (its pattern)",
    "value": "what a head reads (its values)",
    "residual": "everything so far (the residual stream)",
}
PAIR_BOXES = {"clean": "own pair clean", "corrupt": "own pair corrupt"}
TOKEN_BOXES = {"clean": "own pair answer", "corrupt": "own pair wrong"}


def patch_view(selection: Selection) -> None:
    """Two texts that differ in little; what a head did on one is put into the other."""
    st.markdown(
        "Two texts differ in one place, and so does what comes next. While the model reads the "
        "second (**corrupt**) text, one head is given what it did on the first (**clean**) one. If "
        "the prediction moves towards the clean text's, that head carries what differs."
    )
    pairs = guided_pairs()
    st.selectbox(
        "Pair of texts",
        [*pairs, OWN],
        format_func=lambda name: "Your own pair" if name == OWN else pairs[name].title,
        **state.bound("pair", selection.pair),
    )
    pair = own_pair() if selection.pair == OWN else pairs[selection.pair]
    if pair is None:
        return
    if selection.pair != OWN:
        st.markdown(
            f"- clean: {plain(pair.clean)}\n- corrupt: {plain(pair.corrupt)}\n\n{pair.look}"
        )
    controls(selection)
    found = get_patching(selection, (pair.clean, pair.corrupt), (pair.answer, pair.wrong))
    pair_table(found)
    outcome(found)
    if found.what == "residual":
        rows = [f"before layer {layer}" for layer in range(len(found.effect))]
        effect_by_position(found, found.effect, rows)
    elif found.by_position:
        strongest = strongest_heads(np.nanmax(np.abs(found.effect), axis=-1), 10)
        effect_by_position(
            found,
            np.array([found.effect[head.layer, head.head] for head in strongest]),
            [str(head) for head in strongest],
        )
        doors(found, strongest[:MAX_DOORS])
    else:
        figure = effect_map_figure(
            found.effect, f"Patched: {found.what}", model_policy(found), "share of the way", "+.1%"
        )
        st.plotly_chart(figure, key="patching", alt="Share of the way for every head")
        doors(found, strongest_heads(np.abs(found.effect), MAX_DOORS))


def own_pair() -> GuidedPair | None:
    """The learner's own pair; None, with a hint, while a part is missing."""
    for column, (name, key) in zip(st.columns(2), PAIR_BOXES.items(), strict=True):
        column.text_area(f"Your {name} text", key=key, persist_state="session")
    left, right = st.columns(2)
    left.text_input(
        "Next token of the clean text", key="own pair answer", persist_state="session", max_chars=40
    )
    right.text_input(
        "Next token of the corrupt text",
        key="own pair wrong",
        persist_state="session",
        max_chars=40,
    )
    clean, corrupt = (str(st.session_state[key] or "") for key in PAIR_BOXES.values())
    answer, wrong = (
        str(st.session_state[f"own pair {name}"] or "") for name in ("answer", "wrong")
    )
    if not all(part.strip() for part in (clean, corrupt, answer, wrong)):
        st.info(
            "Write two texts that differ in a word of equally many tokens, and the next token "
            "that each should have. A space is put in front of a word."
        )
        return None
    answer, wrong = (f" {word}" if word[0].isalnum() else word for word in (answer, wrong))
    return GuidedPair(OWN, 0, "", clean, corrupt, answer, wrong, "")


def controls(selection: Selection) -> None:
    """What is patched, in which direction, everywhere or place by place."""
    left, right = st.columns([3, 4], vertical_alignment="bottom")
    left.selectbox(
        "What is patched",
        WHATS,
        format_func=WHAT_IS_PATCHED.get,
        **state.bound("what", selection.what),
    )
    with right.container(horizontal=True):
        st.toggle(
            "By position",
            help="One place of the text at a time. The residual stream is always patched so.",
            **state.bound("by_position", selection.by_position),
        )
        st.toggle(
            "Other direction",
            help="Puts what a head did on the corrupt text into the clean one: what breaks the "
            "answer (noising) instead of what restores it (denoising). The two can differ.",
            **state.bound("noising", selection.noising),
        )


def pair_table(found: Patching) -> None:
    """The two texts, token under token."""
    texts = (found.clean_token_texts, found.corrupt_token_texts)
    clean, corrupt = (position_names(token_texts) for token_texts in texts)
    differ = [a != b for a, b in zip(found.clean_tokens, found.corrupt_tokens, strict=True)]
    with st.expander("The two texts, token under token"):
        st.dataframe(
            pd.DataFrame({"clean": clean, "corrupt": corrupt, "differs": differ}),
            hide_index=True,
            alt="The tokens of both texts",
        )
    if not any(differ):
        st.warning("Both texts are the same, so nothing can be carried over: change one word.")


def outcome(found: Patching) -> None:
    """What the model says to each text by itself."""
    answer, wrong = quoted(found.answer_text), quoted(found.wrong_text or "")
    start, other = "corrupt", "clean"
    if found.direction == "noising":
        start, other = other, start
    st.markdown(
        f"How much the model prefers {answer} to {wrong} at the end (logit difference): "
        f"**{found.clean_metric:+.2f}** after the clean text, **{found.corrupt_metric:+.2f}** "
        f"after the corrupt one. The map shows the share of the way from the {start} text's "
        f"figure to the {other} text's that one patch goes: 0 % changes nothing, 100 % goes all "
        "the way."
    )
    if found.clean_metric <= 0 or found.corrupt_metric >= 0:
        st.info(
            "The model itself does not prefer the right token on both texts, so read the map with "
            "care: it shows what moves the prediction, not what makes it right."
        )


def effect_by_position(found: Patching, effect: np.ndarray, rows: list[str]) -> None:
    """Which places matter."""
    figure = position_effect_figure(
        effect,
        rows,
        found.clean_token_texts,
        f"Patched: {found.what}",
        model_policy(found),
        "share of the way",
    )
    st.plotly_chart(figure, key="by position", alt="Share of the way by position")


def strongest_heads(effect: np.ndarray, most: int) -> list[Head]:
    """The heads with the largest effect [layer, head]."""
    order = np.argsort(-np.nan_to_num(effect), axis=None)[:most]
    return [Head(*map(int, np.unravel_index(i, effect.shape))) for i in order]


def doors(found: Patching, heads: list[Head]) -> None:
    """From the map to the heads."""
    st.markdown("**The heads that carry most**")
    for head in heads:
        value = found.effect[head.layer, head.head]
        share = value if np.ndim(value) == 0 else value[np.nanargmax(np.abs(value))]
        page_link("Head", label=f"{head}: {share:+.0%}", layer=head.layer, head=head.head)
