"""The words headlab uses, its behaviours with their sources, and what attention cannot tell."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import streamlit as st

from headlab.behaviours import behaviours
from headlab.evidence.glossary import glossary
from headlab.ui.services.navigation import page_link
from headlab.ui.services.start_page import page_header, start_page
from headlab.ui.views.explained import described, explained

COLUMN = 820  # pixels: longer lines are hard to read

with start_page("Glossary") as selection, st.container(width=COLUMN):
    page_header(selection, "Glossary")
    words = glossary()
    st.header("Terms")
    for group, terms in words.groups.items():
        st.subheader(group)
        st.markdown(
            "\n\n".join(
                f"**{term.name}.** {explained(term.meaning, term.sources)}" for term in terms
            )
        )
    st.header("Behaviours")
    st.markdown(
        "In the order in which they give a head its label. *After*: the publication describes this "
        "behaviour, and we measure it in our own way. *Related*: it describes something near, and "
        "the definition is ours."
    )
    for name, about in behaviours().items():
        with st.container(border=True):
            st.subheader(about.title, anchor=name)
            st.markdown(described(about))
            page_link("Rankings", label=f"Heads ranked by {about.title.lower()}", behaviour=name)
    st.header("What attention cannot tell")
    st.markdown("\n\n".join(explained(limit.meaning, limit.sources) for limit in words.limits))
