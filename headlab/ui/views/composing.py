"""Which heads a head can read, and which can read it: from weights, whatever the text."""

import pandas as pd
import streamlit as st

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.mechanisms.composing import INPUTS, Composition
from headlab.profiles.profile import Profile
from headlab.ui.services.mechanisms import get_composition
from headlab.ui.services.navigation import page_link
from headlab.ui.services.selection import Selection

SHOWN = 5
SIDES = {"into": "Earlier heads it can read", "out of": "Later heads that can read it"}


def composes(selection: Selection, profile: Profile, head: Head) -> None:
    """The heads before and after it that it is wired to, by query, key and value."""
    try:
        found = get_composition(selection)
    except HeadlabError as error:
        st.info(str(error))
        return
    st.markdown(
        "A head reads the residual stream, to which all earlier heads have written. **Through its "
        "queries** what it reads decides what it looks for, **through its keys** what is found, "
        "**through its values** what it passes on. Each line says how far the overlap of two heads "
        "lies above that of random heads, in standard deviations. It comes from the weights alone: "
        "whether it matters on a text is another question, see *Why there*."
    )
    for side, title in SIDES.items():
        st.markdown(f"**{title}**")
        for column, through in zip(st.columns(len(INPUTS)), INPUTS, strict=True):
            with column:
                table = around(found, side, head, through)
                st.markdown(f"by its {through}" if side == "into" else f"by their {through}")
                if table.empty:
                    st.caption("There is none.")
                for row in table.itertuples():
                    other = Head.parse(row.head)
                    label = profile.label_text(*other)
                    page_link(
                        "Head",
                        label=f"{row.head}: {row.excess:+.0f} ({label})",
                        layer=other.layer,
                        head=other.head,
                    )


def around(found: Composition, side: str, head: Head, through: str) -> pd.DataFrame:
    """The strongest of one side and input: head, score, excess."""
    ask = found.into if side == "into" else found.out_of
    return ask(head, through).head(SHOWN)  # type: ignore[arg-type]
