"""A page with nothing but the map of mini's heads, for tests/browser/test_head_map.py."""

from functools import partial

import streamlit as st

from headlab import load_model, profile_model
from headlab.heads import Head
from headlab.ui.components.head_map import head_map

PROFILE = profile_model(load_model("mini"))
marked = Head(1, 0)
chosen = st.session_state.setdefault("chosen", Head(2, 5))
head_map(
    PROFILE.n_layers,
    PROFILE.n_heads,
    partial(st.session_state.__setitem__, "chosen"),
    PROFILE,
    [chosen],
    [marked],
)
st.markdown(f"chosen: {chosen}")
