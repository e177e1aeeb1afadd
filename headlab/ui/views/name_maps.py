"""Name copying and its suppression, as heat maps of all heads."""

import pandas as pd
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.evidence.observations import COPYING, SUPPRESSION, name_observations
from headlab.evidence.published import IOI_PAPER, name_map_classes
from headlab.figures import (
    NO_TOOLBAR,
    behaviour_map_figure,
)
from headlab.profiles.profile import Profile


def name_maps(profile: Profile) -> None:
    """Name copying and its suppression over all heads, and what is said of such a picture."""
    st.markdown(
        "A head that **copies names** writes the very name that it reads; one that **suppresses** "
        "them writes against it. Score: the share of given names that are among the five tokens "
        "which its output raises (or lowers) most. Where it looks plays no part, and heads of "
        "layer 0 cannot be tested."
    )
    for name in (COPYING, SUPPRESSION):
        if name in profile.untested:
            st.info(f"{get_behaviour(name).title} was not tested: {profile.untested[name]}.")
            return
    marked = False
    for column, name in zip(st.columns(2), (COPYING, SUPPRESSION), strict=True):
        classes = name_map_classes(profile.model_name, name)
        marked |= bool(classes)
        column.plotly_chart(
            behaviour_map_figure(profile, name, classes),
            config=NO_TOOLBAR,
            key=f"map of {name}",
            alt=f"{get_behaviour(name).title} score of every head, layer across and head down",
        )
    if marked:
        st.caption(f"Marks: classes that others have published for one task. {IOI_PAPER}.")
    else:
        st.caption("No head is marked: the classes that others have published are GPT-2 small's.")
    st.subheader("On trial: what such a picture is said to show")
    st.markdown(
        "These observations come with a picture of GPT-2 small that is often passed on. Here each "
        "is held against the model that is open; a head is *bright* where it passes the threshold, "
        f"{get_behaviour(COPYING).threshold:g}."
    )
    st.table(
        pd.DataFrame(
            {
                "verdict": observation.verdict,
                "claim": observation.claim,
                f"measured on {profile.model_name}": observation.measured,
            }
            for observation in name_observations(profile)
        ).set_index("verdict")
    )
