"""What a sheet still asks about stays hidden on all its texts; what it has shown does not."""

import pytest

from headlab.exercises import Entry, MeasurementContext, Record, prepare, sheets
from headlab.exercises.hiding import hidden_heads, was_shown
from headlab.heads import Head
from tests.models import tiny_model

SHEETS = sheets().sheets
SHEET = SHEETS["trophy-and-suitcase"]  # all of its figures come from one text


@pytest.fixture(scope="module")
def lab():
    return MeasurementContext.of(tiny_model())


def answered(lab, record, number, transfer=True):
    """The record with a step of the sheet answered, its transfer too or not."""
    step = SHEET.steps[number - 1]
    prepared, moved = (prepare(q, lab).askable for q in (step.question, step.transfer))
    entry = Entry.start(SHEET, number, prepared, lab).commit(prepared, prepared.options[0].value, 3)
    for _ in ("observe", "explain", "revise"):
        entry = entry.skip()
    if transfer:
        entry = entry.answer_transfer(moved, moved.options[0].value, 3)
    return record.with_entry(entry)


def test_a_text_is_hidden_as_far_as_any_open_question_asks(lab):
    """Steps 1 and 3 ask about one text: layer 0, the last layer, and then all layers."""
    trophy, last = SHEET.steps[0].question.text, lab.n_layers - 1
    assert SHEET.steps[2].question.text == trophy
    record, everything = Record.new(), set(lab.all_heads())
    assert set(hidden_heads(SHEET, record, lab, trophy)) == everything
    record = answered(lab, record, 1, transfer=False)
    first = {head for head in everything if head.layer == 0}
    assert set(hidden_heads(SHEET, record, lab, trophy)) == everything - first
    record = answered(lab, record, 1)
    assert {head.layer for head in hidden_heads(SHEET, record, lab, trophy)} == {*range(1, last)}
    assert not was_shown(SHEET, record, lab, SHEET.steps[2].question)
    record = answered(lab, record, 3)
    assert hidden_heads(SHEET, record, lab, trophy) == ()
    assert was_shown(SHEET, record, lab, SHEET.steps[0].question)


def test_other_texts_and_skipped_steps_hide_nothing(lab):
    assert hidden_heads(SHEET, Record.new(), lab, SHEET.steps[0].explore) == ()
    record = Record.new()
    for number, step in enumerate(SHEET.steps, 1):
        prepared = prepare(step.question, lab).askable
        record = record.with_entry(Entry.start(SHEET, number, prepared, lab).skip())
    assert hidden_heads(SHEET, record, lab, SHEET.steps[0].question.text) == ()


def test_an_answer_counts_the_heads_that_made_it(lab):
    prepared = prepare(SHEET.steps[0].question, lab)
    assert len(prepared.counted) == int(prepared.key.score)
    assert all(isinstance(head, Head) and head.layer == 0 for head in prepared.counted)


@pytest.mark.parametrize("name", list(SHEETS))
def test_no_sheet_lets_one_explore_what_it_will_ask(name):
    """And every transfer ends with a word of explanation."""
    sheet = SHEETS[name]
    asked = [(n, q.text.words) for n, s in enumerate(sheet.steps) for q in (s.question, s.transfer)]
    for number, step in enumerate(sheet.steps):
        assert step.transfer_explanation, f"step {number + 1} of {name}"
        later = [words for n, words in asked if n >= number]
        assert step.explore.words not in later, f"step {number + 1} of {name}"
