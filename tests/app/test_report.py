"""The report page: what it offers, what it keeps, and that nothing kept can break it."""

import json
from urllib.parse import urlsplit

import pytest

from headlab import load_model, open_report
from headlab.exercises import Entry, MeasurementContext, Record, prepare, sheets
from headlab.exercises.guided import guided_texts
from headlab.heads import Head
from headlab.report import SECTIONS, read_report
from headlab.ui.services import draft
from headlab.ui.services.collected import Collected, place
from tests.app.test_pages import opened, sentences


@pytest.fixture
def drawn(monkeypatch):
    """The reports that the page has drawn, latest last."""
    made = []
    draw = draft.make_report

    def keep(*arguments, **options):
        made.append(draw(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(draft, "make_report", keep)
    return made


def page(**kept):
    test = opened("pages/Report.py", text="cat-on-the-mat")
    test.session_state["report"] = json.dumps(kept)
    return test.run()


def test_what_is_chosen_and_written_stands_in_the_report(drawn):
    test = opened("pages/Report.py", text="cat-on-the-mat")
    test.text_input(key="report title").set_value("<b>Mine</b>").run()
    test.text_area(key="report notes").set_value("A *note*").run()
    test.multiselect(key="report heads").set_value(["L3.H5"]).run()
    test.multiselect(key="report behaviours").set_value(["induction"]).run()
    test.multiselect(key="report sections").set_value(["notes", "passports"]).run()
    assert not test.exception and not test.error
    data = drawn[-1].data
    assert (data["title"], data["notes"]) == ("<b>Mine</b>", "A *note*")
    assert [card["head"] for card in data["cards"]] == ["L3.H5"]
    assert data["behaviours"] == ["induction"] and data["sections"] == ["passports", "notes"]
    assert json.loads(test.session_state["report"])["title"] == "<b>Mine</b>"


def test_predictions_are_offered_once_there_are_some(drawn):
    test = page()
    offered = test.multiselect(key="report sections").options
    assert SECTIONS["record"].title not in offered and SECTIONS["notes"].title not in offered
    lab, sheet = MeasurementContext.of(load_model("mini")), sheets()["cat-twice"]
    prepared = prepare(sheet.steps[0].question, lab)
    entry = Entry.start(sheet, 1, prepared, lab).commit(prepared, prepared.options[0].value, 3)
    record = Record.new("Anna").with_entry(entry)
    test.session_state["record"] = record.to_json()
    test.run()
    assert SECTIONS["record"].title in test.multiselect(key="report sections").options
    assert drawn[-1].record == record


@pytest.mark.parametrize(
    "kept",
    [
        {"title": 7, "heads": "L0.H0", "sections": [1], "notes": None},
        {"heads": ["L99.H0", "nonsense", "L1.H1"], "behaviours": ["gone"], "sections": ["gone"]},
        {"sections": ["notes"]},
        ["no", "object"],
    ],
    ids=["kinds", "names", "notes that were emptied", "list"],
)
def test_nothing_that_a_browser_kept_breaks_the_page(drawn, kept):
    test = opened("pages/Report.py", text="cat-on-the-mat")
    test.session_state["report"] = json.dumps(kept)
    test.run()
    assert not test.exception and sentences(test) == ""
    assert read_report(drawn[-1].html()) == drawn[-1]


def test_a_control_character_gets_a_sentence_and_stays():
    test = page(title="a\x07b")
    assert "Character 2 of the title cannot be written (U+0007)" in sentences(test)
    assert test.text_input(key="report title").value == "a\x07b"


def test_removed_heads_are_reported_once_that_is_asked_for(drawn):
    test = opened("pages/Report.py", text="cat-on-the-mat", removed="L3.H1-L5.H0", watch="chair")
    assert SECTIONS["interventions"].title not in test.multiselect(key="report sections").options
    assert drawn[-1].data["interventions"] == [] and drawn[-1].data["sweep"] is None
    test.toggle(key="report without").set_value(True).run()
    assert not test.exception and not test.error
    (group,) = drawn[-1].data["interventions"]
    assert group["heads"] == ["L3.H1", "L5.H0"]
    assert [each["text"] for each in group["watched"]] == [" chair"]
    assert "--remove=L3.H1 --remove=L5.H0 '--watch= chair'" in drawn[-1].data["command"]
    assert drawn[-1].data["sweep"] is None and drawn[-1].data["again"]
    test.toggle(key="report every").set_value(True).run()
    assert len(drawn[-1].data["sweep"]["effect"]) == 12 and drawn[-1].data["again"]
    test.multiselect(key="report sections").set_value(["maps"]).run()
    assert drawn[-1].data["interventions"] == []
    said = [block.value for block in test.caption]
    assert any("Choose the section “What happens without these heads”" in each for each in said)


def test_without_heads_to_remove_there_is_nothing_to_say(drawn):
    page(without=True, sections=["interventions"])
    assert drawn[-1].data["interventions"] == []
    assert "interventions" not in drawn[-1].data["sections"]


def test_marked_facts_are_in_the_report_by_their_words(drawn):
    text = "Maria lives in Oslo. Tom lives in Lima. The home of Maria is"
    test = opened("pages/Report.py", text="own")
    marks = {"model": "mini", "text": text, "pairs": [[[0], [3]], [[5], [8]]]}
    test.session_state["marks"] = json.dumps(marks)
    test.text_area(key="own_text").set_value(text).run()
    assert not test.exception and sentences(test) == ""
    assert drawn[-1].data["entities"] == [["Maria", "Oslo"], ["Tom", "Lima"]]
    assert "--entity=Maria=Oslo" in drawn[-1].data["command"]


def test_little_of_a_report_stays_behind(drawn):
    test = page(name="Anna")
    kept = test.session_state["report as drawn"][1]
    assert kept.html() == drawn[-1].html() and kept.to_json() == drawn[-1].to_json()
    assert kept.to_csv() == drawn[-1].to_csv() and len(kept.packed) < len(kept.html()) / 3
    assert urlsplit.cache_info().currsize == 0  # Streamlit's preview leaves whole pages in there


def test_the_file_of_the_page_is_a_report(drawn, tmp_path):
    page(name="Anna")
    drawn[-1].save(tmp_path / "r.html")
    assert open_report(tmp_path / "r.html").data["name"] == "Anna"


def test_a_look_and_a_collected_circuit_stand_in_the_report(drawn):
    text = guided_texts()["cat-on-the-mat"].text
    mine = Collected(place("mini", True, "text", text), 12, 6, 5, "dog", (Head(0, 0), Head(3, 7)))
    query = {"text": "cat-on-the-mat", "layer": "3", "head": "7", "circuit": str(mine)}
    test = opened("pages/Report.py", **query)
    test.toggle(key="report why").set_value(True).run()
    test.toggle(key="report circuit").set_value(True).run()
    assert not test.exception and not test.error
    data = drawn[-1].data["mechanisms"]
    assert data["why"][0]["head"] == "L3.H7" and data["kept"][0]["heads"] == ["L0.H0", "L3.H7"]
    assert data["told"][0]["edges"][0]["sender"] == "L0.H0"
    test.query_params["text"] = "alice"
    test.run()
    assert not test.exception and not test.error
    assert "report circuit" not in [each.key for each in test.toggle]
    assert drawn[-1].data["mechanisms"]["told"] == []
