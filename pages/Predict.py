"""Exercises: predict before you look, then see what was measured, explain, and try it elsewhere."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

from dataclasses import replace

import streamlit as st

from headlab.errors import HeadlabError
from headlab.ui.services.learner import get_lab, get_record
from headlab.ui.services.start_page import page_header, start_page
from headlab.ui.views.room_learner import room_line
from headlab.ui.views.sheets import choose_sheet, find_sheet, lacks_second, offer_second
from headlab.ui.views.step import run_step

with start_page("Predict", "sheet", "step") as selection:
    room_line(selection)
    sheet = None
    if selection.sheet is not None:
        try:
            sheet = find_sheet(selection.sheet)
        except HeadlabError as error:
            st.warning(str(error))
    if sheet is None:
        page_header(selection, "Predict before you click")
        choose_sheet(selection, get_record())
    elif lacks_second(selection, sheet):
        page_header(selection, sheet.title)
        st.markdown(f"**Goal:** {sheet.goal}")
        offer_second()
    else:
        number = min(max(selection.step, 1), len(sheet.steps))
        if number != selection.step:
            st.warning(f"This sheet has no step {selection.step}: step {number} is shown.")
        run_step(replace(selection, step=number), sheet, get_lab(selection, sheet))
