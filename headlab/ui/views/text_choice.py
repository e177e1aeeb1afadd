"""The controls that every page of one text begins with: which text, start token, sink lens."""

import json
from collections.abc import Sequence

import streamlit as st

from headlab.exercises.guided import guided_texts
from headlab.measuring.spans import marked_spans
from headlab.models.tokens import chat_turn, has_chat_template, special_texts, tokenise
from headlab.ui.services import state
from headlab.ui.services.results import ChosenText
from headlab.ui.services.selection import ANY_LAYER, OWN, READS, Selection
from headlab.ui.services.sharing import model_of
from headlab.ui.services.state import MARKS, OWN_TEXT
from headlab.ui.views.going_on import go_on, say_what_is_written

TYPED = "typed text"  # the box; it becomes the learner's own text once it is read
MAX_LINK = 2_000  # characters; longer addresses get lost in mails and old proxies

Pair = tuple[tuple[int, ...], tuple[int, ...]]


def choose_text(
    selection: Selection, lens: bool = True, start_token: bool = True
) -> ChosenText | None:
    """The text controls; None, with a hint on the page, while there is nothing to read.

    A page that has the switch for the start token elsewhere turns off ``start_token``.
    """
    texts = guided_texts()
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.selectbox(
        "Text",
        [*texts, OWN],
        format_func=lambda name: "Your own text" if name == OWN else texts[name].title,
        **state.bound("text_name", selection.text_name),
    )
    with right.container(horizontal=True):
        if start_token:
            st.toggle(
                "Start token",
                help="A token put before every text. Many heads rest on it, so pictures differ "
                "without it.",
                **state.bound("start_token", selection.start_token),
            )
        if lens:
            st.toggle(
                "Sink lens",
                help="Leaves out the attention on the first token, where many heads rest, and "
                "shows how the remainder is shared. What remained is given beside it.",
                **state.bound("lens", selection.lens),
            )
        say_how_read(selection)
    return own_text(selection) if selection.is_own_text else text_chosen(selection)


def text_line(
    selection: Selection, opens: bool = False, lens: bool = True, width: int = 190
) -> None:
    """Which text, its words in a popover, start token and sink lens, in one line of the page.

    ``opens``: another text is a new beginning, and no layer or head is chosen in it; ``lens``:
    whether the page has a use for the lens; ``width``: pixels of the list of texts.
    """
    texts = guided_texts()
    anew = {"layer": ANY_LAYER, "head": None} if opens else {}
    st.selectbox(
        "Text",
        [*texts, OWN],
        format_func=lambda name: "Your own text" if name == OWN else texts[name].title,
        label_visibility="collapsed",
        width=width,
        **state.bound("text_name", selection.text_name, lambda name: {"text_name": name, **anew}),
    )
    if not selection.is_own_text or state.own_text():
        with st.popover("Edit", icon=":material/edit:", help="Change the text, or write your own"):
            text_box(selection)
            say_how_read(selection)
            chosen = text_chosen(selection)
            if chosen is not None:
                say_what_is_written(chosen.text)
                go_on(selection, chosen)
            if selection.is_own_text:
                link_to_text(selection)
    st.toggle(
        "Start token",
        help="A token put before every text. Many heads rest on it, so pictures differ without it.",
        **state.bound("start_token", selection.start_token),
    )
    if not lens:
        return
    st.toggle(
        "Sink lens",
        help="Leaves out the attention on the first token, where many heads rest, and shows how "
        "the remainder is shared. What remained is given beside it.",
        **state.bound("lens", selection.lens),
    )


def text_box(selection: Selection) -> None:
    """The text in a box; what is typed there becomes the learner's own."""
    texts = guided_texts()
    shown = state.own_text() if selection.is_own_text else texts[selection.text_name].text
    state.empty_for((selection.text_name, shown), {TYPED: shown})
    # said anew in every run: the browser may never have heard of a run that was cut off
    st.session_state[TYPED] = st.session_state.get(TYPED, shown)

    def read() -> None:
        typed = st.session_state[TYPED]
        same = next((text.name for text in texts.values() if text.text == typed), None)
        if same is None:
            st.session_state[OWN_TEXT] = typed
        state.change(text_name=same or OWN)

    st.text_area(
        "Your own text",
        key=TYPED,
        height=100,
        on_change=read,
        placeholder="Write a sentence or two, then press Ctrl+Enter.",
        help="It is kept in this browser only. The address of this page does not contain it.",
    )
    st.button("Read", type="primary", on_click=read)


