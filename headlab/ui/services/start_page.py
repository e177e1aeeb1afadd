"""What every page begins with: its frame, and the promise that no learner sees a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock

import streamlit as st

from headlab import languages, log, settings
from headlab.__version__ import __version__
from headlab.errors import HeadlabError
from headlab.models.catalogue import CATALOGUE
from headlab.models.tokens import has_chat_template
from headlab.ui.components.frame import frame
from headlab.ui.services import browser_store, metrics, state
from headlab.ui.services.navigation import draw_navigation, page_link
from headlab.ui.services.selection import ANY_LAYER, Selection, fit
from headlab.ui.services.sharing import get_model, model_of
from headlab.ui.views.words import plain

# a named icon would be fetched from the network
_ICON = str(Path(__file__).with_name("icon.png"))
SIDEBAR = 212  # pixels
_COMPLAINTS = "complaints about the address"
_BEGINNING = Lock()


@contextmanager
def start_page(title: str, *begins: str) -> Iterator[Selection]:
    """Draw the frame of a page; gives the selection, made to fit the model.

    A change of the parts of the selection that ``begins`` names shows the page from its top.

    A HeadlabError in the body becomes its sentence. Anything else is logged and becomes a sentence
    too.
    """
    st.set_page_config(
        page_title=f"{title} · headlab",
        page_icon=_ICON,
        layout="wide",
        initial_sidebar_state=SIDEBAR,
    )
    drawn = False
    languages.speak(languages.ENGLISH)
    with guarded():
        _begin()
        asked, complaints = state.current()
        asked, refusals = _openable(asked)
        model = get_model(asked.model)
        selection, more = fit(asked, model.n_layers, model.n_heads)
        if selection.reads == "chat" and not has_chat_template(model):
            selection = replace(selection, reads="tokens")
            more.append(f"{model.name} has no chat template: special tokens are read as tokens.")
        frame((title, *(getattr(selection, part) for part in begins)))
        with st.sidebar:
            st.markdown("### headlab")
            draw_navigation()
            st.divider()
            _name_model(selection)
            _shared_machine()
        state.choose(_as_asked(selection, asked))
        for sentence in _until_moved_on(selection, complaints + refusals + more):
            st.warning(sentence)
        drawn = True
    if not drawn:  # nothing can be shown but the sentence
        st.stop()
    with guarded():
        yield selection


def page_header(selection: Selection, title: str, how: str | None = None) -> None:
    """The first line of a page: its title, the open model as the door to all models, and a help."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(title, width="content", anchor=False)
        name_model(selection)
        if how is not None:
            with st.popover("How to read this", icon=":material/help:", type="tertiary"):
                st.markdown(how)


def name_model(selection: Selection) -> None:
    """The open model by its name: a link to the list of models."""
    name = "mini, not GPT-2" if selection.model == "mini" else model_of(selection).name
    page_link("Models", label=plain(name))


def _as_asked(selection: Selection, asked: Selection) -> Selection:
    """What the address is to say: a layer that nobody has chosen stays open."""
    return replace(selection, layer=asked.layer) if asked.layer == ANY_LAYER else selection


def _begin() -> None:
    """What a server does once, before its first page."""
    with _BEGINNING:  # several learners may be the first
        problems = _begun()
    if problems:
        raise HeadlabError(" ".join(problems))


@cache
def _begun() -> list[str]:
    """Set up the log and the figures about this server; what is wrong with its settings."""
    log.configure_server()
    metrics.offer()
    problems = settings.problems()
    log.event("server started", version=__version__, public=settings.public(), problems=problems)
    return problems


def _until_moved_on(selection: Selection, complaints: list[str]) -> list[str]:
    """The complaints about an address, until the learner chooses something else.

    The address has been put right by then, so a rerun alone would not find them again.
    """
    if complaints:
        st.session_state[_COMPLAINTS] = (selection, complaints)
    about, kept = st.session_state.get(_COMPLAINTS, (None, []))
    return kept if about == selection else []


@contextmanager
def guarded() -> Iterator[None]:
    """Turn errors of the body into one sentence on the page."""
    try:
        yield
    except HeadlabError as error:
        st.error(str(error))
    except Exception:
        log.failed("a page failed")
        st.error(
            "Something went wrong on our side, and what you typed is kept: reload the page, and "
            "if it happens again, tell whoever runs this server."
        )


def _shared_machine() -> None:
    with st.popover("Shared machine?", icon=":material/person_off:"):
        st.write(
            "What you type and answer is kept in this browser, so that a reload loses nothing. "
            "Download your record first if you want to keep it."
        )
        st.button("Clear this browser", on_click=browser_store.clear)
    browser_store.sync()


def _openable(asked: Selection) -> tuple[Selection, list[str]]:
    """The selection with mini in place of a model that cannot be opened, and the reason."""
    try:
        get_model(asked.model)
    except HeadlabError as error:
        if asked.model == "mini":
            raise
        asked = replace(asked, model="mini")
        state.choose(asked)
        return asked, [f"{error} Meanwhile mini is shown."]
    return asked, []


def _name_model(selection: Selection) -> None:
    model = model_of(selection)
    entry = CATALOGUE.get(selection.model)
    start = "none" if model.start_token is None else model.tokenizer.decode([model.start_token])
    st.markdown(f"**Model:** {entry.title if entry else model.name}")
    about = f"{entry.summary} " if entry else ""
    warning = " It is not GPT-2." if selection.model == "mini" else ""
    st.caption(f"{about}{model.n_layers} layers of {model.n_heads} heads.{warning}")
    policy = f"`{start}` before every text" if selection.start_token else "none"
    st.caption(f"Start token: {policy}. Runs on {model.device.type}.")
