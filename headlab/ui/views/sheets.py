"""The list of exercise sheets, what to revisit, and the learner's record."""

from dataclasses import replace

import streamlit as st

from headlab.errors import HeadlabError
from headlab.exercises import (
    MeasurementContext,
    Record,
    Sheet,
    parse_record,
    sheets,
)
from headlab.exercises.guided import guided_problems
from headlab.exercises.record import DONE
from headlab.languages import gettext as _
from headlab.models.loading import is_known
from headlab.ui.services import rooms
from headlab.ui.services.learner import (
    get_lab,
    keep_record,
    tried_sheet,
    try_sheet,
)
from headlab.ui.services.navigation import page_link
from headlab.ui.services.second import has_second
from headlab.ui.services.selection import Selection
from headlab.ui.services.start_page import guarded
from headlab.ui.views.words import plain


def choose_sheet(selection: Selection, record: Record) -> None:
    """Everything that is on offer, what should be revisited, and the learner's record."""
    st.markdown(
        _(
            "Each sheet asks you to predict what heads will do **before** their pictures are "
            "shown. You say how sure you are, look, say what you see, and only then read what was "
            "measured. Answers are measured on the model you have open, at the moment you ask. "
            "Being wrong while sure is the most useful thing that can happen to you here: such "
            "questions come back under *Revisit*."
        )
    )
    revisit(record)
    offered = sheets()
    mine = tried_sheet()
    room = rooms.room_here()
    lesson = room.sheets if room is not None else ()
    of_lesson = [each for name, each in offered.sheets.items() if not lesson or name in lesson]
    for sheet in (*([mine] if mine else []), *of_lesson):
        with st.container(border=True):
            about = _("{level} · about {minutes} minutes").format(
                level=_(sheet.level), minutes=sheet.minutes
            )
            about = f"{sheet.goal}  \n{about}"
            if lacks_second(selection, sheet):
                st.markdown(f"**{sheet.title}**  \n{about}")
                offer_second()
                continue
            lab = get_lab(selection, sheet)
            done = sum(is_done(record, lab, sheet, step) for step in steps_of(sheet))
            page_link("Predict", label=f"**{sheet.title}**", sheet=sheet.name, step=1)
            progress = _("{n} of {all} steps done").format(n=done, all=len(sheet.steps))
            st.markdown(f"{about} · {progress}")
    your_record(record)
    own_sheet(guided_problems() | offered.problems)


def lacks_second(selection: Selection, sheet: Sheet) -> bool:
    """Whether the sheet compares two models and only one is chosen."""
    return sheet.needs_second and not has_second(selection)


def offer_second() -> None:
    """What a sheet about two models needs first, and the way there."""
    st.info(
        _(
            "This sheet compares the model you have open with a second one. Choose the second one "
            "on the Compare page, then come back."
        )
    )
    page_link("Compare", label=_("Choose a second model"))


def revisit(record: Record) -> None:
    """Wrong answers given while sure, the surest first."""
    missed = record.revisit()
    if missed:
        st.subheader(_("Revisit"))
        st.markdown(_("You were sure here, and the measurement said otherwise. Try again:"))
    for entry in missed:
        model = entry.setting.model
        page_link(
            "Predict",
            label=plain(
                _("{sheet}, step {n}: {title}").format(
                    sheet=entry.sheet_title, n=entry.step, title=entry.step_title
                )
            ),
            sheet=entry.sheet,
            step=entry.step,
            **({"model": model} if is_known(model) else {}),
        )


def your_record(record: Record) -> None:
    """Download, upload and name of the record."""
    with st.expander(_("Your record")):
        st.markdown(
            _(
                "Everything you commit is kept in this browser, and nowhere else. Download it to "
                "hand it in, or to go on with another day or on another machine."
            )
        )
        name = st.text_input(_("Your name, if you like"), value=record.name, max_chars=200)
        if name != record.name and record.name and record.entries:
            ask_who(record, name)
        elif name != record.name:
            record = replace(record, name=name)
            keep_record(record)
        st.download_button(
            _("Download your record (JSON)"),
            record.to_json,
            "headlab-record.json",
            "application/json",
            disabled=not record.entries,
        )
        file = st.file_uploader(_("Go on with a record you saved"), type="json", key="saved record")
        if file is not None and st.session_state.get("record taken in") != file.file_id:
            with guarded():
                keep_record(taken_in(parse_record(file.getvalue()), record))
                st.session_state["record taken in"] = file.file_id
                st.rerun()


def ask_who(record: Record, name: str) -> None:
    """Whether a changed name is somebody else's, whose record begins anew, or a correction."""
    st.info(
        _(
            "This record is in the name of {name}. Is somebody else working here now? Then "
            "download it first: this browser keeps one record at a time."
        ).format(name=plain(record.name))
    )
    st.button(
        _("Somebody else: begin a new record"),
        on_click=lambda: keep_record(Record.new(name)),
        type="primary",
    )
    st.button(
        _("The same person: correct the name"),
        on_click=lambda: keep_record(replace(record, name=name)),
    )


def taken_in(saved: Record, record: Record) -> Record:
    """A saved record with what was done meanwhile, unless that is somebody else's."""
    if record.entries and saved.name and record.name and saved.name != record.name:
        raise HeadlabError(
            f"This file is in the name of {saved.name}, and the record open here in that of "
            f"{record.name}: download the open one, clear this browser under “Shared machine?”, "
            "then hand the file in again."
        )
    return saved.merge(record)


def own_sheet(problems: dict[str, str]) -> None:
    """A teacher's own sheet, to be tried in this session."""
    with st.expander("For teachers: try a sheet of your own"):
        st.markdown(
            "How to write one is described in `docs/EXERCISES.md`. The sheet is checked, nothing "
            "in it is executed, and only you see it."
        )
        file = st.file_uploader("A sheet (TOML)", type="toml", key="own sheet")
        if file is not None:
            with guarded():
                sheet = try_sheet(file.getvalue(), file.name.removesuffix(".toml"))
                page_link("Predict", label=f"Open “{sheet.title}”", sheet=sheet.name, step=1)
        for name, sentence in problems.items():
            st.warning(f"{name} is not offered: {sentence}")


def find_sheet(name: str) -> Sheet:
    """The sheet of this name; an error with the nearest name if there is none."""
    mine = tried_sheet()
    return mine if mine is not None and mine.name == name else sheets()[name]


def steps_of(sheet: Sheet) -> range:
    """The numbers of a sheet's steps, from 1."""
    return range(1, len(sheet.steps) + 1)


def is_done(record: Record, lab: MeasurementContext, sheet: Sheet, step: int) -> bool:
    """Whether the step is finished or skipped."""
    entry = record.find(sheet, step, lab)
    return entry is not None and entry.stage == DONE
