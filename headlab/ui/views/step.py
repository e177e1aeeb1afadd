"""One step of an exercise sheet: predict, look, explain, revise, and try it elsewhere.

What the learner must do stands first on the page, with one grid below it. Each grid keeps a layer
and head of its own.
"""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from headlab.errors import HeadlabError
from headlab.exercises import (
    Entry,
    MeasurementContext,
    PreparedQuestion,
    Sheet,
    Step,
    calibration,
    explain,
    prepare,
)
from headlab.exercises.hiding import hidden_heads, was_shown
from headlab.exercises.kinds import get_kind
from headlab.exercises.record import (
    DONE,
    EXPLAIN,
    OBSERVE,
    PREDICT,
    REVISE,
    SURE_WORDS,
    TRANSFER,
)
from headlab.figures import (
    NO_TOOLBAR,
    calibration_figure,
)
from headlab.languages import gettext as _
from headlab.rooms import SECOND, Room
from headlab.ui.components.frame import scroll_to
from headlab.ui.components.head_grid import GridView
from headlab.ui.services import rooms, state
from headlab.ui.services.learner import (
    get_record,
    keep_entry,
)
from headlab.ui.services.navigation import page_link
from headlab.ui.services.selection import Selection
from headlab.ui.services.speaking import speak_on
from headlab.ui.services.start_page import guarded, page_header
from headlab.ui.views.answering import ask, hints_key, skip, write
from headlab.ui.views.reveal import pictures, reveal, verdict, view_key
from headlab.ui.views.room_learner import (
    NOT_OPEN,
    VOTE_AGAIN,
    VOTED,
    VOTED_AGAIN,
    wait_for,
    wait_for_store,
)
from headlab.ui.views.sheets import is_done, steps_of
from headlab.ui.views.words import plain

EXPLORE, QUESTION, MOVED = "explore", "question", "transfer"  # the grids of a step


def run_step(selection: Selection, sheet: Sheet, lab: MeasurementContext) -> None:
    """One step at the stage that the learner has reached."""
    record, number = get_record(), selection.step
    step = sheet.steps[number - 1]
    heading(selection, sheet, lab, number)
    try:
        room = rooms.room_here()
    except HeadlabError as error:
        wait_for_store(str(error))
        return
    if room is not None and room.steps is not None and number > room.steps:
        wait_for(room, NOT_OPEN)
        return
    prepared = usable(prepare(step.question, lab))
    entry = record.find(sheet, number, lab) or begun(sheet, number, prepared, lab)
    views = {view_key(part): None for part in (EXPLORE, QUESTION, MOVED)}
    state.empty_for(entry.identity, {**views, "shown text": EXPLORE})
    if not prepared.options:
        st.info(_("This question cannot be asked here.") + f" {prepared.why}")
        if st.button(_("Go on without it")) and entry.step < len(sheet.steps):
            keep_entry(entry)
            state.change(step=number + 1)
            st.rerun()
    elif entry.stage == PREDICT:
        predict(selection, sheet, entry, prepared, lab)
    elif entry.first is None:
        st.info(_("You skipped this step."))
    else:
        committed(selection, sheet, entry, prepared, lab, room)
    st.divider()
    go_on(sheet, entry, prepared, lab)


def heading(selection: Selection, sheet: Sheet, lab: MeasurementContext, number: int) -> None:
    """Sheet, step and how far the learner is, with the doors to the other steps."""
    record, steps = get_record(), steps_of(sheet)
    done = [is_done(record, lab, sheet, each) for each in steps]
    page_header(selection, sheet.title, _("**Goal:** {goal}").format(goal=sheet.goal))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        where = _("Step {n} of {all}: {title}").format(
            n=number, all=len(sheet.steps), title=sheet.steps[number - 1].title
        )
        st.markdown(f"**{where}**")
        st.caption(
            _("{n} of {all} done").format(n=sum(done), all=len(sheet.steps)), width="content"
        )
        page_link("Predict", label=_("All sheets"), sheet=None, step=1, head=None)


def begun(sheet: Sheet, number: int, prepared: PreparedQuestion, lab: MeasurementContext) -> Entry:
    """A step that begins; it goes into the record with the learner's first act, not before."""
    entry = Entry.start(sheet, number, prepared, lab)
    started = st.session_state.setdefault(f"started {entry.identity}", entry.started)
    return replace(entry, started=started)


def usable(prepared: PreparedQuestion) -> PreparedQuestion:
    """The question, or its general form where the model lacks what it names."""
    if prepared.askable is not prepared:
        st.info(f"{prepared.why} " + _("So the question is asked in its general form."))
    return prepared.askable


