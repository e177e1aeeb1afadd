"""Which heads do what: maps, a ranked table and counts over the whole model."""

import numpy as np
import pandas as pd
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.figures import behaviour_map_figure, label_counts_figure
from headlab.heads import Head
from headlab.profile import Profile
from headlab.ui import state
from headlab.ui.cache import get_profile
from headlab.ui.start_page import start_page

PLAIN = {"displayModeBar": False}


def ranked_table(profile: Profile, behaviour: str, minimum: float) -> pd.DataFrame:
    """The ranking with each head's label."""
    table = profile.ranking(behaviour, minimum=minimum)
    labels = [profile.label_text(*Head.parse(name)) for name in table["name"]]
    return pd.DataFrame(
        {
            "head": table["name"],
            "label": labels,
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
    found = [f"{top['head']} ({top['score']:.2f})" for top in profile.top_heads[behaviour]]
    if found:
        st.markdown(f"**Heads that show it best:** {', '.join(found)}.")
    else:
        st.markdown("**No head passes the threshold.** The table ranks those that come nearest.")


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


with start_page("Rankings") as selection:
    st.title("Which heads do what")
    st.markdown(
        "A **behaviour** is a named way of attending. Every head gets a **score** for each: the "
        "mean share of its attention on the places that the behaviour asks for, over probe texts "
        "made for it, from 0 to 1. **Chance** is what a head with even attention would score."
    )
    profile = get_profile(selection)
    state.choose(selection)
    behaviour = st.selectbox(
        "Behaviour",
        profile.behaviours,
        index=profile.behaviours.index("induction"),
        format_func=lambda name: get_behaviour(name).title,
        key="behaviour",
    )
    describe(profile, behaviour)
    left, right = st.columns(2)
    left.plotly_chart(behaviour_map_figure(profile, behaviour), config=PLAIN, key="map")
    right.plotly_chart(label_counts_figure(profile), config=PLAIN, key="counts")
    top_heads(profile, behaviour)
    if behaviour == "retrieval":
        evidence(profile)
    minimum = st.slider("Lowest score in the table", 0.0, 1.0, 0.0, 0.05, key="minimum")
    table = ranked_table(profile, behaviour, minimum)
    st.dataframe(
        table,
        hide_index=True,
        key="ranking",
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
    st.caption(
        "A head is labelled by one behaviour only, so a head high in this table may carry another "
        "label."
    )
    st.download_button(
        "Download all scores (CSV)",
        profile.table()
        .assign(model=profile.model_name, start_token=profile.start_text or "none")
        .to_csv(index=False),
        f"{profile.model_name}-scores.csv",
        "text/csv",
    )
    false_positives(profile)
    for name, reason in profile.untested.items():
        st.info(f"{get_behaviour(name).title} was not tested: {reason}.")
