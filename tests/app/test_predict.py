"""Predict: every sheet to its end, with right and wrong answers; nothing is shown early."""

import json
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from headlab import Profile, languages, load_model
from headlab.exercises import Entry, MeasurementContext, Record, parse_record, prepare, sheets
from headlab.exercises.effects import SIZES
from headlab.exercises.sheets import FOLDER
from headlab.measuring.pictures import draw_pictures
from headlab.ui.components.head_grid import GridView, grid_data
from headlab.ui.services.learner import get_lab
from headlab.ui.services.selection import Selection
from tests.app.test_pages import ROOT, opened, sentences
from tests.profiles import weakened

SHEETS = sheets().sheets
WEAKENED = ("retrieval", "induction", "previous_token", "first_token")


@pytest.fixture(scope="module")
def lab():
    return MeasurementContext.of(load_model("mini"))


def predict_page(second: Profile | None = None, **query: str) -> AppTest:
    if second is None:
        test = opened("pages/Predict.py", **query)
    else:
        test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
        test.switch_page("pages/Predict.py")
        test.session_state["profile handed in"] = second
        test.query_params.update({"with": "uploaded", **query})
        test.run()
    assert not test.exception and not test.error
    return test


def press(test: AppTest, label: str) -> AppTest:
    next(button for button in test.main.button if button.label == label).click().run()
    assert not test.exception and not test.error
    return test


def labels(test: AppTest) -> list[str]:
    return [button.label for button in test.main.button]


def answer(test: AppTest, value: str, sureness: int) -> AppTest:
    widgets = [*test.main.selectbox, *test.main.get("button_group")]
    [widget for widget in widgets if widget.label == "Your answer"][-1].set_value(value)
    chips = [group for group in test.main.get("button_group") if group.label == "How sure are you?"]
    chips[-1].set_value(sureness).run()
    return press(test, "Lock my answer")


def hand_in(test: AppTest, key: str, name: str, content: bytes) -> None:
    upload = next(each for each in test.main.file_uploader if each.key == key)
    upload.set_value((name, content, "application/octet-stream")).run()


def record(test: AppTest) -> Record:
    return parse_record(test.session_state["record"])


def wrong(prepared) -> str:
    return next(o.value for o in prepared.options if o.value not in prepared.key.accepted)


def said(test: AppTest) -> str:
    kinds = ("markdown", "caption", "success", "warning", "info")
    blocks = [block for kind in kinds for block in getattr(test.main, kind)]
    return "\n".join(block.value for block in blocks)


def write(test: AppTest, words: str, label: str) -> AppTest:
    test.main.text_area[0].set_value(words)
    return press(test, label)


@pytest.mark.parametrize("name", list(SHEETS))
def test_every_sheet_runs_to_its_end(name, lab):
    """Every other step is answered wrong; which ones differs from sheet to sheet."""
    sheet, second = SHEETS[name], None
    if sheet.needs_second:
        second = weakened(lab.profile(), WEAKENED)
        lab = lab.beside(second)
    test, answers = predict_page(second, sheet=name), {}
    for number, step in enumerate(sheet.steps, 1):
        right = (number + list(SHEETS).index(name)) % 2 == 0
        answers[number] = "right" if right else "wrong"
        prepared = prepare(step.question, lab)
        assert prepared.options, f"{name} {number}: {prepared.why}"
        if number > 1:
            test.query_params["step"] = str(number)
            test.run()
        answer(test, prepared.key.accepted[0] if right else wrong(prepared), 5)
        write(test, "one bright column", "Lock what you saw")
        write(test, "because it repeats", "Lock my sentence")
        answer(test, prepared.key.accepted[0], 4)
        moved = prepare(step.transfer, lab)
        answer(test, moved.key.accepted[0] if right else wrong(moved), 2)
    entries = record(test).entries
    assert [entry.step for entry in entries] == list(answers)
    for entry in entries:
        assert entry.stage == "done"
        assert entry.verdicts["first"] in (answers[entry.step], "not graded")
    assert {answers[entry.step] for entry in record(test).revisit()} <= {"wrong"}


