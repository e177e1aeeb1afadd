"""A detector of your own: paint where a head should look, or put a rule together, and find it."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import streamlit as st

from headlab.ui.services.results import get_whole_reading
from headlab.ui.services.start_page import page_header, start_page
from headlab.ui.views.detector import detector_view
from headlab.ui.views.text_choice import text_chosen, text_line

HOW = """Every behaviour of headlab is a **detector**: it says which cells of a picture a head of
that kind would fill, and a head's score is the share of its attention that goes there. Here you
make one yourself.

**Paint** the cells that you would expect, from a row (the token that looks) to a column (the token
looked at), and see which heads look there. Or choose a **rule**, which works on every text.

A head can fill your cells because it goes by position. **Is it more than position?** reads the same
words in other orders: a head that keeps its score does not care what the words are.
"""

with start_page("Detector") as selection:
    page_header(selection, "Make a detector", HOW)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        text_line(selection, lens=False)
    chosen = text_chosen(selection)
    if chosen is not None:
        detector_view(selection, chosen, get_whole_reading(selection, chosen))
