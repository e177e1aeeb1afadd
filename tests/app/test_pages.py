"""Pages open by their own address, show what the engine measures, and survive bad input."""

import re
import shutil
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from headlab import load_model, profile_model, read_text
from headlab.behaviours import get_behaviour
from headlab.exercises import guided, sheets
from headlab.exercises.guided import guided_texts
from headlab.profiles.kept import kept_profile
from headlab.ui.services.start_page import _begun

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["streamlit_app.py", *(f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py"))]


def opened(page: str, **query: str) -> AppTest:
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    if page != "streamlit_app.py":
        test.switch_page(page)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def sentences(test: AppTest) -> str:
    return " ".join(block.value for block in (*test.error, *test.warning))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_cold(page):
    test = opened(page)
    assert not test.exception and not test.error
    assert test.title[0].value
    assert any("mini" in block.value for block in test.sidebar.markdown)
    assert any("Start token" in block.value for block in test.sidebar.caption)


@pytest.mark.parametrize("name", list(guided_texts()))
def test_every_guided_text_opens(name):
    test = opened("pages/Layers.py", text=name)
    assert not test.exception and not test.error
    assert test.selectbox(key="text_name").value == name


def test_a_text_with_a_mistake_stops_nothing(monkeypatch, tmp_path):
    folder = shutil.copytree(guided.FOLDER, tmp_path / "texts")
    (folder / "kaputt.toml").write_text('order = 7\ntitel = "T"\ntext = "x"\nlook = "y"\n')
    monkeypatch.setattr(guided, "FOLDER", folder)
    assert not opened("pages/Layers.py").error
    test = opened("pages/Predict.py")
    assert not test.error and len(test.main.get("page_link")) >= len(sheets().sheets) > 10
    assert "kaputt" in test.main.warning[0].value and "line 2" in test.main.warning[0].value


def test_the_passport_shows_what_was_measured():
    test = opened("pages/Layers.py", text="cat-on-the-mat", layer="3", head="7")
    model = load_model("mini")
    profile, text = profile_model(model), guided_texts()["cat-on-the-mat"].text
    table = test.dataframe[0].value
    shown = table.set_index("behaviour").loc["Induction"]
    assert shown["score"] == f"{profile.score['induction'][3, 7]:.3f}"
    assert shown["confidence"] == f"{profile.role_confidence['induction'][3, 7]:.0%}"
    reading = read_text(model, text)
    assert shown["here"] == f"{reading.scores['induction'][3, 7]:.3f}"
    assert shown["on this text"] == f"● {reading.status['induction'][3, 7]}"
    margin = profile.excess["induction"][3, 7] - get_behaviour("induction").threshold
    assert shown["margin"] == f"{margin:+.2f}"
    passing = [
        get_behaviour(name).title
        for name in profile.behaviours
        if profile.value(name)[3, 7] >= get_behaviour(name).threshold
    ]
    assert set(table["behaviour"][: len(passing)]) == set(passing)  # those that pass come first
    assert not table.isna().any().any() and "None" not in table.to_string()
    (card,) = [block.proto.body for block in test.get("html") if 'class="role"' in block.proto.body]
    assert card.count('class="role"') == len(passing) and "it counts from" in card
    assert any(profile.sentence(3, 7) in block.value for block in test.markdown)
    assert any(profile.label_text(3, 7) in block.value for block in test.subheader)
    assert any(profile.confidence_text(3, 7) in block.value for block in test.markdown)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("   ", "empty"),
        ("The", "single token"),
        ("word " * 400, "shorten it by"),
        ("nul \x00 here", "control character (U+0000)"),
        ("bell \x07 here", "control character (U+0007)"),
    ],
    ids=["blank", "one token", "too long", "NUL", "bell"],
)
def test_bad_text_gets_a_sentence_and_stays(text, words):
    test = opened("pages/Layers.py", text="own")
    test.text_area(key="typed text").set_value(text).run()
    assert words in sentences(test) and not test.exception
    assert test.text_area(key="typed text").value == text


