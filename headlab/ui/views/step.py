"""One step of an exercise sheet: predict, look, explain, revise, and try it elsewhere."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from headlab.exercises import (
    Entry,
    MeasurementContext,
    PreparedQuestion,
    Question,
    Sheet,
    calibration,
    explain,
    prepare,
)
from headlab.exercises.kinds import get_kind
from headlab.exercises.record import DONE, EXPLAIN, OBSERVE, PREDICT, REVISE, TRANSFER
from headlab.figures import (
    calibration_figure,
)
from headlab.ui.services import state
from headlab.ui.services.learner import (
    get_record,
    keep_entry,
)
from headlab.ui.services.navigation import page_link
from headlab.ui.services.start_page import guarded
from headlab.ui.services.state import Selection
from headlab.ui.views.reveal import pictures, reveal, verdict
from headlab.ui.views.sheets import is_done, steps_of
from headlab.ui.views.words import plain

SURENESS = {1: "a guess", 2: "unsure", 3: "fairly sure", 4: "sure", 5: "certain"}
FEW = 8  # options shown as buttons; more become a list


def run_step(selection: Selection, sheet: Sheet, lab: MeasurementContext) -> None:
    """One step at the stage that the learner has reached."""
    record, number = get_record(), selection.step
    step = sheet.steps[number - 1]
    done = sum(is_done(record, lab, sheet, each) for each in steps_of(sheet))
    st.markdown(f"**Goal:** {sheet.goal}")
    st.progress(done / len(sheet.steps), text=f"{done} of {len(sheet.steps)} steps done")
    st.header(f"Step {number}: {step.title}")
    prepared = usable(prepare(step.question, lab))
    entry = record.find(sheet, number, lab) or begun(sheet, number, prepared, lab)
    if not prepared.options:
        st.info(f"This question cannot be asked here. {prepared.why}")
        if st.button("Go on without it") and entry.step < len(sheet.steps):
            keep_entry(entry)
            state.change(step=number + 1)
            st.rerun()
    elif entry.stage == PREDICT:
        predict(selection, sheet, entry, prepared, lab)
    elif entry.first is None:
        st.info("You skipped this step.")
    else:
        committed(selection, sheet, entry, prepared, lab)
    st.divider()
    go_on(sheet, entry, prepared, lab)


def begun(sheet: Sheet, number: int, prepared: PreparedQuestion, lab: MeasurementContext) -> Entry:
    """A step that begins; it goes into the record with the learner's first act, not before."""
    entry = Entry.start(sheet, number, prepared, lab)
    started = st.session_state.setdefault(f"started {entry.identity}", entry.started)
    return replace(entry, started=started)


def usable(prepared: PreparedQuestion) -> PreparedQuestion:
    """The question, or its general form where the model lacks what it names."""
    if prepared.askable is not prepared:
        st.info(f"{prepared.why} So the question is asked in its general form.")
    return prepared.askable


def predict(
    selection: Selection,
    sheet: Sheet,
    entry: Entry,
    prepared: PreparedQuestion,
    lab: MeasurementContext,
) -> None:
    """Look around on another text, then commit to an answer while the outcome is hidden."""
    step = sheet.steps[entry.step - 1]
    st.subheader("Look around first")
    st.markdown(f"{step.look} This is another text than the question's.")
    pictures(selection, step.explore, (), (), "explore")
    st.subheader("Now predict")
    if prepared.hidden:
        st.markdown(
            "Some or all pictures for this text are hidden until you have answered; they have not "
            "been sent to your browser."
        )
    if get_kind(prepared.question.kind).answers == "size":
        st.markdown(
            "Look at the pictures as long as you like: they show the model as it is. What it does "
            "without these heads has not been sent to your browser."
        )
    pictures(selection, prepared.question.text, prepared.hidden, (), "question")
    hints(step.hints, prepared, lab, entry)
    answer = ask(prepared, f"{entry.identity} first")
    if answer is not None:
        with guarded():
            keep_entry(entry.commit(prepared, *answer))
            show(prepared, answer[0])
    skip(entry, "Skip this step")


def committed(
    selection: Selection,
    sheet: Sheet,
    entry: Entry,
    prepared: PreparedQuestion,
    lab: MeasurementContext,
) -> None:
    """The reveal and everything after it."""
    step = sheet.steps[entry.step - 1]
    assert entry.first is not None and prepared.key is not None
    st.markdown(f"**{prepared.ask}**")
    st.markdown(
        f"Your prediction: **{entry.first.text}** ({SURENESS[entry.first.sureness]}). It is locked."
    )
    reveal(selection, prepared, entry.first.value, "question")
    if entry.stage == OBSERVE:
        st.subheader("What do you see?")
        write(entry, OBSERVE, step.observe, "Lock what you saw")
        return
    if entry.observation:
        st.markdown(f"You saw: *{plain(entry.observation)}*")
    verdict(selection, prepared, entry.first.value, "first")
    if entry.stage == EXPLAIN:
        st.subheader("Why?")
        write(entry, EXPLAIN, "Explain in one sentence why it came out so.", "Lock my sentence")
        return
    if entry.explanation:
        st.markdown(f"Your explanation: *{plain(entry.explanation)}*")
    st.markdown(f"**Ours:** {explain(step.explanation, prepared, lab)}")
    if entry.stage == REVISE:
        st.subheader("Would you answer differently now?")
        answer = ask(prepared, f"{entry.identity} revised", usual=entry.first.value)
        if answer is not None:
            with guarded():
                keep_entry(entry.revise(prepared, *answer))
                st.rerun()
        skip(entry, "Keep my first answer")
        return
    if entry.revised is not None:
        st.markdown(f"Your revised answer: **{entry.revised.text}**.")
    transfer(selection, entry, step.transfer, lab)


