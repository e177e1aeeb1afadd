"""A sweep of one's own: when each kind of head appears in it, every point a door to its profile."""

import json
from pathlib import Path

import pandas as pd
import streamlit as st

from headlab.figures import NO_TOOLBAR, sweep_figure
from headlab.measuring.confidence import label_title
from headlab.models.catalogue import is_public
from headlab.sweeps import Cell, Cells, read_cells
from headlab.sweeps.cells import onsets
from headlab.ui.services import state
from headlab.ui.services.second import hand_in
from headlab.ui.services.selection import UPLOADED
from headlab.ui.services.start_page import guarded
from headlab.ui.views.words import plain

FOLDER = "sweep that is shown"
SHOWN = 6  # panels at first
COLUMNS = {"best score": "score", "heads that pass": "passing", "depth of those": "passing_depth"}


def choose_sweep() -> Cells | None:
    """The sweep whose folder this session has named; None for none, and on a server for all."""
    if is_public():
        return None
    with st.popover("A sweep of yours", icon=":material/folder_open:"):
        name = st.text_input(
            "Folder of a sweep on this machine",
            placeholder="/home/me/sweep",
            help="As `python -m headlab sweep` writes it: many models or checkpoints.",
            key="sweep folder",
        ).strip()
        if st.button("Show it", disabled=not name):
            with guarded():
                st.session_state[FOLDER] = read_cells(Path(name.strip("\"'")).expanduser())
        if FOLDER in st.session_state and st.button("Show it no longer", type="tertiary"):
            del st.session_state[FOLDER]
    return st.session_state.get(FOLDER)


@st.cache_data(max_entries=2, show_spinner="Reading the sweep …")
def _best(folder: str, keys: tuple[str, ...]) -> pd.DataFrame:
    return read_cells(folder).best()


def sweep(cells: Cells) -> None:
    """Small multiples over all steps, what appeared when, and the way to each profile."""
    done = cells.done
    best = _best(str(cells.folder), tuple(cell.key for cell in done))
    found = onsets(best)
    st.markdown(
        f"**{len(done)} of {len(cells.plan.cells)}** cells of this sweep are measured. A panel "
        "shows one behaviour over the steps of every model; press a point to open its profile."
    )
    known = list(best["behaviour"].unique())
    appeared = [name for name in known if name in set(found["behaviour"])] or known
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    chosen = left.multiselect(
        "Behaviours", known, default=appeared[:SHOWN], format_func=label_title, key="sweep kinds"
    )
    column = right.segmented_control(
        "What is drawn", list(COLUMNS), default="best score", required=True, wrap=True
    )
    if chosen:
        pressed = st.plotly_chart(
            sweep_figure(best, chosen, COLUMNS[column]),
            key="sweep figure",
            on_select="rerun",
            selection_mode="points",
            config=NO_TOOLBAR,
            alt=f"{column} of {len(chosen)} behaviours over the steps of the sweep",
        )
        if points := pressed.selection.points:
            model, revision, *_ = points[0]["customdata"]
            door(cells, str(model), str(revision))
    st.subheader("When each kind appears", anchor=False)
    st.caption(
        "The first revision at which the best head's interval lies above that of the earliest one. "
        "Confirmed: so does its interval on prompts that did not choose the head. Depth: 0 is the "
        "first layer, 1 the last."
    )
    st.dataframe(
        found.assign(behaviour=[label_title(name) for name in found["behaviour"]]).round(2),
        hide_index=True,
        alt="When each kind of head appears",
    )
    for name, sentence in cells.failed.items():
        st.caption(f"Not measured: {plain(name)}. {plain(sentence)}")


def door(cells: Cells, model: str, revision: str) -> None:
    """The way from a point to the profile that it comes from."""
    cell = next(c for c in cells.done if (c.model, c.revision) == (model, revision))
    profile = cells.profile(cell)
    st.markdown(f"**{plain(str(cell))}**: {plain(profile.labels_text)}.")
    st.button(
        "Compare it with the open model",
        icon=":material/compare_arrows:",
        on_click=_compare,
        args=(cells, cell),
    )


def _compare(cells: Cells, cell: Cell) -> None:
    with guarded():
        profile = cells.profile(cell)
        hand_in(json.dumps(profile.to_dict()).encode())
        state.change(second=UPLOADED, training=False)
