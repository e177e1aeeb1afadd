"""A model over its training: when which kind of head appeared."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import streamlit as st

from headlab.figures import NO_TOOLBAR, history_figure, history_labels_figure
from headlab.measuring.confidence import label_title
from headlab.profiles.history import History, read_history
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import get_profile
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of
from headlab.ui.services.start_page import guarded
from headlab.ui.views.sweep import choose_sweep, sweep
from headlab.ui.views.words import plain


def training(selection: Selection) -> None:
    """A sweep of the learner's, or the open model's training: what each checkpoint could do."""
    cells = choose_sweep()
    if cells is not None:
        with guarded():
            sweep(cells)
        return
    model = model_of(selection)
    history = read_history(model.folder)
    if history is None:
        st.info(
            f"No history of {model.name}'s training is known. mini ships with its own; for a model "
            "that you train, measure its checkpoints with `python -m headlab sweep` and open that "
            "folder here."
        )
        page_link("Compare", label="Show mini's training", model="mini", head=None, layer=0)
        return
    profile = get_profile(replace(selection, start_token=True))  # as checkpoints are measured
    st.markdown(
        "At every **checkpoint** of its training the model was measured like any other. A line is "
        "the best score of any head; a ring marks the first checkpoint at which a head passes the "
        "behaviour's threshold."
    )
    appeared = history.appearances(profile)
    st.plotly_chart(
        history_figure(history, appeared, profile),
        config=NO_TOOLBAR,
        key="history",
        alt="Best score of each behaviour over training",
    )
    order(appeared)
    st.plotly_chart(
        history_labels_figure(history, profile),
        config=NO_TOOLBAR,
        key="history labels",
        alt="Heads of each label over training",
    )
    if history.note:
        st.caption(plain(history.note))
    st.dataframe(
        history_table(history),
        hide_index=True,
        alt="Best score of each behaviour and heads of each label at every checkpoint",
    )


def order(appeared: Mapping[str, int | None]) -> None:
    """What appeared before what."""
    st.subheader("What came first")
    came = {name: step for name, step in appeared.items() if step is not None}
    st.markdown(
        "\n".join(f"1. **{label_title(name)}**: step {step:,}" for name, step in came.items())
    )
    never = [label_title(name).lower() for name, step in appeared.items() if step is None]
    if never:
        st.markdown(f"Never past its threshold: {', '.join(never)}.")
    st.markdown(before_induction(came))
    st.caption(
        "Steps are those at which a checkpoint was kept: what happened between two of them is "
        "counted for the later one. The order shows what came first, not what caused what."
    )


def before_induction(came: Mapping[str, int]) -> str:
    """Whether previous-token heads came before induction heads."""
    one, two = came.get("previous_token"), came.get("induction")
    if one is None or two is None:
        return "Previous-token and induction heads did not both appear."
    if one == two:
        return f"Previous-token and induction heads appeared by the same checkpoint, step {one:,}."
    earlier = "before" if one < two else "after"
    return (
        f"The first previous-token head appeared **{earlier}** the first induction head: at step "
        f"{one:,} against {two:,}."
    )


def history_table(history: History) -> pd.DataFrame:
    """One row for each checkpoint."""
    best = {f"best {label_title(name).lower()}": values for name, values in history.best.items()}
    counts = {
        f"heads: {label_title(name).lower()}": values
        for name, values in history.labels.items()
        if values.any()
    }
    return pd.DataFrame({"step": history.steps, **best, **counts})
