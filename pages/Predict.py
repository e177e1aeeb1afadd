"""Exercises: predict before you look, then see what was measured, explain, and try it elsewhere."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

from dataclasses import replace

import streamlit as st

from headlab.errors import HeadlabError
from headlab.languages import gettext as _
from headlab.ui.services import rooms
from headlab.ui.services.learner import get_lab, get_record
from headlab.ui.services.speaking import language_of, speak
from headlab.ui.services.start_page import guarded, page_header, start_page
from headlab.ui.views.room_learner import room_line
from headlab.ui.views.sheets import choose_sheet, find_sheet, lacks_second, offer_second
from headlab.ui.views.step import run_step

with start_page("Predict", "sheet", "step") as selection:
    selection = replace(selection, reads="text")  # the texts of sheets are what they say
    sheet = None
    if selection.sheet is not None:
        try:
            sheet = find_sheet(selection.sheet)
        except HeadlabError as error:
            st.warning(str(error))
    with guarded():
        speak(language_of(rooms.room_here()) if sheet is None else sheet.language)
    room_line(selection)
    if sheet is None:
        page_header(selection, _("Predict before you click"))
        choose_sheet(selection, get_record())
    elif lacks_second(selection, sheet):
        page_header(selection, sheet.title)
        st.markdown(_("**Goal:** {goal}").format(goal=sheet.goal))
        offer_second()
    else:
        number = min(max(selection.step, 1), len(sheet.steps))
        if number != selection.step:
            said = _("This sheet has no step {n}: step {shown} is shown.")
            st.warning(said.format(n=selection.step, shown=number))
        run_step(replace(selection, step=number), sheet, get_lab(selection, sheet))
