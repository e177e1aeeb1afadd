"""The class page: many records at once, sound ones counted and the others named."""

import json
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from headlab import load_model, make_report
from headlab.exercises import Entry, MeasurementContext, Record, prepare, sheets
from tests.app.test_pages import opened

SHEET = sheets()["cat-twice"]


@pytest.fixture(scope="module")
def prepared():
    lab = MeasurementContext.of(load_model("mini"))
    return prepare(SHEET.steps[0].question, lab), lab


def record_of(prepared, name, value, sureness=4):
    question, lab = prepared
    entry = Entry.start(SHEET, 1, question, lab).commit(question, value, sureness)
    return Record.new(name).with_entry(entry)


def class_page(files) -> AppTest:
    test = opened("pages/Class.py")
    upload = test.main.file_uploader[0]
    upload.set_value([(name, content, "application/json") for name, content in files]).run()
    assert not test.exception and not test.error
    return test


def said(test: AppTest) -> str:
    return "\n".join(block.value for block in (*test.main.markdown, *test.main.caption))


def tables(test: AppTest) -> str:
    return " ".join(frame.value.to_json() for frame in test.main.dataframe)


def test_answers_of_a_class_against_what_was_measured(prepared):
    key = prepared[0].key.accepted[0]
    wrong = next(o.value for o in prepared[0].options if o.value not in prepared[0].key.accepted)
    given = [key] * 3 + [wrong] * 2
    records = [record_of(prepared, f"Learner {i}", value) for i, value in enumerate(given)]
    files = [(f"{i}.json", record.to_json().encode()) for i, record in enumerate(records)]
    test = class_page([*files, ("again.json", files[0][1])])
    assert "**5 records** read, 1 repeated merged." in said(test)
    assert "Right at first: **3 of 5**." in said(test)
    misses = test.main.dataframe[0].value
    assert list(misses["learners"]) == [2]
    assert list(misses["answer"]) == [prepared[0].option(wrong).text]


def test_an_empty_page_shows_learners_who_are_marked_as_invented(prepared):
    test = opened("pages/Class.py")
    assert not test.exception and not test.error
    assert any("these three learners are invented" in box.value for box in test.main.info)
    assert "of those who revised" in said(test) and len(test.get("plotly_chart")) == 3
    assert not test.get("download_button")
    real = class_page([("a.json", record_of(prepared, "Anna", "0").to_json().encode())])
    assert not any("invented" in box.value for box in real.main.info)


def test_two_names_in_one_record_are_told(prepared):
    anna = record_of(prepared, "Anna", prepared[0].key.accepted[0])
    files = [(f"{i}.json", replace(anna, name=n).to_json()) for i, n in enumerate(("Anna", "Ben"))]
    test = class_page([(name, content.encode()) for name, content in files])
    assert "**2 records** read." in said(test)
    assert "bears several names" in test.main.warning[0].value


def test_bad_records_are_listed_with_the_reason_and_left_out(prepared):
    good = record_of(prepared, "Anna", prepared[0].key.accepted[0]).to_json()
    forged = json.loads(good)
    forged["entries"][0]["verdicts"]["first"] = "wrong"
    files = {
        "good.json": good.encode(),
        "other.json": good.replace("record/1", "record/7").encode(),
        "forged.json": json.dumps(forged).encode(),
        "noise.json": b"\x00\xff",
    }
    test = class_page(list(files.items()))
    assert "**1 record** read, 3 left out." in said(test)
    left_out = test.main.dataframe[0].value.set_index("file")["reason"]
    assert set(left_out.index) == {"other.json", "forged.json", "noise.json"}
    assert "does not follow from its answer" in left_out["forged.json"]


def test_reports_that_hold_a_record_are_taken_too(prepared):
    question, lab = prepared
    record = record_of(prepared, "Anna", question.key.accepted[0])
    profile, reading = lab.profile(), lab.reading(question.question.text)
    with_record = make_report(reading, profile, record=record, date="2025-01-01")
    without = make_report(reading, profile, date="2025-01-01")
    test = class_page(
        [
            ("anna.html", with_record.html().encode()),
            ("anna.json", record.to_json().encode()),
            ("plain.html", without.html().encode()),
            ("page.html", b"<!doctype html><p>hello"),
        ]
    )
    assert "**1 record** read, 1 repeated merged, 2 left out." in said(test)
    reasons = test.main.dataframe[0].value.set_index("file")["reason"]
    assert "holds no learning record" in reasons["plain.html"]
    assert "no report" in reasons["page.html"]


def test_names_can_be_hidden(prepared):
    value = prepared[0].key.accepted[0]
    test = class_page([("a.json", record_of(prepared, "Annabelle", value).to_json().encode())])
    assert "Annabelle" in tables(test)
    test.toggle(key="anonymous").set_value(True).run()
    assert "Annabelle" not in tables(test) and "Learner 1" in tables(test)


def test_empty_records_are_said_to_be_empty():
    test = class_page([("a.json", Record.new("Anna").to_json().encode())])
    assert any("Nobody has answered" in block.value for block in test.main.info)
