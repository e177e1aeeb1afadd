"""The model that the open one is compared with: one of this machine, or a profile handed in.

A second model is opened only to measure what is not yet known of it. What was measured is kept: the
profile on disk under the model's content, figures of a text in the result cache.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from headlab.errors import HeadlabError
from headlab.measuring.pictures import Pictures
from headlab.measuring.reading import Reading
from headlab.models.loading import choose_folder
from headlab.profiles.compare import ProfileComparison, compare_profiles
from headlab.profiles.compare_text import TextComparison, Words, compare_words, on_words
from headlab.profiles.profile import Profile
from headlab.ui.services import state
from headlab.ui.services.results import (
    ChosenText,
    get_pictures,
    get_profile,
    get_reading,
    get_whole_reading,
)
from headlab.ui.services.selection import UPLOADED, Selection
from headlab.ui.services.sharing import get_model, model_of, result_cache, shared, stamp

MAX_TOKENS = 160  # of a text whose patterns are held for two models
_HANDED_IN = "profile handed in"


def hand_in(source: bytes) -> Profile:
    """Check a profile and hold it for this session only, its name without what could be markup."""
    profile = Profile.from_json(source)
    name = re.sub(r"[^\w .,()/+=-]", "", profile.model_name)[:80].strip()
    profile = replace(profile, model_name=name or "unnamed")
    st.session_state[_HANDED_IN] = profile
    return profile


def has_second(selection: Selection) -> bool:
    """Whether there is a second model to compare with, without measuring it."""
    if selection.second == UPLOADED:
        return _HANDED_IN in st.session_state
    return selection.second is not None


def second_profile(selection: Selection) -> Profile:
    """The profile of the second model; an error that says what to do where there is none."""
    if selection.second == UPLOADED:
        if _HANDED_IN not in st.session_state:
            raise HeadlabError(
                "The second model is a profile that was handed in, and this session does not have "
                "it (any more): hand it in again, or choose another model on the Compare page."
            )
        return st.session_state[_HANDED_IN]
    if selection.second is None:
        raise HeadlabError("There is no second model: choose one on the Compare page.")
    room = _room(selection.second, stamp(selection.second), selection.start_token)
    if not room:
        room.append(get_profile(replace(selection, model=selection.second)))
    return room[0]


@st.cache_resource(max_entries=8, show_spinner=False)
def _room(name: str, written: int, start_token: bool) -> list[Profile]:
    """Room for a second model's profile, shared by all learners, so that it need not be opened."""
    return []


@st.cache_resource(max_entries=8, show_spinner=False)
def _compared(
    first_id: int, second_id: int, _first: Profile, _second: Profile
) -> ProfileComparison:
    return compare_profiles(_first, _second)  # holds both, so no other profile gets their ids


def get_comparison(selection: Selection) -> ProfileComparison:
    """The open model's profile beside the second one's."""
    first, second = get_profile(selection), second_profile(selection)
    return _compared(id(first), id(second), first, second)


def open_folder(name: str) -> None:
    """Compare with a model's folder or a hub name that someone on this machine has typed."""
    get_model(name)
    choose_folder(name)
    state.change(second=name)


@dataclass(frozen=True)
class Drawn:
    """What the grid draws of a text."""

    reading: Reading
    pictures: Pictures


def drawn(there: Selection, chosen: ChosenText) -> Drawn:
    """Scores and pictures of a text by a model of this machine, which need not stay open."""
    key = ("drawn", *_read_by(there), chosen)
    found = result_cache().find(key)
    if found is None:
        reading = get_reading(there, chosen)
        light = replace(reading, layers=(), patterns=np.empty((0, 0, 0, 0)), values=None)
        found = Drawn(light, get_pictures(there, chosen))
        result_cache().put(key, found)
    return found


def _read_by(there: Selection) -> tuple[Hashable, ...]:
    """What tells a model that need not be open, and how it reads a text."""
    return (there.model, stamp(there.model), there.start_token, there.reads)


def _words(there: Selection, chosen: ChosenText) -> Words:
    key = ("words", *_read_by(there), chosen)
    found = result_cache().find(key)
    if found is not None:
        return found
    model = model_of(there)
    n = len(get_reading(there, chosen).tokens)
    if n > MAX_TOKENS:
        raise HeadlabError(
            f"The text is {n} tokens long, and two models are compared on at most "
            f"{MAX_TOKENS}: choose a shorter one."
        )
    reading = get_whole_reading(there, chosen)
    return shared(key, lambda: on_words(reading, model))


def get_text_comparison(selection: Selection, chosen: ChosenText) -> TextComparison:
    """One text on the open and on the second model."""
    assert selection.second is not None
    sides = (selection.model, selection.second)
    return compare_words(*(_words(replace(selection, model=name), chosen) for name in sides))
