"""The heads of one layer at once: pick a text, slide through the layers, lock a head."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.guided import guided_texts
from headlab.heads import Head
from headlab.profile import Profile
from headlab.reading import Reading
from headlab.ui import state
from headlab.ui.cache import get_model, get_profile, get_reading, ready_profile
from headlab.ui.head_grid import GridView, head_grid
from headlab.ui.start_page import guarded, start_page
from headlab.ui.state import Selection

OWN = "own"


def choose_text(selection: Selection) -> tuple[Selection, str, tuple[tuple[str, str], ...]]:
    """The controls above the grid; gives the selection, the text and its facts."""
    texts = guided_texts()
    names = [*texts, OWN]
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = left.selectbox(
        "Text",
        names,
        index=names.index(selection.text_name or OWN),
        format_func=lambda name: "Your own text" if name == OWN else texts[name].title,
        key="text_name",
    )
    start_token = right.toggle(
        "Start token",
        value=selection.start_token,
        help="A token put before every text. Many heads rest on it, so pictures differ without it.",
        key="start_token",
    )
    name = None if chosen == OWN else chosen
    selection = replace(selection, text_name=name, start_token=start_token)
    if name is not None:
        guided = texts[name]
        st.markdown(f"**Where to look:** {guided.look}")
        return selection, guided.text, guided.facts
    text = st.text_area(
        "Your own text",
        value=state.own_text(),
        placeholder="Write a sentence or two.",
        key="own_text_box",
    )
    state.keep_own_text(text)
    return selection, text, ()


def passport(reading: Reading, profile: Profile, head: Head) -> None:
    """What one head does: label, confidence, and every behaviour in general and on this text."""
    st.subheader(f"{head}: {profile.label_text(*head)}")
    st.markdown(
        f"Label {profile.confidence_text(*head)} variants · margin "
        f"{profile.margin[head]:.2f} · on this text: {reading.hints[head.layer][head.head]}"
    )
    roles = [get_behaviour(name).title.lower() for name in profile.roles(*head)]
    st.markdown(f"Roles it shows: {', '.join(roles) if roles else 'none of those we know'}.")
    rows = [
        {
            "behaviour": get_behaviour(name).title,
            "score": profile.score[name][head],
            "interval": interval(profile, name, head),
            "chance": profile.chance[name][head],
            "confidence": profile.role_confidence[name][head],
            "score here": reading.scores[name][head] if name in reading.scores else np.nan,
            "on this text": on_this_text(reading, name, head),
        }
        for name in profile.behaviours
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "score": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f"),
            "chance": st.column_config.NumberColumn(format="%.3f"),
            "confidence": st.column_config.NumberColumn(format="percent"),
            "score here": st.column_config.NumberColumn(format="%.3f"),
            "on this text": st.column_config.TextColumn(width="large"),
        },
    )
    st.caption(
        "**Score**: mean share of attention on the places that the behaviour asks for, over our "
        "probe texts, 0 to 1. **Interval**: where the score lies in 95 % of 1,000 redraws of those "
        "texts. **Chance**: what even attention would score. **Confidence**: the share of redraws "
        "in which the head passes the behaviour's threshold. *None* cannot be measured. A label is "
        "stable if the redraws keep it, and holds in those of four variants that keep it: start "
        "token toggled, other sentences, short texts, long texts."
    )


def interval(profile: Profile, name: str, head: Head) -> str:
    """The 95 % interval of a score; empty where it cannot be measured."""
    low, high = profile.low[name][head], profile.high[name][head]
    return "" if np.isnan(low) else f"{low:.3f} to {high:.3f}"


def on_this_text(reading: Reading, name: str, head: Head) -> str:
    """Whether a behaviour is awake here, with what is missing where it cannot be."""
    if name not in reading.scores:
        return f"not seen on one text: it needs {get_behaviour(name).asks}"
    status = str(reading.status[name][head])
    if reading.rows[name] == 0:
        return f"{status}: it needs {get_behaviour(name).asks}"
    return status


@st.fragment
def grid_and_passport(selection: Selection, reading: Reading) -> None:
    """The grid, and below it the passport of the locked head; only this reruns on a choice."""
    with guarded():
        profile = ready_profile(selection)
        asked, _ = state.current()
        model = get_model(selection.model)
        asked, _ = state.fit(asked, model.n_layers, model.n_heads)
        view = head_grid(reading, GridView(asked.layer, asked.head), profile)
        state.choose(replace(selection, layer=view.layer, head=view.head))
        if profile is None:  # the pictures come first; labels follow once they are measured
            get_profile(selection)
            st.rerun()
        elif view.head is None:
            st.info("Click a head, or press Enter on it, to see what it does.")
        else:
            passport(reading, profile, Head(view.layer, view.head))


with start_page("Layers") as selection:
    st.title("Twelve heads at once" if get_model(selection.model).n_heads == 12 else "Layers")
    st.markdown(
        "Each picture is one attention head reading the same text. A row is a **query**, the token "
        "that looks; a column is a **key**, the token looked at. Bright means much attention. The "
        "line under a picture names its shape on this text: it describes the picture and is not a "
        "category. The line below that is the head's label in general, from many probe texts."
    )
    selection, text, facts = choose_text(selection)
    state.choose(selection)
    if text or selection.text_name is not None:
        grid_and_passport(selection, get_reading(selection, text, facts))
    else:
        st.info("Write a sentence of your own above, then press Ctrl+Enter.")
