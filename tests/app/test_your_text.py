"""Your text: which known heads wake, and what is missing where none can."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from headlab import load_model, profile_model, read_text
from headlab.behaviours import get_behaviour
from headlab.exercises.guided import guided_texts
from headlab.heads import Head
from headlab.ui.services import results
from headlab.ui.services.state import Selection
from tests.app.test_pages import opened, sentences


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


def page(**query: str) -> AppTest:
    test = opened("pages/Your_text.py", **query)
    assert not test.exception and not test.error
    return test


def with_text(text: str) -> AppTest:
    test = page(text="own")
    test.text_area(key="own_text").set_value(text).run()
    assert not test.exception
    return test


def status(test: AppTest, name: str) -> str:
    title = get_behaviour(name).title
    lines = [block.value for block in test.markdown if f" {title}**: " in block.value]
    return lines[0].split("**: ")[1].split("  \n")[0]


def test_repeating_a_sentence_wakes_induction_heads():
    assert status(with_text("Tom ran home at"), "induction") == "cannot be triggered by this text"
    assert status(with_text("Tom ran home. Tom ran home. Tom ran"), "induction") == "active"


def test_a_long_text_says_what_it_takes_and_stays_stopped_until_asked_for(monkeypatch):
    text, said = "Ann walked to the river and back again.", []
    written = results.st.write
    with monkeypatch.context() as patch:
        patch.setattr(results, "LONG_S", 0.0)
        patch.setattr(results.st, "write", lambda words: (said.append(words), written(words)))
        test = with_text(text)
    (about,) = [words for words in said if str(words).startswith("Reading ")]
    assert "of memory beside the model" in about
    assert status(test, "induction")  # and was read to the end

    stopped = replace(Selection(), text_name="own", model="mini")
    key = results._text_key(stopped, results.ChosenText("Somebody stopped this one."))
    test.session_state[results._STOPPED] = key
    test.text_area(key="own_text").set_value("Somebody stopped this one.").run()
    assert any("was stopped" in block.value for block in test.info)
    assert test.text_area(key="own_text").value == "Somebody stopped this one."
    test.button(key="read after all").click().run()
    assert not any("was stopped" in block.value for block in test.info)
    assert status(test, "induction")


def test_bars_are_the_scores_on_this_text(model):
    test = page(text="cat-on-the-mat")
    reading = read_text(model, guided_texts()["cat-on-the-mat"].text)
    profile = profile_model(model)
    bars = [bar.proto.text for bar in test.get("progress")]
    for top in profile.top_heads["induction"]:
        head = Head.parse(top["head"])
        here, general = reading.scores["induction"][head], profile.score["induction"][head]
        circle = {"active": "●", "quiet": "○"}[reading.status["induction"][head]]
        assert f"{circle} {here:.2f} here, {general:.2f} in general" in bars


def test_a_behaviour_that_cannot_be_triggered_offers_a_text_that_can():
    test = page(text="alice")
    assert status(test, "retrieval") == "cannot be triggered by this text"
    test.button(key="load for retrieval").click().run()
    assert test.query_params["text"] == "homes"
    assert status(test, "retrieval") == "too little to tell"  # one question, one place to look


def test_a_suggestion_never_overwrites_what_was_typed():
    test = with_text("word word")
    assert status(test, "punctuation") == "cannot be triggered by this text"
    assert any(get_behaviour("punctuation").example in c.value for c in test.caption)
    assert not [button for button in test.button if button.key == "load for punctuation"]


def test_copying_says_why_one_text_cannot_show_it():
    assert any("a single text cannot tell" in block.value for block in page().caption)


def test_marked_facts_wake_retrieval_and_can_be_removed(model):
    text = "Maria lives in Oslo. Tom lives in Lima. The home of Maria is"
    test = with_text(text)
    reading = read_text(model, text, entities=[("Maria", "Oslo"), ("Tom", "Lima")])
    words = [token.strip() for token in reading.token_texts[1:]]
    for entity, attribute in (("Maria", "Oslo"), ("Tom", "Lima")):
        for part, word in (("entity", entity), ("attribute", attribute)):
            test.pills(key=f"{part} tokens").set_value([words.index(word)]).run()
        next(b for b in test.button if b.label == "Add this fact").click().run()
    assert [block.value for block in test.text] == ["Maria – Oslo", "Tom – Lima"]
    best = max(profile_model(model).top_heads["retrieval"], key=lambda top: top["score"])
    here = reading.scores["retrieval"][Head.parse(best["head"])]
    assert any(f" {here:.2f} here" in bar.proto.text for bar in test.get("progress"))
    test.button(key="remove fact 0").click().run()
    assert [block.value for block in test.text] == ["Tom – Lima"]


def test_marks_belong_to_their_text():
    test = with_text("Maria lives in Oslo. The home of Maria is")
    test.session_state["marks"] = '{"model": "mini", "text": "another", "pairs": [[[0], [3]]]}'
    assert not test.run().text
    for damaged in ("[]", "x", '{"model": "mini"}', '{"pairs": [[[99], [1]]]}'):
        test.session_state["marks"] = damaged
        test.run()
        assert not test.text and not test.exception and not sentences(test)


def widgets(test: AppTest) -> set[str]:
    """Identities of the widgets that hold a value: a session keeps each it has seen for good."""
    kinds = ("text_area", "selectbox", "toggle", "radio", "button_group")
    return {element.proto.id for kind in kinds for element in test.get(kind)}


def test_a_session_does_not_grow_with_every_text():
    test = with_text("Tom ran home at")
    seen = widgets(test)
    token = next(group for group in test.get("button_group") if group.label == "Entity")
    token.set_value([1]).run()
    test.text_area(key="own_text").set_value("Maria: Oslo, Tom: Lima").run()
    assert not test.exception and widgets(test) == seen
    assert test.session_state["entity tokens"] == []  # marks do not go over to another text
