"""Your text: which known heads wake, and what is missing where none can."""

import json
import re
from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from headlab import continue_text, load_model, read_text
from headlab.behaviours import get_behaviour
from headlab.exercises.guided import guided_texts
from headlab.ui.services import results, sharing
from headlab.ui.services.selection import Selection
from headlab.ui.views.words import plain
from tests.app.test_pages import opened, sentences


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


def page(**query: str) -> AppTest:
    test = opened("pages/Your_text.py", **query)
    assert not test.exception and not test.error
    return test


def with_text(text: str) -> AppTest:
    test = page()
    test.text_area(key="typed text").set_value(text).run()
    assert not test.exception and test.query_params["text"] == "own"
    return test


def status(test: AppTest, name: str) -> str:
    """What the page says of a behaviour."""
    line = re.compile(rf"\**[●⊙○◌–] \**{get_behaviour(name).title}\**(?:: )?(.*)")
    found = [line.fullmatch(block.value) for block in (*test.markdown, *test.caption)]
    (words,) = [match[1] for match in found if match]
    return words or "active"


def bars(test: AppTest) -> list[str]:
    return [block.proto.body for block in test.get("html") if "here, active" in block.proto.body]


def test_the_text_is_in_the_box_and_repeating_it_wakes_induction():
    assert page().text_area(key="typed text").value == guided_texts()["cat-on-the-mat"].text
    assert status(with_text("Tom ran home at"), "induction") == "cannot be triggered by this text"
    assert status(with_text("Tom ran home. Tom ran home. Tom ran"), "induction") == "active"


def test_a_long_text_says_what_it_takes_and_stays_stopped_until_asked_for(monkeypatch):
    text, said = "Ann walked to the river and back again.", []
    written = results.st.write
    with monkeypatch.context() as patch:
        patch.setattr(results, "LONG_S", 0.0)
        patch.setattr(results.st, "write", lambda words: (said.append(words), written(words)))
        test = with_text(text)
    about = [words for words in said if str(words).startswith("Reading ")][-1]
    assert "of memory beside the model" in about
    assert status(test, "induction")  # and was read to the end

    stopped = replace(Selection(), text_name="own", model="mini")
    key = results.text_key(stopped, results.ChosenText("Somebody stopped this one."))
    test.session_state[sharing.STOPPED] = key
    test.text_area(key="typed text").set_value("Somebody stopped this one.").run()
    assert any("was stopped" in block.value for block in test.info)
    assert test.text_area(key="typed text").value == "Somebody stopped this one."
    test.button(key="read after all").click().run()
    assert not any("was stopped" in block.value for block in test.info)
    assert status(test, "induction")


def test_a_sentence_said_in_part_again_gets_verdicts(model):
    """Two places are few; the page says so, and gives a verdict or a way to one."""
    test = with_text(guided_texts()["cat-slept"].text + " ")
    reading = read_text(model, guided_texts()["cat-slept"].text + " ")
    for name in ("induction", "duplicate_token"):
        active = (reading.status[name] == "active").any()
        assert status(test, name) == ("active" if active else "quiet")
        if active:
            words = f"here, on {reading.rows[name]} places only"
            assert any(words in block.value for block in test.caption)
        else:
            assert test.button(key=f"wake {name}")


def test_bars_are_the_scores_on_this_text(model):
    test = page(text="cat-on-the-mat")
    reading = read_text(model, guided_texts()["cat-on-the-mat"].text)
    best = np.sort(reading.scores["induction"], axis=None)[::-1][:2]
    for score in best:
        assert any(f'aria-label="{score:.2f} here' in bar for bar in bars(test))
    heads = int((reading.status["induction"] == "active").sum())
    assert any(block.value.startswith(f"{heads} heads active,") for block in test.caption)


def test_a_behaviour_that_cannot_be_triggered_offers_a_text_that_can(model):
    test = page(text="alice")
    assert status(test, "retrieval") == "cannot be triggered by this text"
    test.button(key="wake retrieval").click().run()
    assert test.query_params["text"] == "homes"
    homes = guided_texts()["homes"]
    here = read_text(model, homes.text, entities=homes.facts).status["retrieval"] == "active"
    assert status(test, "retrieval") == ("active" if here.any() else "quiet")
    layers = opened("pages/Layers.py", text="homes", behaviour="retrieval")
    said = "\n".join(block.value for block in layers.markdown)
    assert ("No head is active in retrieval" in said) != here.any()


def test_a_suggestion_adds_to_what_was_typed():
    test = with_text("word word")
    assert status(test, "punctuation") == "cannot be triggered by this text"
    test.button(key="wake punctuation").click().run()
    example = get_behaviour("punctuation").example
    assert test.text_area(key="typed text").value == f"word word {example}"
    assert status(test, "punctuation") != "cannot be triggered by this text"


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
    here = reading.scores["retrieval"].max()
    assert any(f'aria-label="{here:.2f} here' in bar for bar in bars(test))
    assert status(test, "retrieval") == "active"
    test.button(key="remove fact 0").click().run()
    assert [block.value for block in test.text] == ["Tom – Lima"]


