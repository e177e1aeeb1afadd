"""A record keeps what was committed, in order, and refuses what does not follow."""

import copy
import json
import math
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headlab import HeadlabError, load_model
from headlab.exercises import (
    Entry,
    MeasurementContext,
    Record,
    calibration,
    parse_record,
    prepare,
    sheets,
)
from headlab.exercises.record import (
    DONE,
    EXPLAIN,
    MAX_BYTES,
    OBSERVE,
    PREDICT,
    REVISE,
    SCHEMA,
    TRANSFER,
)

NOW = "2026-01-02T03:04:05+00:00"


@cache
def lab():
    return MeasurementContext.of(load_model("mini"))


@cache
def sheet():
    return sheets()["cat-twice"]


@cache
def prepared(step=1, part="question"):
    return prepare(getattr(sheet().steps[step - 1], part), lab())


def right(step=1, part="question"):
    return prepared(step, part).key.accepted[0]


def wrong(step=1, part="question"):
    question = prepared(step, part)
    return next(o.value for o in question.options if o.value not in question.key.accepted)


def started(step=1, attempt=1):
    return Entry.start(sheet(), step, prepared(step), lab(), attempt, NOW)


def finished(step=1, first=None, sureness=3, attempt=1):
    entry = started(step, attempt).commit(prepared(step), first or right(step), sureness, NOW)
    entry = entry.observe("a bright line", NOW).explain("it looks back", NOW)
    entry = entry.revise(prepared(step), right(step), 5, NOW)
    return entry.answer_transfer(prepared(step, "transfer"), wrong(step, "transfer"), 2, NOW)


def record(*entries, name="Ada"):
    made = Record.new(name, NOW)
    for entry in entries:
        made = made.with_entry(entry)
    return made


# -- committing


def test_a_step_goes_through_its_stages_in_order():
    entry = started()
    assert entry.stage == PREDICT
    entry = entry.commit(prepared(), wrong(), 4, NOW)
    assert entry.stage == OBSERVE
    entry = entry.observe(" a line ", NOW)
    assert entry.stage == EXPLAIN and entry.observation == "a line"
    entry = entry.explain("it looks back", NOW)
    assert entry.stage == REVISE
    entry = entry.revise(prepared(), right(), 5, NOW)
    assert entry.stage == TRANSFER and entry.finished is None
    entry = entry.answer_transfer(prepared(1, "transfer"), right(1, "transfer"), 1, NOW)
    assert entry.stage == DONE and entry.finished == NOW
    assert entry.verdicts == {"first": "wrong", "revised": "right", "transfer": "right"}
    assert entry.first.text == prepared().option(wrong()).text


def test_a_commitment_is_locked():
    entry = started().commit(prepared(), right(), 4, NOW)
    with pytest.raises(HeadlabError, match="stays as it is"):
        entry.commit(prepared(), wrong(), 1, NOW)
    with pytest.raises(HeadlabError, match="stays as it is"):
        started().revise(prepared(), right(), 1, NOW)
    with pytest.raises(HeadlabError, match="finished"):
        finished().skip()


@pytest.mark.parametrize(("value", "sureness"), [("99", 3), ("", 3), (None, 0), (None, 6)])
def test_only_offered_answers_with_a_sureness_count(value, sureness):
    with pytest.raises(HeadlabError):
        started().commit(prepared(), right() if value is None else value, sureness, NOW)


def test_empty_and_endless_words_are_refused():
    entry = started().commit(prepared(), right(), 4, NOW)
    for words in ("  ", "x" * 5_001):
        with pytest.raises(HeadlabError):
            entry.observe(words, NOW)


def test_before_the_commitment_the_record_does_not_hold_the_answer():
    text = record(started()).to_json()
    assert '"key": null' in text and prepared().key.text not in text and "accepted" not in text
    committed = started().commit(prepared(), wrong(), 4, NOW)
    assert prepared().key.text in record(committed).to_json()
    transfer = prepare(sheet().steps[0].transfer, lab()).ask
    assert transfer not in record(committed).to_json()


def test_skipping_is_recorded():
    skipped = started().skip(NOW)
    assert skipped.stage == DONE and skipped.skipped == (PREDICT,)
    assert set(skipped.verdicts.values()) == {"skipped"}
    entry = started().commit(prepared(), right(), 3, NOW)
    for _ in range(4):
        entry = entry.skip(NOW)
    assert entry.stage == DONE
    assert entry.skipped == (OBSERVE, EXPLAIN, REVISE, TRANSFER)
    both = (skipped, replace(entry, attempt=2))
    assert parse_record(record(*both).to_json()).entries == both


