"""The address bar, which says what the learner has chosen, and widgets that mirror it.

The address is the truth: widgets mirror it (:func:`bound`), and only this file reads and writes it;
``selection.py`` says what its words mean. Guided texts stand in the address by name. A learner's
own text stays out of it, since addresses get shared and logged; the one exception is a link that
the learner copies (:func:`link_with_text`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from headlab.models.hub import default_model
from headlab.ui.services.selection import OWN, Selection, parse

SET_AGAIN = 3  # runs of a page in which a widget is told its value
OWN_TEXT = "own_text"
_FIRST_MODEL = "first model"
LINKED_TEXT = "own"  # the part of a copied link that carries a text
LINKED_FACTS = "facts"  # and the one that carries the facts marked in it
MARKS = "marks"


def current() -> tuple[Selection, list[str]]:
    """What the address bar asks for; a text in a copied link becomes the learner's own.

    Where it names no model, the one is meant that was this machine's first when the session began.
    """
    query = st.query_params.to_dict()
    if "model" not in query:
        query["model"] = st.session_state.setdefault(_FIRST_MODEL, default_model())
    if LINKED_TEXT in query:
        st.session_state[OWN_TEXT] = query[LINKED_TEXT]
        query["text"] = OWN
        if LINKED_FACTS in query:
            _take_facts(query)
    return parse(query)


def choose(selection: Selection) -> None:
    """Put a selection into the address bar.

    It is sent even where it seems to stand there: a link to the page that is open changes what
    Streamlit knows and leaves the address bar behind. The browser ignores what is right already.
    """
    st.query_params.from_dict(selection.as_query())


def change(**changes: Any) -> None:
    """Change parts of the selection; meant for callbacks, which run before the page."""
    choose(current()[0].with_changes(**changes))


def bound(
    key: str, value: Any, take: Callable[[Any], Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Arguments that tie a widget to the selection: it shows ``value``, and a change is taken over.

    ``take`` turns the widget's new value into changes of the selection; without it, ``key`` names
    the part that the value replaces.
    """
    st.session_state[key] = value

    def taken() -> None:
        chosen = st.session_state[key]
        change(**(take(chosen) if take else {key: chosen}))

    return {"key": key, "on_change": taken}


def empty_for(about: Any, values: Mapping[str, Any]) -> None:
    """Set widgets, by key, back to these values when what they are about is no longer the same.

    Keys that name it would not do: Streamlit never forgets a key that it has seen, and a session
    would grow with every text. Nor does it keep the value of a widget that a run did not come to,
    or tell the browser again what a run that was cut short has set: so it is set several times.
    """
    last = f"{', '.join(values)}: about"
    known, times = st.session_state.get(last, (None, 0))
    if known != about or any(key not in st.session_state for key in values):
        st.session_state.update({**values, last: (about, 1)})
    elif times < SET_AGAIN:
        st.session_state.update({key: st.session_state[key] for key in values})
        st.session_state[last] = (about, times + 1)


def own_text() -> str:
    """The learner's own text, kept while they move between pages."""
    return str(st.session_state.get(OWN_TEXT) or "")


def take_as_own(text: str) -> None:
    """Make a text that was read here, and changed, the learner's own; meant for callbacks.

    A chat turn has its special tokens around it by then.
    """
    st.session_state[OWN_TEXT] = text
    change(text_name=OWN, reads="tokens" if current()[0].reads == "chat" else current()[0].reads)


def _take_facts(query: Mapping[str, str]) -> None:
    """The facts of a copied link, as if they had been marked here; what is none is passed over."""
    with suppress(ValueError, RecursionError):
        pairs = json.loads(query[LINKED_FACTS])
        marks = {
            "model": query["model"],
            "text": query[LINKED_TEXT],
            "reads": parse(query)[0].reads,
            "pairs": pairs,
        }
        st.session_state[MARKS] = json.dumps(marks)


def link_with_text(selection: Selection, facts: Sequence[Any] = ()) -> str:
    """The address of this view with the learner's own text and marked facts, to be copied."""
    query = selection.as_query() | {LINKED_TEXT: own_text()}
    if facts:
        query[LINKED_FACTS] = json.dumps(facts, separators=(",", ":"))
    query.pop("text", None)
    return f"{str(st.context.url).partition('?')[0]}?{urlencode(query)}"
