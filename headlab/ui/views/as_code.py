"""What a page shows as a few lines of Python, to copy or to take along as a notebook."""

import streamlit as st

from headlab.ui.services.code import as_notebook


def as_code(code: str, title: str) -> None:
    """The lines behind a door at the end of a page."""
    with st.expander("As code", icon=":material/code:"):
        st.caption("These lines give the same in Python, from `pip install headlab`.")
        st.code(code, language="python")
        st.download_button(
            "Download as a notebook",
            lambda: as_notebook(code, title),
            "headlab.ipynb",
            "application/x-ipynb+json",
        )
