"""Choosing the second model of a comparison: one of this machine, a folder, or a profile."""

from pathlib import Path

import streamlit as st

from headlab.models.catalogue import CATALOGUE, is_public, offered
from headlab.models.hub import find_model
from headlab.profiles.profile import Profile
from headlab.ui.services import state
from headlab.ui.services.second import (
    hand_in,
    open_folder,
)
from headlab.ui.services.selection import UPLOADED, Selection
from headlab.ui.services.start_page import guarded
from headlab.ui.views.words import plain


def choose_second(selection: Selection) -> None:
    """The second model: one that is on this machine, a folder, or a profile from elsewhere."""
    names = others_here(selection)
    if selection.second not in (None, UPLOADED, *names):
        names.append(str(selection.second))
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.selectbox(
        f"Compare {selection.model} with",
        [*names, UPLOADED],
        index=None,
        placeholder="choose a model",
        format_func=lambda name: "a profile from a file" if name == UPLOADED else model_title(name),
        **state.bound("second", selection.second),
    )
    with right:
        st.toggle(
            "Start token",
            help="Both models are measured with their start token, or both without.",
            **state.bound("start_token", selection.start_token),
        )
    if selection.second == UPLOADED:
        upload()
    if not is_public():
        another()


def others_here(selection: Selection) -> list[str]:
    """The models on offer that are on this machine, without the open one."""
    here = [name for name in offered() if CATALOGUE[name].folder or find_model(name)]
    return [name for name in here if name != selection.model]


def model_title(name: str) -> str:
    """A model's name for people."""
    return CATALOGUE[name].title if name in CATALOGUE else Path(name).name


def upload() -> None:
    """Hand in a profile that was made elsewhere; it is checked, and only this session has it."""
    file = st.file_uploader("A profile (JSON)", type="json", key="second profile")
    st.markdown(
        "Made with `python -m headlab profile --model NAME --out FILE.json`, or downloaded on the "
        "Rankings page. So a model too large for this machine can be compared here."
    )
    if file is not None and st.session_state.get("second profile read") != file.file_id:
        with guarded():
            profile = hand_in(file.getvalue())
            st.session_state["second profile read"] = file.file_id
            st.success(f"{facts(profile)}.")


def another() -> None:
    """A model's folder, such as one that was fine-tuned here."""
    with st.popover("A folder of yours", icon=":material/folder_open:"):
        name = st.text_input(
            "Folder of a model on this machine",
            placeholder="/home/me/mini-recipes",
            help="As transformers or scripts/finetune_mini.py writes it.",
            key="second folder",
        ).strip()
        if st.button("Compare with it", disabled=not name):
            with guarded():
                open_folder(name)
                st.rerun()


def facts(profile: Profile) -> str:
    """A model with its shape and start-token policy; names from files are no markup."""
    start = "none" if profile.start_text is None else profile.start_text
    name = plain(profile.model_name)
    return (
        f"{name}, {profile.n_layers} layers of {profile.n_heads} heads, start token {plain(start)}"
    )