def text_chosen(selection: Selection) -> ChosenText | None:
    """The text that :func:`text_line` shows; None, with a box on the page, while there is none."""
    if not selection.is_own_text:
        guided = guided_texts()[selection.text_name]
        return ChosenText(as_read(selection, guided.text), guided.facts)
    if state.own_text():
        return with_marks(selection)
    text_box(selection)
    return None


def as_read(selection: Selection, text: str) -> str:
    """A text as the model is to read it: itself, or a chat turn."""
    return chat_turn(model_of(selection), text) if selection.reads == "chat" else text


def say_how_read(selection: Selection) -> None:
    """The switch for special tokens, where the model has learned chats or the text names one."""
    model = model_of(selection)
    own, guided = state.own_text(), guided_texts()
    text = own if selection.is_own_text else guided[selection.text_name].text
    named = any(name in text for name in special_texts(model))
    if not (named or has_chat_template(model) or selection.reads != "text"):
        return
    st.segmented_control(
        "Special tokens",
        [way for way in READS if way != "chat" or has_chat_template(model)],
        format_func=lambda way: READS[way],
        required=True,
        help="A model's own marks, such as the start token. **As text**: their names in your text "
        "are ordinary characters. **As tokens**: they are these tokens. **As a chat turn**: your "
        "text is what somebody says to the model, with the marks around it that it was trained on.",
        **state.bound("reads", selection.reads),
    )


def own_text(selection: Selection) -> ChosenText | None:
    """The box for the learner's own text, and a link that carries it."""
    text = st.text_area(
        "Your own text",
        placeholder="Write a sentence or two, then press Ctrl+Enter.",
        key=OWN_TEXT,
        persist_state="session",
        help="It is kept in this browser only. The address of this page does not contain it.",
    )
    if not text:
        st.info("Write a sentence of your own above, then press Ctrl+Enter.")
        return None
    copy_link(selection)
    return with_marks(selection)


def copy_link(selection: Selection) -> None:
    """An address that holds the learner's own text and the facts marked in it."""
    with st.popover("Copy link", icon=":material/link:"):
        link_to_text(selection)


def link_to_text(selection: Selection) -> None:
    """The address that :func:`copy_link` folds away."""
    link = state.link_with_text(selection, marked_pairs(selection))
    if len(link) > MAX_LINK:
        st.write("This text is too long for a link: send the text itself.")
    else:
        st.write("Whoever opens this link reads your text:")
        st.code(link, language=None, wrap_lines=True)


def with_marks(selection: Selection) -> ChosenText:
    """The learner's own text with the facts that they have marked in it."""
    pairs, text = marked_pairs(selection), as_read(selection, state.own_text())
    if not pairs:
        return ChosenText(text)
    model = model_of(selection)
    _, token_texts = tokenise(model, text, None)
    shift = 1 if selection.start_token and model.start_token is not None else 0
    shifted = [([k + shift for k in entity], [k + shift for k in fact]) for entity, fact in pairs]
    return ChosenText(text, spans=marked_spans([""] * shift + token_texts, shifted))


def marked_pairs(selection: Selection) -> list[Pair]:
    """The learner's pairs of entity and attribute, as token positions without the start token.

    Marks belong to a model and to the learner's own text as it is read; on others there are none.
    """
    try:
        marks = {"reads": "text"} | json.loads(st.session_state.get(MARKS) or "{}")
        if any(marks[part] != value for part, value in _marked_on(selection).items()):
            return []
        text = as_read(selection, state.own_text())
        _, token_texts = tokenise(model_of(selection), text, None)
        pairs = [(tuple(map(int, a)), tuple(map(int, b))) for a, b in marks["pairs"]]
    except (KeyError, TypeError, ValueError, RecursionError):  # none, or changed by hand
        return []
    fits = all(
        part and min(part) >= 0 and max(part) < len(token_texts) for p in pairs for part in p
    )
    return pairs if fits else []


def mark(selection: Selection, pairs: Sequence[Pair]) -> None:
    """Keep the learner's pairs; meant for callbacks."""
    st.session_state[MARKS] = json.dumps(_marked_on(selection) | {"pairs": list(pairs)})


def _marked_on(selection: Selection) -> dict[str, str]:
    return {"model": selection.model, "text": state.own_text(), "reads": selection.reads}
