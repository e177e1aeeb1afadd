"""Two models head by head: which changed, and which labels became which."""

import streamlit as st

from headlab.figures import (
    NO_TOOLBAR,
    compared_map_figure,
    flow_figure,
)
from headlab.heads import Head
from headlab.measuring.confidence import label_title
from headlab.measuring.scoring import MIN_CHANGE
from headlab.profiles.compare import ProfileComparison
from headlab.ui.services import state
from headlab.ui.services.selection import Selection

MAX_ROWS = 200


def verdicts(comparison: ProfileComparison) -> None:
    """How many heads changed, by behaviour, and what that means."""
    st.header("Which heads changed")
    st.markdown(
        "The **change** of a score is the second model's minus the first one's, on the same probe "
        "texts. Its **interval** comes from drawing these texts anew 1,000 times, the same draws "
        "for both models. A head counts as **up** or **down** only where the whole interval lies "
        f"more than {MIN_CHANGE:g} away from no change, as **same** where all of it lies within "
        f"{MIN_CHANGE:g}; for the rest the probes cannot tell."
    )
    counts = comparison.verdict_counts()
    counts["behaviour"] = [label_title(name) for name in counts["behaviour"]]
    st.dataframe(counts, hide_index=True, alt="Heads that changed, stayed or cannot be told")
    for name, change in comparison.changes.items():
        if change.why:
            st.info(f"{label_title(name)}: the change has no interval, for {change.why}.")


def maps(selection: Selection, comparison: ProfileComparison, behaviour: str) -> None:
    """Every head in both models, and the change."""
    sides = ("before", "after", "change") if comparison.changes else ("before", "after")
    chosen = None
    if comparison.changes and selection.head is not None:
        chosen = Head(selection.layer, selection.head)
    for column, side in zip(st.columns(len(sides)), sides, strict=True):
        column.plotly_chart(
            compared_map_figure(
                comparison, behaviour, side, chosen if comparison.changes else None
            ),
            config=NO_TOOLBAR,
            key=f"map {side}",
            alt=f"{label_title(behaviour)} of every head, {side}",
        )
    if comparison.changes:
        st.caption(
            "Each map tells on hover what the others hold for the same head. Rings: heads that "
            "surely went up or down. The orange frame is the head chosen in the table below."
        )


def changed_heads(comparison: ProfileComparison, behaviour: str) -> None:
    """The heads that surely changed in a behaviour, the surest first; a row frames its head."""
    table = comparison.ranking(behaviour).head(MAX_ROWS)
    if table.empty:
        st.info(f"No head surely changed in {label_title(behaviour).lower()}.")
        return
    st.markdown("Sorted by the least change that the interval allows. Choose a row to find it.")
    event = st.dataframe(
        table[["name", "before", "after", "change", "low", "high", "verdict"]],
        hide_index=True,
        key="changed heads",
        on_select="rerun",
        selection_mode="single-row",
        alt="Heads whose score surely changed, with the interval of the change",
        column_config={
            name: st.column_config.NumberColumn(format="%.3f")
            for name in ("before", "after", "change", "low", "high")
        },
    )
    rows, seen = list(event.selection.rows), "changed heads seen"
    if rows and st.session_state.get(seen) != (behaviour, rows):  # a new choice, not an old one
        st.session_state[seen] = (behaviour, rows)
        head = Head.parse(table["name"].iloc[rows[0]])
        state.change(layer=head.layer, head=head.head)
        st.rerun()


def labels(comparison: ProfileComparison) -> None:
    """Which labels became which, and the heads behind it with both confidences."""
    st.header("Labels before and after")
    st.plotly_chart(
        flow_figure(comparison),
        config=NO_TOOLBAR,
        key="flow",
        alt="How many heads went from which label to which",
    )
    table = comparison.relabelled()
    if table.empty:
        st.markdown("**No head changed its label.**")
        return
    heads = comparison.before.label.size
    st.markdown(
        f"**{len(table)} of {heads} heads changed their label.** Confidence says how often a label "
        "holds up when the probe texts are drawn anew and varied; the changes that hold up best on "
        "both sides come first."
    )
    share = st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")
    st.dataframe(
        table.rename(columns=lambda name: name.replace("_", " ")),
        hide_index=True,
        alt="Heads whose label changed, with the confidence of both labels",
        column_config={"confidence before": share, "confidence after": share},
    )