def test_a_question_that_cannot_be_posed_is_skipped_with_its_reason():
    unposable = replace(prepared(), posable=False, options=(), key=None, why="no such head")
    entry = Entry.start(sheet(), 1, unposable, lab(), now=NOW)
    assert entry.stage == DONE and entry.question.key.why == "no such head"
    assert parse_record(record(entry).to_json()).entries == (entry,)


# -- keeping


def test_a_second_vote_is_kept_beside_the_first_and_only_before_anything_is_shown():
    question = prepared()
    entry = Entry.start(sheet(), 1, question, lab())
    with pytest.raises(HeadlabError, match="nothing to vote on"):
        entry.vote_again(question, question.options[0].value, 3)
    first, other = (option.value for option in question.options[:2])
    entry = entry.commit(question, first, 2)
    before = Record.new("Zoë").with_entry(entry)
    assert "second" not in before.to_dict()["entries"][0]  # such files are as they were
    again = entry.vote_again(question, other, 4)
    assert (again.first, again.second.value, again.stage) == (entry.first, other, OBSERVE)
    for done in (again, entry.observe("It is bright.")):
        with pytest.raises(HeadlabError, match="nothing to vote on"):
            done.vote_again(question, first, 4)
    record = before.with_entry(again)
    assert parse_record(record.to_json()) == record
    assert before.merge(record).entries == record.entries == record.merge(before).entries


def test_what_was_locked_in_an_earlier_state_stays():
    question = prepared()
    first, other = (option.value for option in question.options[:2])
    begun = Entry.start(sheet(), 1, question, lab(), now=NOW)
    kept = Record.new("Zoë").with_entry(begun.commit(question, first, 2, NOW))
    changed = kept.with_entry(begun.commit(question, other, 5, NOW))
    emptied = Record(kept.id, kept.created, kept.versions, "Zoe")
    further = kept.with_entry(kept.entries[0].observe("It is bright.", NOW))
    assert changed.following(kept).entries == kept.entries
    assert emptied.following(kept) == replace(kept, name="Zoe")
    assert further.following(kept) == further


def test_round_trip():
    made = record(finished(1), finished(2, wrong(2), 5), started(3))
    again = parse_record(made.to_json())
    assert again == made
    assert parse_record(made.to_json().encode()) == made
    assert json.loads(made.to_json())["schema"] == SCHEMA


def test_what_a_record_says_about_its_setting():
    data = record(finished()).to_dict()["entries"][0]
    assert data["setting"]["content_hash"] == lab().content_hash
    assert data["setting"]["start_token"] == lab().start_token
    assert data["question"]["text"] == sheet().steps[0].question.text.words
    assert data["question"]["key"]["margin"] == prepared().key.margin
    assert set(record().versions) >= {"headlab", "numpy", "torch", "transformers"}


def test_going_on_after_an_upload():
    early = record(started(1))
    late = replace(early, entries=(finished(1), started(2)))
    for merged in (early.merge(late), late.merge(early)):
        assert {entry.stage for entry in merged.entries if entry.step == 1} == {DONE}
        assert len(merged.entries) == 2
    assert early.merge(late).find(sheet(), 1, lab()).stage == DONE
    assert early.find(sheet(), 3, lab()) is None
    other_policy = replace(lab(), start_token=None)
    assert late.find(sheet(), 1, other_policy) is None


def test_an_edited_sheet_is_another_sheet():
    edited = replace(sheet(), content_hash="0" * 64)
    assert record(started(1)).find(edited, 1, lab()) is None


def test_confident_misses_come_back_most_confident_first():
    made = record(finished(1, wrong(1), 4), finished(2, wrong(2), 5), finished(3, wrong(3), 3))
    assert [entry.step for entry in made.revisit()] == [2, 1]
    again = made.with_entry(finished(2, right(2), 4, attempt=2))
    assert [entry.step for entry in again.revisit()] == [1]


def test_calibration_counts_graded_predictions():
    rows = calibration([finished(1, wrong(1), 5), finished(2, right(2), 5), started(3)])
    by_sureness = {row.sureness: (row.answers, row.right) for row in rows}
    assert by_sureness == {1: (0, 0), 2: (2, 0), 3: (0, 0), 4: (0, 0), 5: (2, 1)}
    assert rows[4].share == 0.5 and math.isnan(rows[0].share)


