"""Which heads do what: one behaviour over all heads of a model."""

import json

import numpy as np
import pandas as pd
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.figures import (
    NO_TOOLBAR,
    behaviour_map_figure,
    label_counts_figure,
    ranking_figure,
    role_counts_figure,
    scatter_figure,
)
from headlab.files import CSV_NOTE, to_csv
from headlab.heads import Head
from headlab.profiles.looks import look_names
from headlab.profiles.profile import Profile
from headlab.ui.services import state
from headlab.ui.services.navigation import open_page, page_link
from headlab.ui.services.selection import Selection

USUAL = "induction"
STRONGEST = 15
NEAREST = 5  # heads shown where none passes


def title(name: str) -> str:
    """A behaviour's name for people."""
    return get_behaviour(name).title


def ranked_table(profile: Profile, table: pd.DataFrame) -> pd.DataFrame:
    """A ranking as it is shown, with each head's label and all its roles."""
    heads = [Head.parse(name) for name in table["name"]]
    return pd.DataFrame(
        {
            "head": table["name"],
            "label": [profile.label_text(*head) for head in heads],
            "roles": [
                [get_behaviour(name).title for name in profile.roles(*head)] for head in heads
            ],
            "score": table["score"],
            "low": table["low"],
            "high": table["high"],
            "chance": table["chance"],
            "confidence": table["role_confidence"],
        }
    )


def describe(profile: Profile, behaviour: str) -> None:
    """What the behaviour is, and from where on a head counts as showing it."""
    about = get_behaviour(behaviour)
    raw = about.scale == "raw"
    scale = "a score" if raw else "an excess, (score − chance) / (1 − chance),"
    st.markdown(
        f"**{about.title}.** {about.summary} A head counts from {scale} of "
        f"{about.threshold:g} on. {about.reason}"
    )
    prompts, rows = profile.n_prompts[behaviour], profile.n_rows[behaviour]
    st.caption(
        f"Measured on {prompts} probe texts, {rows:,} query tokens. **Interval**, from low to "
        "high: where the score lies in 95 % of 1,000 redraws of these texts. **Confidence**: the "
        "share of redraws in which the head passes the threshold."
    )


def top_heads(profile: Profile, behaviour: str) -> None:
    """The heads past the threshold, at most eight and from several layers where possible."""
    found = profile.top_heads[behaviour]
    if not found:
        st.markdown("**No head passes the threshold.**")
        return
    st.markdown("**Heads that show it best**, at most eight, from several layers where possible:")
    with st.container(horizontal=True):
        for top in found:
            head = Head.parse(top["head"])
            label = f"{head} ({top['score']:.2f})"
            page_link("Head", label=label, layer=head.layer, head=head.head, behaviour=behaviour)


def evidence(profile: Profile) -> None:
    """What retrieval is held against besides its score."""
    ranked = profile.ranking("retrieval", top=1)
    if ranked.empty or not profile.evidence:
        return
    best = Head.parse(ranked["name"][0])
    rate = profile.evidence["copy_paste_rate"][best]
    copied = (
        "It answers none correctly, so how often a head looks at the answer that the model then "
        "says (*copy-paste rate*) cannot be measured."
        if np.isnan(rate)
        else f"In {rate:.0%} of the correct answers the token it looks at most is the one the "
        "model then says (*copy-paste rate*)."
    )
    st.markdown(
        f"**Beside the score.** The model answers {profile.evidence['answered_correctly']:.0%} of "
        f"the fact prompts correctly. {best}, the strongest head here, gives the right attribute "
        f"{profile.evidence['selectivity'][best]:.0%} of its attention on all attributes "
        f"(*selectivity*). {copied}"
    )


def false_positives(profile: Profile) -> None:
    """How many specific labels heads without any training get."""
    if not profile.controls:
        return
    found = sum(profile.false_positives.values())
    heads = profile.controls * profile.n_layers * profile.n_heads
    st.markdown(
        f"**Could this be luck?** We measured {profile.controls} models of the same shape with "
        f"random weights: of their {heads} heads, {found} got a label other than first token, "
        "diffuse or unclassified."
    )