def predict(
    selection: Selection,
    sheet: Sheet,
    entry: Entry,
    prepared: PreparedQuestion,
    lab: MeasurementContext,
) -> None:
    """The question, and one grid to look around in while the outcome is hidden."""
    step = sheet.steps[entry.step - 1]
    with st.container(key="asked"):
        answer = ask(
            prepared,
            f"{entry.identity} first",
            entry,
            _("Skip this step"),
            hints=len(step.hints),
        )
    if answer is not None:
        with guarded():
            keep_entry(entry.commit(prepared, *answer))
            show(prepared, QUESTION)
    for hint in step.hints[: st.session_state.get(hints_key(entry), 0)]:
        st.info(explain(hint, replace(prepared, key=None), lab))
    st.markdown(step.look)
    look_around(selection, sheet, step, prepared, lab)


@st.fragment
def look_around(
    selection: Selection,
    sheet: Sheet,
    step: Step,
    prepared: PreparedQuestion,
    lab: MeasurementContext,
) -> None:
    """One grid: on the text to explore, or on the one asked about, as far as it may be seen."""
    speak_on()
    record = get_record()
    hidden = hidden_heads(sheet, record, lab, prepared.question.text)
    names = {
        EXPLORE: _("Look around on another text"),
        QUESTION: _("The text asked about"),
    }
    if hidden:
        all_hidden = len(hidden) == len(lab.all_heads())
        names[QUESTION] += _(", hidden") if all_hidden else _(", partly hidden")
    part = st.segmented_control(
        "Text",
        list(names),
        required=True,
        format_func=lambda part: names[part],
        label_visibility="collapsed",
        key="shown text",
    )
    text = step.explore if part == EXPLORE else prepared.question.text
    if line := promise(sheet, prepared, lab):
        st.caption(line)
    shown_hidden = hidden_heads(sheet, record, lab, text)
    pictures(selection, text, shown_hidden, (), part or EXPLORE)


def promise(sheet: Sheet, prepared: PreparedQuestion, lab: MeasurementContext) -> str:
    """What the learner may see before answering, and what not."""
    if get_kind(prepared.question.kind).answers == "size":
        return _(
            "Look as long as you like: these pictures show the model as it is. What it does "
            "without the heads asked about has not been sent to your browser."
        )
    if was_shown(sheet, get_record(), lab, prepared.question):
        return _("You have seen these pictures in an earlier step: nothing of them is hidden now.")
    if prepared.hidden:
        return _(
            "What is hidden has not been sent to your browser. It is shown once you have locked."
        )
    return ""


def committed(
    selection: Selection,
    sheet: Sheet,
    entry: Entry,
    prepared: PreparedQuestion,
    lab: MeasurementContext,
    room: Room | None,
) -> None:
    """The reveal, and beside it everything that follows; in a room perhaps not yet."""
    step = sheet.steps[entry.step - 1]
    assert entry.first is not None and prepared.key is not None
    locked = _("Your prediction: {answer} ({sureness}). It is locked.").format(
        answer=f"**{plain(entry.first.text)}**",
        sureness=_(SURE_WORDS[entry.first.sureness]),
    )
    st.markdown(f"**{prepared.ask}** {locked}")
    if room is not None and room.held:
        held(room, entry, prepared)
        return
    hidden = hidden_heads(sheet, get_record(), lab, prepared.question.text)
    with st.container(key="reveal"):
        picture, words = st.columns([3, 2], gap="medium")
    with picture:
        reveal(selection, prepared, entry.first.value, QUESTION, hidden)
    with words, st.container(key="verdict"):
        is_open = after(selection, entry, prepared, step, lab)
    if not is_open:
        transfer(selection, sheet, entry, step, lab)


def held(room: Room, entry: Entry, prepared: PreparedQuestion) -> None:
    """What there is to do while a room's answers wait: perhaps a second vote."""
    if room.phase != SECOND or not entry.may_vote_again:
        wait_for(room, VOTED if entry.second is None else VOTED_AGAIN)
        return
    wait_for(room, VOTE_AGAIN)
    answer = ask(prepared, f"{entry.identity} second", entry)
    if answer is None:
        return
    now = rooms.room_here()
    if now is None or now.phase != SECOND:
        st.warning(_("The second vote is over: your first answer counts."))
        return
    with guarded():
        keep_entry(entry.vote_again(prepared, *answer))
        st.rerun()