# -- refusing


def damaged(path, value):
    data = copy.deepcopy(record(finished(1, wrong(1), 5)).to_dict())
    *places, last = path
    target = data
    for place in places:
        target = target[place]
    if value is KeyError:
        del target[last]
    else:
        target[last] = value
    return json.dumps(data)


ENTRY = ("entries", 0)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("schema",), "headlab.record/2", r"its schema is 'headlab\.record/2'"),
        (("schema",), None, "its schema is None"),
        (("id",), KeyError, "has no 'id'"),
        (("id",), "", "empty id"),
        (("extra",), 1, "'extra', which does not belong"),
        (("entries",), {}, "list of at most"),
        ((*ENTRY, "step"), 10**400, "whole number from 1 to 1000"),
        ((*ENTRY, "step"), True, "whole number"),
        ((*ENTRY, "started"), "yesterday", "date and time"),
        ((*ENTRY, "started"), "2026-01-02T03:04:05", "time zone"),
        ((*ENTRY, "first", "sureness"), 6, "whole number from 1 to 5"),
        ((*ENTRY, "first", "sureness"), 2.5, "whole number"),
        ((*ENTRY, "first"), None, "does not follow"),
        ((*ENTRY, "question", "key", "margin"), 1e300, "at most a million"),
        ((*ENTRY, "question", "key", "accepted"), [], "graded without an answer"),
        ((*ENTRY, "question", "key"), None, "does not follow"),
        ((*ENTRY, "question", "kind"), "which wish", "unknown kind"),
        ((*ENTRY, "observation"), "x" * 5_001, "at most 5,000"),
        ((*ENTRY, "observation"), "\ud800", "needs a text"),
        ((*ENTRY, "verdicts", "first"), "right", "verdict that does not follow"),
        ((*ENTRY, "verdicts"), {}, "verdict that does not follow"),
        ((*ENTRY, "finished"), None, "finished on one page"),
        ((*ENTRY, "skipped"), ["life"], "stage that does not exist"),
        ((*ENTRY, "transfer"), None, "does not follow"),
        ((*ENTRY, "setting", "start_token"), -1, "whole number"),
    ],
)
def test_a_bad_record_gets_one_sentence(path, value, words):
    with pytest.raises(HeadlabError, match=words) as error:
        parse_record(damaged(path, value))
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 400


def test_a_verdict_must_follow_from_answer_and_key():
    """Whoever changes the answer must change the verdict too, and then it is another record."""
    changed = json.loads(damaged((*ENTRY, "first", "value"), right()))
    with pytest.raises(HeadlabError, match="does not follow"):
        parse_record(json.dumps(changed))
    changed["entries"][0]["verdicts"]["first"] = "right"
    assert parse_record(json.dumps(changed)).entries[0].verdicts["first"] == "right"


@pytest.mark.parametrize(
    "source",
    [
        *("", "{", "[]", "null", "[" * 100_000, '{"schema": NaN}', b"\xff\xfe"),
        '{"schema": "headlab.record/1"}',
        '{"n": ' + "9" * 5_000 + "}",
        " " * (MAX_BYTES + 1),
    ],
    ids=range(10),
)
def test_what_is_no_record_gets_one_sentence(source):
    with pytest.raises(HeadlabError) as error:
        parse_record(source)
    assert len(str(error.value).splitlines()) == 1


def test_one_step_twice_is_refused():
    data = record(finished(1)).to_dict()
    data["entries"] *= 2
    with pytest.raises(HeadlabError, match="one step twice"):
        parse_record(json.dumps(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(data, at=()):
    """Every place in a JSON value."""
    yield at
    items = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    for key, value in items:
        yield from places(value, (*at, key))


@cache
def all_places():
    return [place for place in places(record(finished(1, wrong(1), 5)).to_dict()) if place]


def valid_or_refused(source):
    try:
        read = parse_record(source)
    except HeadlabError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert parse_record(read.to_json()) == read


@settings(deadline=None)
@given(st.one_of(st.text(), st.binary(), JSON.map(json.dumps)))
def test_any_text_or_bytes_is_a_record_or_a_sentence(source):
    valid_or_refused(source)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_value_in_any_place_is_a_record_or_a_sentence(data):
    place = data.draw(st.sampled_from(all_places()))
    valid_or_refused(damaged(place, data.draw(st.one_of(JSON, st.just(KeyError)))))
