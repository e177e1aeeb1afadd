"""The class board counts what forty learners committed, and says what it leaves out."""

import csv
import io
import json
import math
import random
import zipfile
from dataclasses import replace
from functools import cache
from html import escape

import pytest

from headlab import load_model
from headlab.exercises import Board, Entry, MeasurementContext, Record, prepare, sheets
from headlab.exercises.board import COLUMNS
from headlab.exercises.submissions import submissions
from headlab.exercises.worksheet import worksheet

NOW = "2026-01-02T03:04:05+00:00"
FORMULAS = ["=1+1", "+1", "-1", "@A1", "\t=1", "  =1", '=HYPERLINK("http://x")']


@cache
def lab():
    return MeasurementContext.of(load_model("mini"))


@cache
def sheet():
    return sheets()["cat-twice"]


@cache
def prepared(step, part):
    return prepare(getattr(sheet().steps[step], part), lab())


def learner(index):
    """The record of one synthetic learner, and what they answered by (step, part)."""
    rng = random.Random(index)
    record, answers = Record.new(f"Learner-{index}", NOW), {}
    for step in range(rng.randint(1, 3)):
        question, transfer = prepared(step, "question"), prepared(step, "transfer")
        entry = Entry.start(sheet(), step + 1, question, lab(), now=NOW)
        if rng.random() < 0.1:
            record = record.with_entry(entry.skip(NOW))
            answers[step, "skipped"] = True
            continue
        first = rng.choice(question.options)
        entry = entry.commit(question, first.value, rng.randint(1, 5), NOW)
        answers[step, "first"] = (first, entry.first.sureness)
        entry = entry.observe(rng.choice(FORMULAS).strip() or "x", NOW).explain("because", NOW)
        if rng.random() < 0.5:
            revised = question.option(question.key.accepted[0])
            entry = entry.revise(question, revised.value, 4, NOW)
            answers[step, "revised"] = (revised, 4)
        else:
            entry = entry.skip(NOW)
        if rng.random() < 0.7:
            option = rng.choice(transfer.options)
            entry = entry.answer_transfer(transfer, option.value, rng.randint(1, 5), NOW)
            answers[step, "transfer"] = (option, entry.transfer_answer.sureness)
        else:
            entry = entry.skip(NOW)
        record = record.with_entry(entry)
    return record, answers


CLASS = range(40)


@cache
def made():
    return [learner(index) for index in CLASS]


@cache
def board():
    return Board.read([(f"{i}.json", record.to_json()) for i, (record, _) in enumerate(made())])


def test_distributions_are_what_was_answered():
    assert len(board().records) == 40 and board().left_out == () and board().merged == 0
    questions = {(q.step - 1, q.part): q for q in board().questions()}
    assert set(questions) == {
        (step, part) for step in range(3) for part in ("question", "transfer")
    }
    for (step, part), question in questions.items():
        mine = "first" if part == "question" else "transfer"
        given = [a[step, mine][0] for _, a in made() if (step, mine) in a]
        assert question.first == {
            text: [o.text for o in given].count(text) for text in {o.text for o in given}
        }
        accepted = prepared(step, part).key.accepted
        assert question.right_first == sum(option.value in accepted for option in given)
        assert question.missing == 40 - len(given)
        assert question.keys == 1 and question.key.accepted == accepted
    for step in range(3):
        revised = [a[step, "revised"] for _, a in made() if (step, "revised") in a]
        question = questions[step, "question"]
        assert sum(question.revised.values()) == question.right_revised == len(revised)
        assert question.skipped == sum((step, "skipped") in a for _, a in made())


