"""Two models role by role: shares of labels, depth curves, the strongest heads."""

import pandas as pd
import streamlit as st

from headlab.figures import (
    NO_TOOLBAR,
    depth_figure,
    label_shares_figure,
)
from headlab.measuring.confidence import label_title
from headlab.profiles.compare import ProfileComparison


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