def past_threshold(profile: Profile, behaviour: str, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a ranking whose heads pass the behaviour's threshold."""
    value = profile.value(behaviour)[table["layer"], table["head"]]
    return table[value >= get_behaviour(behaviour).threshold]


def ranking(selection: Selection, profile: Profile, behaviour: str) -> None:
    """The filters, the strongest heads as bars, and the table; a row opens its head."""
    left, right = st.columns(2)
    left.multiselect(
        "Only these layers",
        range(profile.n_layers),
        select_all=False,
        placeholder="all layers",
        **state.bound("only", list(selection.only), lambda layers: {"only": tuple(sorted(layers))}),
    )
    right.slider("Lowest score", 0.0, 1.0, step=0.05, **state.bound("least", selection.least))
    found = profile.ranking(
        behaviour, layers=selection.only or None, minimum=selection.least or None
    )
    if found.empty:
        st.info("No head is left: choose more layers or a lower score.")
        return
    passing = past_threshold(profile, behaviour, found)
    if passing.empty:
        found = found.head(NEAREST)
        st.markdown(f"No head here passes the threshold. The {len(found)} that come nearest:")
    elif not st.toggle("Heads below the threshold too", key="below the threshold"):
        found = passing
    strongest = found.head(STRONGEST)
    st.plotly_chart(
        ranking_figure(profile, strongest, behaviour),
        config=NO_TOOLBAR,
        key="bars",
        alt=f"The {len(strongest)} strongest heads with their intervals",
    )
    table = ranked_table(profile, found)
    event = st.dataframe(
        table,
        hide_index=True,
        key="ranking",
        on_select="rerun",
        selection_mode="single-row",
        alt="Every head with label, roles, score, interval, chance and confidence",
        column_config={
            "score": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f"),
            "low": st.column_config.NumberColumn(format="%.3f"),
            "high": st.column_config.NumberColumn(format="%.3f"),
            "chance": st.column_config.NumberColumn(format="%.3f"),
            "confidence": st.column_config.ProgressColumn(
                min_value=0, max_value=1, format="percent"
            ),
        },
    )
    if event.selection.rows:
        head = Head.parse(table["head"].iloc[event.selection.rows[0]])
        open_page("Head", layer=head.layer, head=head.head)
    st.caption(
        "A head is labelled by one behaviour only, so a head high in this table may carry another "
        "label; all behaviours that it shows stand under roles."
    )


def head_picker(profile: Profile, behaviour: str) -> None:
    """The score of every head as a map; a cell opens its head."""
    event = st.plotly_chart(
        behaviour_map_figure(profile, behaviour, chosen=True).update_layout(height=480),
        config=NO_TOOLBAR,
        key="map",
        on_select="rerun",
        selection_mode="points",
        alt=f"{title(behaviour)} score of every head, layer across and head down",
    )
    st.caption("A cell opens its head; so does a row of the table.")
    if points := event.selection.points:
        open_page("Head", layer=int(points[0]["x"]), head=int(points[0]["y"]), behaviour=behaviour)


def rankings(selection: Selection, profile: Profile) -> None:
    """The heads that show the chosen behaviour, and counts over the whole model."""
    names = list(profile.behaviours)
    behaviour = selection.behaviour if selection.behaviour in names else USUAL
    st.selectbox("Behaviour", names, format_func=title, **state.bound("behaviour", behaviour))
    describe(profile, behaviour)
    top_heads(profile, behaviour)
    if behaviour == "retrieval":
        evidence(profile)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        head_picker(profile, behaviour)
    with right:
        ranking(selection, profile, behaviour)
    st.header("Over the whole model")
    left, right = st.columns(2)
    left.plotly_chart(
        label_counts_figure(profile),
        config=NO_TOOLBAR,
        key="counts",
        alt="How many heads of each layer carry each label",
    )
    right.plotly_chart(
        role_counts_figure(profile, behaviour),
        config=NO_TOOLBAR,
        key="role counts",
        alt=f"How many heads of each layer pass the threshold of {title(behaviour)}",
    )
    false_positives(profile)
    two_measures(selection, profile, behaviour)
    downloads(profile)
    for name, reason in profile.untested.items():
        st.info(f"{title(name)} was not tested: {reason}.")


def two_measures(selection: Selection, profile: Profile, behaviour: str) -> None:
    """Every head as a point between any two measures, and the table of the same."""
    st.subheader("Every head between two measures")
    looks = look_names() if profile.looks is not None else {}
    titles = {name: title(name) for name in profile.behaviours} | looks
    names = list(titles)
    usual = "looks_explained" if looks else list(profile.behaviours)[-2]
    across = selection.across if selection.across in titles else behaviour
    against = selection.against if selection.against in titles else usual
    left, right = st.columns(2)
    left.selectbox("Across", names, format_func=titles.get, **state.bound("across", across))
    right.selectbox("Up", names, format_func=titles.get, **state.bound("against", against))
    event = st.plotly_chart(
        scatter_figure(profile, across, against),
        config=NO_TOOLBAR,
        key="scatter",
        on_select="rerun",
        selection_mode="points",
        alt=f"Every head by {titles[across]} and {titles[against]}",
    )
    if points := event.selection.points:
        head = Head.parse(str(points[0]["customdata"]))
        open_page("Head", layer=head.layer, head=head.head)
    st.caption(
        "A point opens its head. Dotted lines are the thresholds from which a head counts as "
        "showing a behaviour. **Explained share**: how much of where a head looks off the first "
        "token its roles explain, on ordinary sentences. **Reach**: how far back it looks. "
        "**Spread**: at how many tokens at once."
    )
    with st.expander("The same as a table"):
        table = profile.heads_table()
        st.dataframe(table, hide_index=True, alt="Every head with all its measures")


def downloads(profile: Profile) -> None:
    """All scores as tidy CSV, and the whole profile as JSON."""
    with st.container(horizontal=True):
        st.download_button(
            "Download all scores (CSV)",
            lambda: to_csv(
                profile.table().assign(
                    model=profile.model_name, start_token=profile.start_text or "none"
                )
            ),
            f"{profile.model_name}-scores.csv",
            "text/csv",
            help=CSV_NOTE,
        )
        st.download_button(
            "Download the profile (JSON)",
            lambda: json.dumps(profile.to_dict(), allow_nan=False),
            f"{profile.model_name}-profile.json",
            "application/json",
        )
