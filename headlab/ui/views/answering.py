"""How a learner answers: a question with sureness and hints, a sentence, or past either."""

import streamlit as st

from headlab.exercises import (
    Entry,
    PreparedQuestion,
)
from headlab.exercises.record import (
    EXPLAIN,
    OBSERVE,
    REVISE,
    SURE_WORDS,
)
from headlab.languages import gettext as _
from headlab.ui.components.frame import scroll_to
from headlab.ui.services.learner import (
    keep_entry,
)
from headlab.ui.services.start_page import guarded
from headlab.ui.views.reveal import passages
from headlab.ui.views.words import plain

FEW = 16  # options shown as chips; more become a list


def ask(
    prepared: PreparedQuestion,
    key: str,
    entry: Entry,
    without: str = "",
    usual: str | None = None,
    hints: int = 0,
) -> tuple[str, int] | None:
    """The question with its answers and sureness; the answer once it is committed.

    ``without`` names the door past it, if there is one. ``hints`` are shown one after another, as
    they are asked for.
    """
    st.markdown(f"**{prepared.ask}**")
    passages(prepared)
    values = [option.value for option in prepared.options]
    if len(values) <= FEW:
        value = st.pills(
            _("Your answer"),
            values,
            default=usual if usual in values else None,
            format_func=lambda value: plain(prepared.option(value).text),
            wrap=True,
            key=f"answer {key}",
        )
    else:
        value = st.selectbox(
            _("Your answer"),
            values,
            index=values.index(usual) if usual in values else None,
            format_func=lambda value: prepared.option(value).text,
            key=f"answer {key}",
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sureness = st.pills(
            _("How sure are you?"),
            list(SURE_WORDS),
            format_func=lambda level: f"{level} {_(SURE_WORDS[level])}",
            wrap=True,
            key=f"sureness {key}",
        )
        is_ready = value is not None and sureness is not None
        locked = st.button(
            _("Lock my answer"),
            key=f"lock {key}",
            type="primary",
            disabled=not is_ready,
            help=None if is_ready else _("Choose an answer and say how sure you are first."),
        )
        shown = st.session_state.get(hints_key(entry), 0)
        if shown < hints:
            st.button(
                _("Show another hint") if shown else _("Show a hint"),
                key=f"button {hints_key(entry)}",
                on_click=lambda: st.session_state.update({hints_key(entry): shown + 1}),
            )
        if without:
            skip(entry, without)
    if locked:
        assert value is not None and sureness is not None
        return value, sureness
    return None


def hints_key(entry: Entry) -> str:
    """Where the session keeps how many hints of a step are shown."""
    return f"hints {entry.identity}"


def write(entry: Entry, stage: str, question: str, label: str) -> None:
    """A few words of the learner's own, locked before the page goes on."""
    words = st.text_area(question, key=f"{stage} {entry.identity}", max_chars=2_000, height=90)
    if st.button(label, key=f"lock {stage} {entry.identity}", type="primary"):
        with guarded():
            commit = entry.observe if stage == OBSERVE else entry.explain
            keep_entry(commit(words))
            scroll_to("verdict")
            st.rerun()
    skip(entry, _("Skip"))


def skip(entry: Entry, label: str) -> None:
    """A door past the present stage; that it was taken is recorded."""
    if st.button(label, key=f"skip {entry.stage} {entry.identity}", type="tertiary"):
        keep_entry(entry.skip())
        if entry.stage in (OBSERVE, EXPLAIN, REVISE):
            scroll_to("carried over" if entry.stage == REVISE else "verdict")
        st.rerun()