def transfer(
    selection: Selection, entry: Entry, question: Question, lab: MeasurementContext
) -> None:
    """The same role or head somewhere else."""
    prepared = usable(prepare(question, lab))
    st.subheader("Does it carry over?")
    if entry.stage == TRANSFER and prepared.options:
        pictures(selection, prepared.question.text, prepared.hidden, (), "transfer")
        answer = ask(prepared, f"{entry.identity} transfer")
        if answer is not None:
            with guarded():
                keep_entry(entry.answer_transfer(prepared, *answer))
                show(prepared, answer[0])
        skip(entry, "Skip this question")
    elif entry.stage == TRANSFER:
        st.info(f"This question cannot be asked here. {prepared.why}")
        skip(entry, "Go on")
    elif entry.transfer_answer is None:
        st.markdown("You skipped this question.")
    else:
        st.markdown(f"**{prepared.ask}** You said: **{entry.transfer_answer.text}**.")
        reveal(selection, prepared, entry.transfer_answer.value, "transfer")
        verdict(selection, prepared, entry.transfer_answer.value, "transfer")


def hints(
    words: Sequence[str], prepared: PreparedQuestion, lab: MeasurementContext, entry: Entry
) -> None:
    """The hints, one after another, as the learner asks for them."""
    key = f"hints {entry.identity}"
    shown = st.session_state.get(key, 0)
    for hint in words[:shown]:
        st.info(explain(hint, replace(prepared, key=None), lab))
    if shown < len(words):
        label = "Show a hint" if shown == 0 else "Show another hint"
        st.button(
            label,
            key=f"button {key}",
            on_click=lambda: st.session_state.update({key: shown + 1}),
        )


def ask(prepared: PreparedQuestion, key: str, usual: str | None = None) -> tuple[str, int] | None:
    """The question with its answers and sureness; the answer once it is committed."""
    st.markdown(f"**{prepared.ask}**")
    values = [option.value for option in prepared.options]
    widget = st.radio if len(values) <= FEW else st.selectbox
    value = widget(
        "Your answer",
        values,
        index=values.index(usual) if usual in values else None,
        format_func=lambda value: prepared.option(value).text,
        key=f"answer {key}",
    )
    sureness = st.radio(
        "How sure are you?",
        list(SURENESS),
        index=None,
        horizontal=True,
        format_func=lambda level: f"{level} {SURENESS[level]}",
        key=f"sureness {key}",
    )
    is_ready = value is not None and sureness is not None
    if not is_ready:
        st.caption("Choose an answer and say how sure you are; then you can lock it.")
    if st.button("Lock my answer", key=f"lock {key}", type="primary", disabled=not is_ready):
        assert value is not None and sureness is not None
        return value, sureness
    return None


def write(entry: Entry, stage: str, question: str, label: str) -> None:
    """A few words of the learner's own, locked before the page goes on."""
    words = st.text_area(question, key=f"{stage} {entry.identity}", max_chars=2_000)
    if st.button(label, key=f"lock {stage} {entry.identity}", type="primary"):
        with guarded():
            commit = entry.observe if stage == OBSERVE else entry.explain
            keep_entry(commit(words))
            st.rerun()
    skip(entry, "Skip")


def skip(entry: Entry, label: str) -> None:
    """A door past the present stage; that it was taken is recorded."""
    if st.button(label, key=f"skip {entry.stage} {entry.identity}", type="tertiary"):
        keep_entry(entry.skip())
        st.rerun()


def show(prepared: PreparedQuestion, value: str) -> None:
    """Bring the picture that was measured into view, and draw the page anew."""
    if prepared.framed is not None:
        state.change(layer=prepared.framed.layer, head=prepared.framed.head)
    elif prepared.heads:
        state.change(layer=prepared.heads[0].layer, head=None)
    st.rerun()


def go_on(sheet: Sheet, entry: Entry, prepared: PreparedQuestion, lab: MeasurementContext) -> None:
    """The doors at the end of a step, and what the sheet said about sureness."""
    record = get_record()
    is_over = entry.stage == DONE and bool(prepared.options)
    if is_over and st.button("Try this step again", icon=":material/replay:"):
        keep_entry(Entry.start(sheet, entry.step, prepared, lab, attempt=entry.attempt + 1))
        st.rerun()
    left, right = st.columns(2)
    with left:
        page_link("Predict", label="All sheets", sheet=None, step=1)
    if entry.step < len(sheet.steps):
        with right:
            label = f"Next: {sheet.steps[entry.step].title}"
            page_link("Predict", label=label, step=entry.step + 1, head=None)
    if all(is_done(record, lab, sheet, step) for step in steps_of(sheet)):
        feedback([entry for entry in record.entries if entry.sheet == sheet.name])


def feedback(entries: Sequence[Entry]) -> None:
    """How sure against how right, over a sheet."""
    st.header("How sure, how right")
    rows = [row for row in calibration(entries) if row.answers]
    if not rows:
        st.markdown("No graded prediction was made on this sheet, so there is nothing to compare.")
        return
    figure = calibration_figure(
        [row.sureness for row in rows],
        [row.answers for row in rows],
        [row.right for row in rows],
        "How sure, how right",
    )
    st.plotly_chart(figure, key="calibration", alt="Share of right answers at each sureness")
    st.caption(
        "If sureness means something, the bars grow from left to right. A few answers say little; "
        "look again after more sheets."
    )
