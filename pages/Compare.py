"""Two models side by side, by heads where that means something and by roles; and a training."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st

from headlab.figures import (
    NO_TOOLBAR,
    compared_map_figure,
    depth_figure,
    flow_figure,
    label_shares_figure,
    model_policy,
    pair_policy,
    pattern_figure,
    similarity_map_figure,
)
from headlab.heads import Head
from headlab.measuring.confidence import label_title
from headlab.models.catalogue import CATALOGUE, is_public, offered
from headlab.models.hub import find_model
from headlab.profiles.compare import MIN_CHANGE, ProfileComparison, TextComparison
from headlab.profiles.profile import Profile
from headlab.ui.components.head_grid import GridView, head_grid
from headlab.ui.services import state
from headlab.ui.services.results import ChosenText
from headlab.ui.services.second import (
    drawn,
    get_comparison,
    get_text_comparison,
    hand_in,
    has_second,
    open_folder,
)
from headlab.ui.services.start_page import guarded, start_page
from headlab.ui.services.state import UPLOADED, Selection
from headlab.ui.views.text_choice import choose_text
from headlab.ui.views.training import training
from headlab.ui.views.words import plain

USUAL = "induction"
MODELS, TRAINING = "Two models", "Training"
MAX_ROWS = 200


# -- which second model


def choose_second(selection: Selection) -> None:
    """The second model: one that is on this machine, a folder, or a profile from elsewhere."""
    here = [name for name in offered() if CATALOGUE[name].folder or find_model(name)]
    names = [name for name in here if name != selection.model]
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


# -- head by head


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


# -- role by role


def roles(comparison: ProfileComparison, behaviour: str) -> None:
    """Shares of labels, depth curves, and the strongest heads beside each other."""
    st.header("Roles")
    st.markdown(
        "Models of different sizes share no head numbers, but they can share roles. A **share** is "
        "the number of heads divided by all heads of the model. **Relative depth** puts the first "
        "layer at 0 and the last at 1."
    )
    left, right = st.columns(2)
    left.plotly_chart(
        label_shares_figure(comparison),
        config=NO_TOOLBAR,
        key="shares",
        alt="Share of heads that carry each label in both models",
    )
    right.plotly_chart(
        depth_figure(comparison, behaviour),
        config=NO_TOOLBAR,
        key="depth",
        alt=f"Share of heads past the threshold of {label_title(behaviour)} over relative depth",
    )
    st.subheader("The strongest heads of each behaviour")
    table = comparison.matched_roles()
    st.markdown(
        "The first of one model stands beside the first of the other. A head that does not pass "
        "from where a behaviour counts as shown is marked “no”: being first among weak heads is no "
        "role."
    )
    st.dataframe(
        pd.DataFrame(
            {"behaviour": [label_title(name) for name in table["behaviour"]], "rank": table["rank"]}
            | {
                f"{name}: {words}": table[f"{key}_{side}"].map(show)
                for side, name in zip(("before", "after"), comparison.names, strict=True)
                for key, words, show in (
                    ("head", "head", str),
                    ("score", "score", "{:.3f}".format),
                    ("depth", "depth", "{:.0%}".format),
                    ("shows", "shows it", lambda shows: "yes" if shows else "no"),
                    ("confidence", "confidence", "{:.0%}".format),
                )
            }
        ),
        hide_index=True,
        alt="The strongest heads of each behaviour in both models",
    )


# -- one text on both


def on_a_text(selection: Selection, comparison: ProfileComparison, behaviour: str) -> None:
    """Pictures of both models on one text."""
    st.header("On one text")
    if selection.second == UPLOADED:
        st.info("A profile holds no pictures: for those both models must be on this machine.")
        return
    chosen = choose_text(selection, lens=False, start_token=False)
    if chosen is None:
        return
    with guarded():
        both = get_text_comparison(selection, chosen.text)
        if comparison.changes:
            alike(comparison, both)
            grids(replace(selection, lens=False), comparison, chosen)
        else:
            strongest(comparison, both, behaviour)


def alike(comparison: ProfileComparison, both: TextComparison) -> None:
    """How far the pictures of every head have changed on this text."""
    st.plotly_chart(
        similarity_map_figure(
            both.similarity(), "How alike the pictures are", pair_policy(comparison)
        ),
        config=NO_TOOLBAR,
        key="alike",
        alt="Similarity of the pictures of every head in both models",
    )
    st.caption(
        "1: the same picture; 0: no attention in common. It is one minus the share of a row's "
        "attention that has moved elsewhere, mean of all rows but the first."
    )


def strongest(comparison: ProfileComparison, both: TextComparison, behaviour: str) -> None:
    """The strongest head of each model, side by side."""
    st.markdown(both.sentence)
    sides = (("before", comparison.before, both.before), ("after", comparison.after, both.after))
    for column, (side, profile, patterns) in zip(st.columns(2), sides, strict=True):
        head = Head.parse(profile.ranking(behaviour, top=1)["name"][0])
        column.plotly_chart(
            pattern_figure(
                patterns[head],
                both.names,
                f"{head}: first in {label_title(behaviour).lower()}",
                model_policy(profile),
            ),
            key=f"strongest {side}",
            alt=f"Attention of {head} of {profile.model_name}",
        )


@st.fragment
def grids(selection: Selection, comparison: ProfileComparison, chosen: ChosenText) -> None:
    """The layer grids of both models; hovering and choosing in one is followed by the other."""
    with guarded():
        st.subheader("Layer by layer")
        st.markdown("What you hover over or choose in one grid is shown in the other too.")
        asked, _ = state.current()
        asked, _ = state.fit(asked, comparison.before.n_layers, comparison.before.n_heads)
        view = GridView(asked.layer, asked.head)
        first = drawn(selection.model, selection.start_token, chosen)
        second = drawn(str(selection.second), selection.start_token, chosen)
        sides = (
            ("before", comparison.before, first),
            ("after", comparison.after, second),
        )
        for column, (side, profile, here) in zip(st.columns(2), sides, strict=True):
            with column:
                st.markdown(f"**{profile.model_name}** ({side})")
                head_grid(
                    here.reading, here.pictures, view, profile, key=f"grid {side}", link="compare"
                )


# -- the page


def downloads(comparison: ProfileComparison) -> None:
    """The comparison as JSON, and the changes as tidy CSV."""
    names = f"{comparison.before.model_name}-{comparison.after.model_name}"
    with st.container(horizontal=True):
        if comparison.changes:
            st.download_button(
                "Download all changes (CSV)",
                lambda: comparison.table().to_csv(index=False),
                f"{names}-changes.csv",
                "text/csv",
            )
        st.download_button(
            "Download the comparison (JSON)",
            lambda: json.dumps(comparison.to_dict(), allow_nan=False),
            f"{names}.json",
            "application/json",
        )


def choose_behaviour(selection: Selection, names: Sequence[str]) -> str:
    """The behaviour that maps, curves and pictures are about."""
    wanted = (selection.behaviour, USUAL, *names)
    behaviour = next(name for name in wanted if name in names)
    assert behaviour is not None
    st.selectbox("Behaviour", names, format_func=label_title, **state.bound("behaviour", behaviour))
    return behaviour


def compare(selection: Selection) -> None:
    """The open model beside the second one."""
    choose_second(selection)
    if not has_second(selection):
        st.info("Choose a second model, or hand in a profile, and both are put side by side.")
        return
    comparison = get_comparison(selection)
    one, two = comparison.before, comparison.after
    first, second = ("Before", "After") if comparison.changes else ("First", "Second")
    st.markdown(f"**{first}:** {facts(one)}  \n**{second}:** {facts(two)}")
    if one.content_hash == two.content_hash:
        st.info("Both profiles are of the same weights.")
    for caution in comparison.cautions:
        st.warning(plain(caution))
    reasons = [reason for reason in comparison.by_role if reason not in comparison.cautions]
    for reason in reasons:
        st.info(plain(reason))
    if comparison.by_role:
        st.markdown("So heads are not compared one by one. What can be compared are **roles**.")
    for sentence in comparison.left_out:
        st.caption(plain(sentence))
    if comparison.changes:
        verdicts(comparison)
    behaviour = choose_behaviour(selection, comparison.behaviours)
    maps(selection, comparison, behaviour)
    if comparison.changes:
        changed_heads(comparison, behaviour)
        labels(comparison)
    roles(comparison, behaviour)
    on_a_text(selection, comparison, behaviour)
    downloads(comparison)


def facts(profile: Profile) -> str:
    """A model with its shape and start-token policy; names from files are no markup."""
    start = "none" if profile.start_text is None else profile.start_text
    name = plain(profile.model_name)
    return (
        f"{name}, {profile.n_layers} layers of {profile.n_heads} heads, start token {plain(start)}"
    )


with start_page("Compare") as selection:
    st.title("Compare")
    st.markdown(
        "What does fine-tuning do to the heads of a model? Has a larger model more of a kind? Head "
        "5 of one model is not head 5 of another, so heads are compared by number only where one "
        "model grew out of the other; otherwise by what they do."
    )
    st.radio(
        "View",
        [MODELS, TRAINING],
        horizontal=True,
        **state.bound(
            "view",
            TRAINING if selection.training else MODELS,
            lambda view: {"training": view == TRAINING},
        ),
    )
    if selection.training:
        training(selection)
    else:
        compare(selection)