@pytest.mark.parametrize("name", ["cat-twice", "bigger-model"])
def test_a_sheet_can_be_skipped_through(name, lab):
    sheet = SHEETS[name]
    test = predict_page(
        weakened(lab.profile(), WEAKENED) if sheet.needs_second else None, sheet=name
    )
    for number in range(1, len(sheet.steps) + 1):
        if number > 1:
            test.query_params["step"] = str(number)
            test.run()
        press(test, "Skip this step")
    entries = record(test).entries
    assert len(entries) == len(sheet.steps)
    assert all(e.stage == "done" and e.verdicts["first"] == "skipped" for e in entries)


def test_a_sheet_about_two_models_says_what_it_needs_first():
    for test in (predict_page(), predict_page(sheet="after-fine-tuning")):
        assert "compares the model you have open with a second one" in said(test)
        assert "Choose a second model" in [link.label for link in test.get("page_link")]
    assert not labels(predict_page(sheet="bigger-model"))


def test_the_flow_tells_nothing_before_its_time(lab):
    step = SHEETS["cat-twice"].steps[0]
    prepared = prepare(step.question, lab)
    test = predict_page(sheet="cat-twice")
    assert prepared.key.text not in said(test) and step.observe not in said(test)
    answer(test, wrong(prepared), 4)
    assert prepared.key.text not in said(test)  # what do you see comes before the verdict
    assert test.main.text_area[0].label == step.observe
    test.main.text_area[0].set_value("a line").run()
    press(test, "Lock what you saw")
    assert prepared.key.text in said(test)
    assert "**Ours:**" not in said(test)  # one's own sentence comes before ours
    press(test, "Skip")
    assert "**Ours:**" in said(test)


def test_a_record_holds_no_key_before_the_answer(lab):
    test = predict_page(sheet="cat-twice")
    press(test, "Show a hint")
    assert "record" not in test.session_state or not test.session_state["record"]
    prepared = prepare(SHEETS["cat-twice"].steps[0].question, lab)
    answer(test, wrong(prepared), 3)
    (entry,) = json.loads(test.session_state["record"])["entries"]
    assert entry["question"]["key"]["accepted"] and entry["transfer"] is None


def test_hidden_heads_are_not_sent(lab):
    text = SHEETS["cat-twice"].steps[0].question.text
    prepared = prepare(SHEETS["cat-twice"].steps[0].question, lab)
    reading, pictures = lab.reading(text), draw_pictures(load_model("mini"), text.words)
    data = grid_data(reading, pictures, GridView(0, None), hidden=prepared.hidden)
    assert set(data["pictures"]) <= {"A", "="}  # nothing but zeros in base64
    assert not any(hint for row in data["hints"] for hint in row)
    one = grid_data(reading, pictures, GridView(0, None), hidden=prepared.hidden[:1])
    assert one["hints"][0][0] == "" and one["hints"][0][1] == str(reading.hint(0, 1))


def test_an_effect_is_shown_only_after_the_prediction_and_with_it(lab):
    prepared = prepare(SHEETS["two-step-circuit"].steps[0].question, lab)
    figures, size = prepared.key.figures, SIZES[0]
    test = predict_page(sheet="two-step-circuit")
    assert figures["before"] in said(test) and "has not been sent" in said(test)
    assert figures["after"] not in said(test) and not test.get("plotly_chart")
    answer(test, size.name, 3)
    (chart,) = test.get("plotly_chart")
    bars, frame = json.loads(chart.proto.spec)["data"]
    before, after = (prepared.measured[name][0] for name in ("before", "after"))
    assert bars["text"] == [f"{before:.3f}", f"{after:.3f}"]
    assert min(frame["y"]) == pytest.approx(size.least * before) and max(frame["y"]) == 1
    captions = "\n".join(block.value for block in test.main.caption)
    assert f"from {figures['before']} to {figures['after']}" in captions
    assert prepared.key.text not in said(test)  # the verdict comes after what was seen