def test_a_copied_link_carries_the_marked_facts():
    test = with_text("Maria lives in Oslo. The home of Maria is")
    test.session_state["marks"] = json.dumps(
        {
            "model": "mini",
            "text": "Maria lives in Oslo. The home of Maria is",
            "pairs": [[[0], [3]]],
        }
    )
    test.run()
    link = next(block.value for block in test.code if "own=" in block.value)
    query = dict(parse_qsl(link.partition("?")[2]))
    fresh = page(**query)
    assert [block.value for block in fresh.text] == [block.value for block in test.text] != []
    assert not page(**query | {"facts": "[[["}).text  # a damaged link still shows its text


def special_switch(test: AppTest):
    return next((b for b in test.button_group if b.key == "reads"), None)


def test_special_tokens_in_a_text_are_tokens_once_that_is_chosen():
    assert special_switch(page()) is None
    test = with_text("It rained.<|endoftext|>Tom ran home.")
    switch = special_switch(test)
    assert [o.content for o in switch.proto.options] == ["as text", "as tokens"]
    switch.set_value("tokens").run()
    assert not test.exception and not test.error and test.query_params["reads"] == "tokens"
    layers = opened("pages/Layers.py", text="own", reads="tokens", own=test.text_area[0].value)
    code = next(block.value for block in layers.code if "load_model" in block.value)
    assert "load_model('mini').with_special_tokens()" in code
    tokens = test.pills(key="entity tokens").options
    assert sum("<|endoftext|>" in token for token in tokens) == 1


def test_a_text_is_read_as_a_chat_turn(monkeypatch):
    model, chat = sharing.get_model("mini"), page(reads="chat")
    assert [w.value for w in chat.warning] == [
        "mini has no chat template: special tokens are read as tokens."
    ]
    said = "<|endoftext|>You: {{ m.content }}<|endoftext|>Me:"
    template = "{% for m in messages %}" + said + "{% endfor %}"
    monkeypatch.setattr(model.tokenizer, "chat_template", template)
    test = page()
    special_switch(test).set_value("chat").run()
    text = guided_texts()["cat-on-the-mat"].text
    assert test.text_area(key="typed text").value == text
    turn = f"You: {text}<|endoftext|>Me:"
    test.button(key="go on").click().run()
    made = test.session_state["what the model wrote"]
    assert made.text == turn and test.session_state["own_text"] == made.whole
    assert dict(test.query_params) | {"reads": "tokens", "text": "own"} == dict(test.query_params)
    assert not test.error and not test.exception


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
    test.text_area(key="typed text").set_value("Maria: Oslo, Tom: Lima").run()
    assert not test.exception and widgets(test) == seen
    assert test.session_state["entity tokens"] == []  # marks do not go over to another text


def test_the_model_goes_on_and_its_words_are_marked():
    test = page(text="cat-on-the-mat")
    test.number_input(key="tokens to write").set_value(3).run()
    test.button(key="go on").click().run()
    assert not test.exception and not test.error
    assert test.text_area(key="typed text").value.startswith(guided_texts()["cat-on-the-mat"].text)
    (said,) = [c.value for c in test.caption if "The model wrote the last 3 tokens" in c.value]
    written = continue_text(load_model("mini"), guided_texts()["cat-on-the-mat"].text, 3)
    assert plain(written.written.strip()) in said
    assert test.text_area(key="typed text").value == written.whole


def test_a_word_is_asked_about_and_another_tried():
    test = page(text="mary-and-john")
    assert not any("most expected" in block.value for block in test.markdown)  # costs a pass
    test.selectbox(key="token asked about").set_value(1).run()
    assert any("most expected" in block.value for block in test.markdown)
    test.text_input(key="word to try").set_value("Alice").run()
    assert not test.exception and not test.error
    assert sum("random words" in c.value and "moved" in c.value for c in test.caption) == 5
    test.text_input(key="word to try").set_value("Bartholomew the Third").run()
    assert "not one token" in test.error[0].value


def test_a_text_and_what_another_word_makes_of_it_go_to_patch_as_a_pair():
    test = page(text="mary-and-john")
    test.selectbox(key="token asked about").set_value(1).run()
    test.text_input(key="word to try").set_value("Alice").run()
    send = next(each for each in test.button if each.label == "Patch between the two texts")
    send.click().run()
    assert test.title[0].value == "Cause and effect" and not test.error and not test.exception
    clean, corrupt = (test.text_area(key=f"own pair {name}").value for name in ("clean", "corrupt"))
    assert clean == guided_texts()["mary-and-john"].text and "Alice" in corrupt
    assert len(test.get("plotly_chart")) == 1