@pytest.mark.parametrize(
    "text", ["I like 🍎 and 👩‍🚀 a lot", "שלום עולם ומלואו", "<img src=x onerror=alert(1)> a b"]
)
def test_unusual_text_is_read(text):
    test = opened("pages/Layers.py", text="own")
    test.text_area(key="typed text").set_value(text).run()
    assert not test.error and not test.exception


def test_own_text_is_kept_between_pages_and_out_of_the_address():
    test = opened("pages/Layers.py", text="own")
    test.text_area(key="typed text").set_value("my own little sentence").run()
    assert test.query_params["text"] == "own"
    test.switch_page("pages/Rankings.py").run()
    test.switch_page("pages/Layers.py").run()
    assert test.text_area(key="typed text").value == "my own little sentence"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"layer": "99"}, "has no layer 99: layer 11"),
        ({"layer": "-3"}, "has no layer -3: layer 0"),
        ({"layer": "x"}, "a layer that is no number"),
        ({"head": "-1"}, "has no head -1"),
        ({"head": "99999999999"}, "a head that is no number"),
        ({"text": "<script>"}, "a text that does not exist"),
        ({"model": "../../etc"}, "a model that is not here"),
        ({"start": "maybe"}, "neither on nor off"),
    ],
)
def test_hostile_addresses_get_a_sentence_and_the_nearest_view(query, words):
    test = opened("pages/Layers.py", **query)
    assert words in sentences(test) and not test.exception and not test.error


def test_rankings_show_the_profile_s_ranking():
    test = opened("pages/Rankings.py")
    profile = profile_model(load_model("mini"))
    for behaviour in profile.behaviours:
        test.selectbox(key="behaviour").set_value(behaviour).run()
        expected = profile.ranking(behaviour)
        threshold = get_behaviour(behaviour).threshold
        value = profile.value(behaviour)[expected["layer"], expected["head"]]
        passing = expected[value >= threshold]
        expected = expected.head(5) if passing.empty else passing
        shown = test.dataframe[0].value
        assert list(shown["head"]) == list(expected["name"])
        assert list(shown["score"]) == pytest.approx(list(expected["score"]))
    test.slider(key="least").set_value(0.5).run()
    assert (test.dataframe[0].value["score"] >= 0.5).all()
    heads = profile.controls * profile.n_layers * profile.n_heads
    assert any(re.search(rf"of their {heads} heads, \d+ got", m.value) for m in test.markdown)


def test_without_a_start_token_the_first_chip_is_the_text():
    test = opened("pages/Layers.py", text="alice", start="off")
    assert not test.exception and not test.error
    assert any("Start token: none" in block.value for block in test.sidebar.caption)


def test_a_profile_that_is_not_there_is_measured_after_the_pictures(monkeypatch):
    quick = profile_model(load_model("mini"), variants=False, controls=0)
    monkeypatch.setattr("headlab.ui.services.results.kept_profile", lambda *_, **__: None)
    monkeypatch.setattr("headlab.ui.services.results.profile_model", lambda *_, **__: quick)
    st.cache_resource.clear()
    test = opened("pages/Layers.py", text="alice", layer="1", head="2")
    assert not test.exception and not test.error
    assert any(quick.label_text(1, 2) in block.value for block in test.subheader)
    st.cache_resource.clear()


def test_mini_ships_with_the_profile_of_its_own_weights():
    model = load_model("mini")
    for start_token in ("model", None):
        kept = kept_profile(model, start_token=start_token)
        assert kept is not None, "run `python -m headlab profile` again and commit the file"
        assert kept.content_hash == model.content_hash


def test_a_mistaken_setting_is_said_instead_of_guessed(monkeypatch):
    monkeypatch.setenv("HEADLAB_PUBLIC", "maybe")
    _begun.cache_clear()
    try:
        test = opened("streamlit_app.py")
        assert "HEADLAB_PUBLIC is 'maybe': set it to 1 or 0." in sentences(test)
        assert not test.get("page_link") and not test.exception
    finally:
        _begun.cache_clear()
