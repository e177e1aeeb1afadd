"""Letting the model write on, asking why it wrote a word, and trying another word."""

import streamlit as st

from headlab.figures import position_names
from headlab.interventions import Rewording, WhyWord, next_tokens, replace_word, why_word
from headlab.measuring.continuing import MOST, Continuation, continue_text
from headlab.measuring.reading import Reading
from headlab.ui.services import state
from headlab.ui.services.navigation import open_page, page_link
from headlab.ui.services.results import ChosenText, policy
from headlab.ui.services.selection import OWN, Selection
from headlab.ui.services.sharing import long_work, model_of, shared
from headlab.ui.views.patch import PAIR_BOXES, TOKEN_BOXES
from headlab.ui.views.words import plain

WRITTEN = "what the model wrote"  # of the session: the longer text, and how it came about
SHOWN = 5  # heads in a list
TRIES = ("Mary", "John", "Alice", "Tom", "the", "a")  # words to try in the place of another

TOKEN, WORD = "token asked about", "word to try"


def go_on(selection: Selection, chosen: ChosenText) -> None:
    """Let the model continue the text; the longer text becomes the learner's own."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = st.number_input("Tokens", 1, MOST, 20, key="tokens to write", width=110)
        seed = st.number_input(
            "Draw with seed",
            min_value=0,
            value=None,
            key="seed to draw with",
            placeholder="most probable",
            width=160,
            help="Empty: the most probable token each time. A number draws from what the model "
            "expects, the same number the same text.",
        )
        pressed = st.button("Continue", icon=":material/edit_note:", key="go on")
    if not pressed:
        return
    model = model_of(selection)
    start = policy(selection.start_token)
    key = ("going on", model.reading_hash, start, chosen.text, by, seed)
    made: Continuation = long_work(
        key,
        lambda job: continue_text(model, chosen.text, by, seed, start, job.progress),
        "Writing",
    )
    if not made.n_written:
        st.info(f"Nothing was written: {made.stopped}.")
        return
    st.session_state[WRITTEN] = made
    state.take_as_own(made.whole)
    st.rerun()


def written_here(text: str) -> Continuation | None:
    """How the text came about, where the model wrote its end in this session."""
    made: Continuation | None = st.session_state.get(WRITTEN)
    return made if made is not None and made.whole == text else None


def n_written(text: str) -> int:
    """How many of the last tokens of a text the model wrote in this session."""
    made = written_here(text)
    return 0 if made is None else made.n_written


def say_what_is_written(text: str) -> None:
    """One line: which words are the model's, and how to see what it looked at."""
    made = written_here(text)
    if made is not None:
        st.caption(
            f"The model wrote the last {made.n_written} tokens itself ({made.stopped}): "
            f"“{plain(made.written.strip())}”. What its heads looked at when it wrote a word is "
            "the row of the word before: point at a written word on Layers."
        )


def ask_about_words(selection: Selection, chosen: ChosenText, reading: Reading) -> None:
    """Why a word stands where it does, and which heads another word there would move."""
    names = position_names(reading.token_texts)
    first = 1 if reading.start_token is not None else 0
    state.empty_for((selection.model, chosen.text, reading.start_token), {TOKEN: None})
    position = st.selectbox(
        "Word",
        range(first, len(names)),
        format_func=lambda index: names[index],
        key=TOKEN,
        placeholder="Choose a word of the text",
    )
    if position is None:
        return
    why, other = st.tabs(["Why this word?", "What if it were another?"])
    with why:
        if position == 0:
            st.write("Nothing stands before it, so nothing foretold it.")
        else:
            show_why(selection, chosen, position)
    with other:
        show_other(selection, chosen, position)


def show_why(selection: Selection, chosen: ChosenText, position: int) -> None:
    """What else the model expected there, and which heads decided."""
    model = model_of(selection)
    start = policy(selection.start_token)
    found: WhyWord = shared(
        ("why", model.reading_hash, start, chosen.text, position),
        lambda: why_word(model, chosen.text, position, start),
    )
    st.markdown(
        f"The model gave “{plain(found.word.text.strip())}” "
        f"{found.word.probability:.0%} there, and most expected:"
    )
    st.dataframe(
        {
            "token": [each.text for each in found.candidates],
            "probability": [each.probability for each in found.candidates],
        },
        hide_index=True,
        column_config={"probability": st.column_config.ProgressColumn(format="percent")},
    )
    if found.heads is None:
        st.info(found.no_attribution)
        return
    st.markdown(
        f"Heads that wrote most for “{plain(found.word.text.strip())}” and against "
        f"“{plain(found.rival.text.strip())}”, in **logits**, the scores from which the "
        "probabilities are made:"
    )
    for row in found.to_frame().head(SHOWN).itertuples():
        with st.container(horizontal=True):
            page_link("Head", f"{row.name}", layer=row.layer, head=row.head)
            st.caption(f"{row.logits:+.2f}")


def show_other(selection: Selection, chosen: ChosenText, position: int) -> None:
    """Which heads' patterns another word moves most, beside random words in its place."""
    st.text_input("Another word", key=WORD, placeholder="such as Alice", width=220)
    st.pills("Try", TRIES, key=f"{WORD} tried", on_change=_take_tried, label_visibility="collapsed")
    word = str(st.session_state.get(WORD) or "").strip()
    if not word:
        return
    model = model_of(selection)
    start = policy(selection.start_token)
    found: Rewording = long_work(
        ("another word", model.reading_hash, start, chosen.text, position, word),
        lambda job: replace_word(
            model, chosen.text, position, word, start_token=start, progress=job.progress
        ),
        "Trying words",
    )
    if st.button(
        "Patch between the two texts",
        icon=":material/healing:",
        help="On Cause: which head carries what this word changes about the next one.",
    ):
        _patch(selection, found)
    st.caption(
        "How much of a row's attention goes elsewhere from this word on, and how much it does with "
        f"{len(found.random)} random words in its place."
    )
    for row in found.to_frame().head(SHOWN).itertuples():
        with st.container(horizontal=True):
            page_link("Head", f"{row.name}", layer=row.layer, head=row.head)
            st.caption(
                f"{row.moved:.0%} moved, random words {row.chance:.0%}; "
                f"more than {row.beyond:.0%} of them"
            )


def _patch(selection: Selection, found: Rewording) -> None:
    """Take the two texts, and what is expected after each, to the page that patches them."""
    model = model_of(selection)
    answer, wrong = next_tokens(model, found, policy(selection.start_token))
    st.session_state.update(zip(PAIR_BOXES.values(), (found.text, found.new_text), strict=True))
    st.session_state.update(zip(TOKEN_BOXES.values(), (answer, wrong), strict=True))
    open_page("Cause", patching=True, pair=OWN)


def _take_tried() -> None:
    st.session_state[WORD] = st.session_state.get(f"{WORD} tried") or ""