def test_confident_misses_come_back_first_and_can_be_tried_again(lab):
    prepared = prepare(SHEETS["cat-twice"].steps[0].question, lab)
    test = predict_page(sheet="cat-twice")
    answer(test, wrong(prepared), 5)
    for label in ("Skip", "Skip", "Keep my first answer", "Skip this question"):
        press(test, label)
    del test.query_params["sheet"]
    test.run()
    assert [block.value for block in test.main.subheader] == ["Revisit"]
    assert record(test).revisit()[0].step == 1
    test.query_params["sheet"] = "cat-twice"
    test.run()
    press(test, "Try this step again")
    answer(test, prepared.key.accepted[0], 5)
    assert [entry.attempt for entry in record(test).entries] == [1, 2]
    assert not record(test).revisit()


def test_bad_sheets_and_records_get_a_sentence_and_lose_nothing(lab):
    prepared = prepare(SHEETS["cat-twice"].steps[0].question, lab)
    test = predict_page(sheet="cat-twice")
    answer(test, wrong(prepared), 5)
    before = test.session_state["record"]
    del test.query_params["sheet"]
    test.run()
    hand_in(test, "saved record", "r.json", b'{"schema": "headlab.record/9"}')
    assert "use the version of headlab that wrote it" in sentences(test) and not test.exception
    assert test.session_state["record"] == before
    hand_in(test, "own sheet", "s.toml", b"title = <script>")
    assert "s.toml" in sentences(test) and not test.exception


def test_a_saved_record_goes_on_where_it_was(lab):
    prepared = prepare(SHEETS["cat-twice"].steps[0].question, lab)
    first = predict_page(sheet="cat-twice")
    answer(first, wrong(prepared), 5)
    saved = first.session_state["record"].encode()
    second = predict_page()
    hand_in(second, "saved record", "r.json", saved)
    second.query_params["sheet"] = "cat-twice"
    second.run()
    assert "It is locked" in said(second)


def test_a_teacher_s_sheet_opens_in_their_own_session_only():
    raw = (FOLDER / "cat-twice.toml").read_bytes().replace(b"The cat sat twice", b"My own sheet")
    test = predict_page()
    hand_in(test, "own sheet", "mine.toml", raw)
    assert any("My own sheet" in link.label for link in test.get("page_link"))
    test.query_params["sheet"] = "mine"
    test.run()
    assert test.title[0].value == "My own sheet"
    assert "Unknown sheet 'mine'" in sentences(opened("pages/Predict.py", sheet="mine"))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"sheet": "cat-twise"}, "Did you mean 'cat-twice'?"),
        ({"sheet": "cat-twice", "step": "99"}, "This sheet has no step 99"),
        ({"sheet": "<script>"}, "Unknown sheet"),
    ],
)
def test_hostile_addresses_get_a_sentence(query, words):
    test = opened("pages/Predict.py", **query)
    assert words in sentences(test) and not test.exception and not test.error


def test_what_a_learner_writes_is_shown_as_text(lab):
    prepared = prepare(SHEETS["cat-twice"].steps[0].question, lab)
    test = predict_page(sheet="cat-twice")
    answer(test, wrong(prepared), 2)
    test.main.text_area[0].set_value("*bold* <b>x</b> $x$ :red[y]").run()
    press(test, "Lock what you saw")
    shown = next(b.value for b in test.main.markdown if b.value.startswith("You saw"))
    assert r"\*bold\* \<b\>x" in shown and r"\$x\$ \:red\[y\]" in shown


def missed_entry(lab) -> Entry:
    sheet = SHEETS["cat-twice"]
    prepared = prepare(sheet.steps[0].question, lab)
    return Entry.start(sheet, 1, prepared, lab).commit(prepared, wrong(prepared), 5)


def named(test: AppTest, name: str) -> AppTest:
    return test.text_input[0].set_value(name).run()