def test_two_votes_are_set_side_by_side():
    """Twelve learners: 3 stay right, 4 become right, 1 becomes wrong, 2 stay wrong, 2 vote once."""
    question = prepared(0, "question")
    right = question.key.accepted[0]
    wrong = [o.value for o in question.options if o.value not in question.key.accepted]
    votes = [(right, right)] * 3 + [(wrong[0], right)] * 4 + [(right, wrong[0])]
    votes += [(wrong[0], wrong[1]), (wrong[0], wrong[0]), (right, None), (wrong[0], None)]
    records = []
    for number, (first, second) in enumerate(votes):
        entry = Entry.start(sheet(), 1, question, lab(), now=NOW)
        entry = entry.commit(question, first, 1 + number % 5, NOW)
        entry = entry if second is None else entry.vote_again(question, second, 3, NOW)
        records.append(Record.new(f"L{number}", NOW).with_entry(entry))
    board = Board(tuple(records))
    found = board.current()
    assert (found.part, found.step, sum(found.second.values())) == ("question", 1, 10)
    two = found.votes
    counts = (two.stayed_right, two.became_right, two.became_wrong, two.stayed_wrong)
    assert counts == (3, 4, 1, 2) and two.learners == 10
    before, after = 4 / 10, 7 / 10
    assert two.gain == pytest.approx((after - before) / (1 - before))
    first = two.shifts[0]  # learners 0 and 5; the eleventh voted once
    assert (first.learners, first.changed, first.right_before, first.right_after) == (2, 1, 1, 2)
    assert sum(shift.changed for shift in two.shifts) == 6
    table = board.table()
    assert (table["part"] == "second").sum() == 10
    assert board.by_learner()["second right"].sum() == 7
    all_right = Board(tuple(records[:3])).current().votes
    assert math.isnan(all_right.gain) and Board(()).current() is None


def test_calibration_of_the_class():
    rows = {row.sureness: row for row in board().calibration()}
    for sureness in range(1, 6):
        pairs = [
            (step, part, answer[0])
            for _, answers in made()
            for (step, part), answer in answers.items()
            if part in ("first", "transfer") and answer[1] == sureness
        ]
        names = {"first": "question", "transfer": "transfer"}
        right = sum(o.value in prepared(s, names[p]).key.accepted for s, p, o in pairs)
        assert (rows[sureness].answers, rows[sureness].right) == (len(pairs), right)


def test_confident_misses_are_wrong_and_sure():
    misses = board().confident_misses()
    assert misses and [m.learners for m in misses] == sorted(m.learners for m in misses)[::-1]
    top = misses[0]
    mine = "first" if top.question.part == "question" else "transfer"
    key = (top.question.step - 1, mine)
    texts = [a[key][0].text for _, a in made() if key in a and a[key][1] >= 4]
    assert top.learners == texts.count(top.answer)
    assert top.answer not in top.question.accepted


def test_missing_steps_by_learner():
    missing = board().missing()
    for index, (record, _) in enumerate(made()):
        steps = set(missing[missing["learner"] == f"Learner-{index}"]["step"])
        assert steps == {1, 2, 3} - {entry.step for entry in record.entries if entry.finished}


def test_duplicates_are_merged():
    record, _ = made()[0]
    early = replace(record, entries=())
    both = Board.read([("a.json", record.to_json()), ("b.json", early.to_json())])
    assert both.records == (record,) and both.merged == 1


def test_different_names_at_one_browser_stay_different_people():
    anna, _ = made()[0]
    ben = replace(anna, name="Ben")
    files = [(f"{i}.json", record.to_json()) for i, record in enumerate((anna, ben, anna))]
    for order in (files, files[::-1]):
        both = Board.read(order)
        assert set(both.learners()) == {"Learner-0", "Ben"} and both.merged == 1
        (caution,) = both.cautions
        assert "Ben" in caution and "Learner-0" in caution
    assert "Learner 1, Learner 2" in both.anonymised().cautions[0]


def test_what_is_no_sound_record_is_listed_and_left_out():
    good = made()[0][0]
    forged = good.to_dict()
    entry = next(e for e in forged["entries"] if e["first"])
    entry["verdicts"]["first"] = "right" if entry["verdicts"]["first"] == "wrong" else "wrong"
    other = {**good.to_dict(), "schema": "headlab.record/9"}
    files = [
        *(("good.json", good.to_json()), ("torn.json", good.to_json()[:200])),
        *(("forged.json", json.dumps(forged)), ("later.json", json.dumps(other))),
    ]
    board = Board.read(files)
    assert board.records == (good,)
    reasons = dict(board.left_out)
    assert "damaged" in reasons["torn.json"]
    assert "does not follow" in reasons["forged.json"]
    assert "headlab.record/9" in reasons["later.json"]