def after(
    selection: Selection,
    entry: Entry,
    prepared: PreparedQuestion,
    step: Step,
    lab: MeasurementContext,
) -> bool:
    """What the learner saw, the verdict, why, and a second answer; True while one is open."""
    assert entry.first is not None
    if entry.stage == OBSERVE:
        st.subheader(_("What do you see?"))
        write(entry, OBSERVE, step.observe, _("Lock what you saw"))
        return True
    if entry.observation:
        saw = _("You saw: {words}").format(words=f"*{plain(entry.observation)}*")
        st.markdown(saw)
    verdict(selection, prepared, entry.first.value, "first")
    if entry.stage == EXPLAIN:
        st.subheader(_("Why?"))
        write(
            entry,
            EXPLAIN,
            _("Explain in one sentence why it came out so."),
            _("Lock my sentence"),
        )
        return True
    if entry.explanation:
        said = _("Your explanation: {words}").format(words=f"*{plain(entry.explanation)}*")
        st.markdown(said)
    ours = explain(step.explanation, prepared, lab)
    st.markdown(_("**Ours:** {words}").format(words=ours))
    if entry.stage == REVISE:
        st.subheader(_("Would you answer differently now?"))
        answer = ask(
            prepared,
            f"{entry.identity} revised",
            entry,
            _("Keep my first answer"),
            usual=entry.first.value,
        )
        if answer is not None:
            with guarded():
                keep_entry(entry.revise(prepared, *answer))
                scroll_to("carried over")
                st.rerun()
        return True
    if entry.revised is not None:
        revised = _("Your revised answer: {answer}.")
        st.markdown(revised.format(answer=f"**{plain(entry.revised.text)}**"))
    return False


def transfer(
    selection: Selection, sheet: Sheet, entry: Entry, step: Step, lab: MeasurementContext
) -> None:
    """The same role or head somewhere else."""
    prepared = usable(prepare(step.transfer, lab))
    hidden = hidden_heads(sheet, get_record(), lab, prepared.question.text)
    with st.container(key="carried over"):
        st.subheader(_("Does it carry over?"))
        if entry.stage == TRANSFER and prepared.options:
            answer = ask(prepared, f"{entry.identity} transfer", entry, _("Skip this question"))
            if answer is not None:
                with guarded():
                    keep_entry(entry.answer_transfer(prepared, *answer))
                    show(prepared, MOVED)
            if line := promise(sheet, prepared, lab):
                st.caption(line)
            pictures(selection, prepared.question.text, hidden, (), MOVED)
        elif entry.stage == TRANSFER:
            st.info(_("This question cannot be asked here.") + f" {prepared.why}")
            skip(entry, _("Go on"))
        elif entry.transfer_answer is None:
            st.markdown(_("You skipped this question."))
        else:
            given = entry.transfer_answer
            said = _("You said: {answer}.").format(answer=f"**{plain(given.text)}**")
            st.markdown(f"**{prepared.ask}** {said}")
            picture, words = st.columns([3, 2], gap="medium")
            with picture:
                reveal(selection, prepared, given.value, MOVED, hidden)
            with words:
                verdict(selection, prepared, given.value, MOVED)
                if step.transfer_explanation:
                    ours = explain(step.transfer_explanation, prepared, lab)
                    st.markdown(_("**Ours:** {words}").format(words=ours))


def show(prepared: PreparedQuestion, part: str) -> None:
    """Bring the picture that was measured into view, and draw the page anew."""
    if prepared.framed is not None:
        st.session_state[view_key(part)] = GridView(*prepared.framed)
    elif prepared.heads:
        st.session_state[view_key(part)] = GridView(prepared.heads[0].layer, None)
    scroll_to("reveal" if part == QUESTION else "carried over")
    st.rerun()


def go_on(sheet: Sheet, entry: Entry, prepared: PreparedQuestion, lab: MeasurementContext) -> None:
    """The doors at the end of a step, and what the sheet said about sureness."""
    record = get_record()
    is_over = entry.stage == DONE and bool(prepared.options)
    with st.container(horizontal=True, vertical_alignment="center"):
        if entry.step < len(sheet.steps):
            label = _("Next: {title}").format(title=sheet.steps[entry.step].title)
            page_link("Predict", label=label, step=entry.step + 1, head=None)
        if is_over and st.button(_("Try this step again"), icon=":material/replay:"):
            keep_entry(Entry.start(sheet, entry.step, prepared, lab, attempt=entry.attempt + 1))
            scroll_to("asked")
            st.rerun()
    if all(is_done(record, lab, sheet, step) for step in steps_of(sheet)):
        feedback([entry for entry in record.entries if entry.sheet == sheet.name])


def feedback(entries: Sequence[Entry]) -> None:
    """How sure against how right, over a sheet."""
    st.header(_("How sure, how right"))
    rows = [row for row in calibration(entries) if row.answers]
    if not rows:
        st.markdown(
            _("No graded prediction was made on this sheet, so there is nothing to compare.")
        )
        return
    figure = calibration_figure(
        [row.sureness for row in rows],
        [row.answers for row in rows],
        [row.right for row in rows],
        _("How sure, how right"),
    )
    st.plotly_chart(
        figure,
        config=NO_TOOLBAR,
        key="calibration",
        alt=_("Share of right answers at each sureness"),
    )
    st.caption(
        _(
            "If sureness means something, the bars grow from left to right. A few answers say "
            "little; look again after more sheets."
        )
    )
