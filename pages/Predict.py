"""Exercises: predict before you look, then see what was measured, explain, and try it elsewhere."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from headlab.errors import HeadlabError
from headlab.exercises import (
    Entry,
    MeasurementContext,
    PreparedQuestion,
    Question,
    Record,
    Sheet,
    calibration,
    explain,
    parse_record,
    prepare,
    sheets,
)
from headlab.exercises.kinds import get_kind
from headlab.exercises.record import DONE, EXPLAIN, OBSERVE, PREDICT, REVISE, TRANSFER
from headlab.figures import (
    calibration_figure,
)
from headlab.ui.services import state
from headlab.ui.services.learner import (
    get_lab,
    get_record,
    keep_entry,
    keep_record,
    tried_sheet,
    try_sheet,
)
from headlab.ui.services.navigation import page_link
from headlab.ui.services.second import has_second
from headlab.ui.services.start_page import guarded, start_page
from headlab.ui.services.state import Selection
from headlab.ui.views.reveal import pictures, reveal, verdict
from headlab.ui.views.words import plain

SURENESS = {1: "a guess", 2: "unsure", 3: "fairly sure", 4: "sure", 5: "certain"}
FEW = 8  # options shown as buttons; more become a list


# -- the list of sheets


def choose_sheet(selection: Selection, record: Record) -> None:
    """Everything that is on offer, what should be revisited, and the learner's record."""
    st.markdown(
        "Each sheet asks you to predict what heads will do **before** their pictures are shown. "
        "You say how sure you are, look, say what you see, and only then read what was measured. "
        "Answers are measured on the model you have open, at the moment you ask. Being wrong "
        "while sure is the most useful thing that can happen to you here: such questions come "
        "back under *Revisit*."
    )
    revisit(record)
    offered = sheets()
    mine = tried_sheet()
    for sheet in (*([mine] if mine else []), *offered.sheets.values()):
        with st.container(border=True):
            about = f"{sheet.goal}  \n{sheet.level} · about {sheet.minutes} minutes"
            if lacks_second(selection, sheet):
                st.markdown(f"**{sheet.title}**  \n{about}")
                offer_second()
                continue
            lab = get_lab(selection, sheet)
            done = sum(is_done(record, lab, sheet, step) for step in steps_of(sheet))
            page_link("Predict", label=f"**{sheet.title}**", sheet=sheet.name, step=1)
            st.markdown(f"{about} · {done} of {len(sheet.steps)} steps done")
    your_record(record)
    own_sheet(offered.problems)


def lacks_second(selection: Selection, sheet: Sheet) -> bool:
    """Whether the sheet compares two models and only one is chosen."""
    return sheet.needs_second and not has_second(selection)


def offer_second() -> None:
    """What a sheet about two models needs first, and the way there."""
    st.info(
        "This sheet compares the model you have open with a second one. Choose the second one on "
        "the Compare page, then come back."
    )
    page_link("Compare", label="Choose a second model")


def revisit(record: Record) -> None:
    """Wrong answers given while sure, the surest first."""
    missed = record.revisit()
    if missed:
        st.subheader("Revisit")
        st.markdown("You were sure here, and the measurement said otherwise. Try again:")
    for entry in missed:
        page_link(
            "Predict",
            label=f"{entry.sheet_title}, step {entry.step}: {entry.step_title}",
            sheet=entry.sheet,
            step=entry.step,
        )


def your_record(record: Record) -> None:
    """Download, upload and name of the record."""
    with st.expander("Your record"):
        st.markdown(
            "Everything you commit is kept in this browser, and nowhere else. Download it to hand "
            "it in, or to go on with another day or on another machine."
        )
        name = st.text_input("Your name, if you like", value=record.name, max_chars=200)
        if name != record.name:
            record = replace(record, name=name)
            keep_record(record)
        st.download_button(
            "Download your record (JSON)",
            record.to_json(),
            "headlab-record.json",
            "application/json",
            disabled=not record.entries,
        )
        file = st.file_uploader("Go on with a record you saved", type="json", key="saved record")
        if file is not None and st.session_state.get("record taken in") != file.file_id:
            with guarded():
                keep_record(parse_record(file.getvalue()).merge(record))
                st.session_state["record taken in"] = file.file_id
                st.rerun()


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


# -- one step


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


with start_page("Predict") as selection:
    sheet = None
    if selection.sheet is not None:
        try:
            sheet = find_sheet(selection.sheet)
        except HeadlabError as error:
            st.warning(str(error))
    if sheet is None:
        st.title("Predict before you click")
        choose_sheet(selection, get_record())
    elif lacks_second(selection, sheet):
        st.title(sheet.title)
        st.markdown(f"**Goal:** {sheet.goal}")
        offer_second()
    else:
        st.title(sheet.title)
        number = min(max(selection.step, 1), len(sheet.steps))
        if number != selection.step:
            st.warning(f"This sheet has no step {selection.step}: step {number} is shown.")
        run_step(replace(selection, step=number), sheet, get_lab(selection, sheet))