def test_a_changed_name_asks_who_is_working(lab):
    anna = Record.new("Anna").with_entry(missed_entry(lab))
    for label, same in (("Somebody else", False), ("The same person", True)):
        test = predict_page()
        test.session_state["record"] = anna.to_json()
        named(test.run(), "Ben")
        assert parse_record(test.session_state["record"]) == anna
        next(b for b in test.button if b.label.startswith(label)).click().run()
        record = parse_record(test.session_state["record"])
        assert record.name == "Ben" and (record.id == anna.id) is same
        assert record.entries == (anna.entries if same else ())
        assert not any(b.label.startswith(label) for b in test.button)
        hand_in(test, "saved record", "anna.json", anna.to_json().encode())
        assert (len(test.error) == 1) is same


def test_the_first_name_asks_nothing():
    test = named(predict_page(), "Anna")
    assert parse_record(test.session_state["record"]).name == "Anna"
    assert not any("somebody else" in box.value.lower() for box in test.main.info)


def test_a_step_to_revisit_opens_on_the_model_it_was_asked_on(lab):
    entry = missed_entry(lab)
    test = predict_page()
    elsewhere = replace(entry, setting=replace(entry.setting, model="distilgpt2"))
    test.session_state["record"] = Record.new("A").with_entry(elsewhere).to_json()
    test.run()
    link = next(x.proto for x in test.main.get("page_link") if "step 1" in x.proto.label)
    assert "model=distilgpt2" in link.query_string


def test_a_sheet_in_german_has_german_words_around_it(tmp_path, monkeypatch):
    source = (FOLDER / "cat-twice.toml").read_text(encoding="utf-8")
    (tmp_path / "katze.toml").write_text(f'language = "de"\n{source}', encoding="utf-8")
    (tmp_path / "arabic.toml").write_text(f'language = "ar"\n{source}', encoding="utf-8")
    monkeypatch.setenv("HEADLAB_SHEETS", str(tmp_path))
    test = opened("pages/Predict.py", sheet="katze")
    assert not test.exception and not test.error
    assert "Meine Antwort festlegen" in [button.label for button in test.button]
    assert "Schritt 1 von" in "".join(block.value for block in test.main.markdown)
    assert not [each for each in test.get("html") if "rtl" in str(each)]
    english = opened("pages/Predict.py", sheet="cat-twice")
    assert "Lock my answer" in [button.label for button in english.button]
    arabic = opened("pages/Predict.py", sheet="arabic")
    assert "Lock my answer" in [button.label for button in arabic.button]


def test_what_is_looked_at_in_the_passage_asked_about_is_sent_after_the_answer(lab):
    test = opened("pages/Predict.py", sheet="on-real-text")
    assert not test.exception and not test.error
    (before,) = [each.proto.body for each in test.get("html") if 'class="seen"' in each.proto.body]
    shown = before.split("</p>")
    assert all("--s:" in row for row in shown[:2]) and "--s:" not in shown[2]
    options = prepare(sheets()["on-real-text"].steps[0].question, lab).options
    answer(test, options[0].value, 3)
    after = next(each.proto.body for each in test.get("html") if 'class="seen"' in each.proto.body)
    assert all("--s:" in row for row in after.split("</p>")[:3])


def test_what_is_prepared_once_for_all_names_their_model_and_speaks_their_language():
    question = replace(sheets().sheets["cat-twice"].steps[0].question, ask="What does {model} do?")
    lab = get_lab(Selection(model="mini"))
    twin = replace(lab, model=replace(lab.model, name="twin"))
    assert twin.content_hash == lab.content_hash
    asked = [prepare(question, each) for each in (lab, twin, lab)]
    assert [each.ask for each in asked] == [f"What does {n} do?" for n in ("mini", "twin", "mini")]
    assert asked[2] is asked[0]  # made once
    with languages.speaking("de"):
        assert prepare(question, lab).options[0].text != asked[0].options[0].text