def test_records_that_disagree_about_the_key_are_counted():
    changed = made()[1][0].to_dict()
    for entry in changed["entries"]:
        if entry["question"]["key"]:
            entry["question"]["key"]["accepted"] = ["never offered"]
    changed["id"] = "other"
    for entry in changed["entries"]:  # keep the verdicts consistent with the changed key
        for part in ("first", "revised"):
            if entry[part] and entry["question"]["key"]["graded"]:
                entry["verdicts"][part] = "wrong"
    files = [(str(i), record.to_json()) for i, (record, _) in enumerate(made())]
    found = Board.read([*files, ("changed", json.dumps(changed))])
    assert len(found.records) == 41
    assert max(question.keys for question in found.questions()) == 2
    assert all(q.key.accepted != ("never offered",) for q in found.questions())


def test_anonymised_boards_name_nobody():
    hidden = board().anonymised()
    text = hidden.to_csv() + repr(hidden.records)
    assert "Learner-" not in text
    assert not any(record.id in text for record in board().records)
    assert [q.first for q in hidden.questions()] == [q.first for q in board().questions()]


def test_the_table_is_tidy_and_the_csv_holds_no_formulas():
    table = board().table()
    assert list(table.columns) == list(COLUMNS)
    answered = sum(len([k for k in a if k[1] != "skipped"]) for _, a in made())
    assert (table["answer"] != "").sum() == answered
    rows = list(csv.DictReader(io.StringIO(board().to_csv())))
    assert len(rows) == len(table)
    cells = [cell for row in rows for cell in row.values()]
    assert not [c for c in cells if c.lstrip(" ")[:1] in {"=", "+", "-", "@", "\t"}]
    assert any(cell.startswith("'=") for cell in cells)


def test_an_empty_class_is_an_empty_board():
    empty = Board.read([])
    assert empty.questions() == [] and empty.confident_misses() == []
    assert empty.table().empty and empty.missing().empty
    assert empty.to_csv().removeprefix("\ufeff").strip() == ",".join(COLUMNS)


def test_one_row_a_learner_counts_what_each_did():
    table = board().by_learner()
    assert list(table["name"]) == board().learners() and len(table) == 40
    answers = board().table()
    first = answers[answers["part"] == "first"]
    for row in table.itertuples():
        mine = first[first["learner"] == row.name]
        tried = mine.sort_values("attempt").drop_duplicates(["sheet", "step", "model"])
        assert row.predicted == (tried["answer"] != "").sum()
    assert (table["steps done"] <= table["steps"]).all()


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_a_zip_of_submissions_is_read_like_its_files():
    records = board().records[:3]
    files = {f"{i}/rec.json": record.to_json() for i, record in enumerate(records)}
    files |= {"readme.txt": "x", "__MACOSX/1/rec.json": "x", "bad.json": "{"}
    found = Board.read(submissions("class.zip", zipped(files)))
    assert found.records == records and [name for name, _ in found.left_out] == ["bad.json"]
    assert list(submissions("one.json", b"{}")) == [("one.json", b"{}")]


@pytest.mark.parametrize(
    "content", [b"no zip", zipped({"big.json": b"0" * 30_000_000})], ids=["none", "too large"]
)
def test_a_zip_that_cannot_be_read_is_left_out(content):
    found = Board.read(submissions("class.zip", content))
    assert found.records == () and [name for name, _ in found.left_out] == ["class.zip"]


@pytest.mark.parametrize("key", [False, True])
def test_a_worksheet_asks_every_question_and_only_the_key_answers(key):
    html = worksheet(sheet(), lab(), key)
    for step in sheet().steps:
        asked = prepare(step.question, lab()).askable
        assert escape(asked.ask) in html
        assert (escape(asked.key.text) in html) == key
    assert "<script" not in html and "http" not in html
