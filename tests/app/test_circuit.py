"""The Circuit page: predicted first, the engine's numbers, and a circuit that is collected."""

from dataclasses import replace

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from headlab import Circuit, composition, load_model, profile_model, read_text
from headlab.exercises.guided import guided_texts
from headlab.heads import Head
from headlab.interventions import with_word
from headlab.mechanisms import strongest_listeners, strongest_senders
from headlab.ui.services.collected import Collected, place
from tests.app.test_head_page import said
from tests.app.test_pages import opened, sentences

TEXT = guided_texts()["cat-on-the-mat"].text


@pytest.fixture(scope="module")
def edges():
    model = load_model("mini")
    other = with_word(model, TEXT, 5, "dog")
    return other, strongest_senders(model, TEXT, other, "L3.H7", query=12, key=6)


def page(**query: str) -> AppTest:
    usual = {"text": "cat-on-the-mat", "layer": "3", "head": "7"}
    test = opened("pages/Circuit.py", **usual | query)
    assert not test.exception and not test.error
    return test


def guess(test: AppTest, name: str | None) -> AppTest:
    if name is None:
        button = "Show it without a prediction"
    else:
        test.button_group(key="circuit guess").set_value(name).run()
        button = "Lock my prediction"
    return next(each for each in test.button if each.label == button).click().run()


def test_who_tells_it_is_predicted_before_it_is_shown(edges):
    _, found = edges
    test = page()
    assert "Predict first" in said(test) and not test.get("plotly_chart")
    offered = test.button_group(key="circuit guess").options
    assert "L0.H0" in offered and len(offered) == 4
    test = guess(test, next(name for name in offered if name != "L0.H0"))
    assert "begins at L0.H0" in test.warning[0].value
    best = found[0]
    assert (
        f"through its keys: **38% → {best.attention:.0%}**, score {best.change:+.1f} (random "
        f"messages: {best.controls.min():+.1f} to {best.controls.max():+.1f})" in said(test)
    )
    weak = [edge for edge in found if not edge.counts]
    assert weak and f"score {weak[0].change:+.1f} " not in said(test)
    assert len(test.get("plotly_chart")) == 1


def test_a_right_prediction_is_said_to_be_right():
    test = guess(page(), "L0.H0")
    assert "You said L0.H0" in test.success[0].value


def test_collected_heads_are_kept_alone_and_the_figures_are_the_engine_s(edges):
    other, _ = edges
    test = guess(page(), None)
    next(b for b in test.button if b.label.startswith("Collect")).click().run()
    assert [each.value for each in test.subheader] == ["My circuit"]
    test.button_group(key="circuit left").set_value("nearly all of it").run()
    model = load_model("mini")
    alone = Circuit(["L0.H0", "L3.H7"]).faithfulness(
        model, TEXT, head="L3.H7", query=12, key=6, mode="text", reference=other
    )
    assert f"keep **{alone.score:.0%}**" in test.success[0].value
    table = test.dataframe[0].value
    assert table["these heads alone"][0] == f"{alone.score:.0%}" and len(table) == 2
    assert not test.error


def test_another_head_adds_to_the_circuit_and_the_last_head_stays_its_end():
    test = guess(page(), None)
    next(b for b in test.button if b.label.startswith("Collect")).click().run()
    test.query_params["layer"], test.query_params["head"] = "2", "2"
    test.run()
    assert test.button_group(key="circuit heads 2").value == ["L0.H0", "L3.H7"]
    assert "L3.H7 looks from" in said(test)


def test_the_first_layer_is_told_by_nobody_and_shows_who_listens(edges):
    test = page(layer="0", head="0", token="12", key="6")
    assert "nothing but the tokens themselves" in test.info[0].value
    test.selectbox(key="changed word").set_value(5).run()
    test.text_input(key="changed to").set_value("dog").run()
    next(each for each in test.toggle if "who listens" in each.label).set_value(True).run()
    assert not test.exception and not test.error
    found = [each for each in strongest_listeners(load_model("mini"), TEXT, edges[0], "L0.H0")
             if each.counts]  # fmt: skip
    best = found[0]
    assert f"**{best.before:.0%} → {best.after:.0%}**" in said(test)
    assert f"And {len(found) - 5} more that move less" in said(test)


def test_what_the_weights_suggest_stands_beside_what_was_patched():
    test = guess(page(), None)
    next(each for each in test.toggle if "weights alone" in each.label).set_value(True).run()
    assert not test.exception and not test.error
    found = composition(load_model("mini"))
    ways = pd.concat([found.into("L3.H7", through) for through in ("query", "key")])
    best = ways.sort_values("excess", ascending=False).iloc[0]
    assert f"Dotted: {best['head']} ({best['excess']:+.1f})" in said(test)


def test_the_last_layer_is_heard_by_nobody():
    test = guess(page(layer="11", head="11"), None)
    toggles = [each for each in test.toggle if "who listens" in each.label]
    for toggle in toggles:
        toggle.set_value(True).run()
        assert "No head comes after L11.H11" in test.info[-1].value
    assert not test.exception and not test.error


def test_words_that_cannot_stand_there_get_a_sentence():
    test = page()
    test.text_input(key="changed to").set_value("antidisestablishmentarianism").run()
    assert "is not one token" in sentences(test)
    test.text_input(key="changed to").set_value("the").run()
    assert "word that stands there" in test.info[0].value


def test_a_head_that_rests_says_why_the_first_token():
    test = opened("pages/Head.py", text="cat-on-the-mat", layer="4", head="0")
    test.session_state["head tab"] = "Why the first"
    test.run()
    assert "bias of the query" in said(test) and not test.error
    test.button_group(key="sink answer").set_value("rests there less").run()
    next(b for b in test.button if b.label == "Read it without").click().run()
    shown = [block.value for block in (*test.success, *test.warning)]
    assert any("Without the query bias the share" in words for words in shown)


def test_a_link_opens_the_circuit_and_another_text_says_so(edges):
    mine = Collected(place("mini", True, "text", TEXT), 12, 6, 5, "dog", (Head(0, 0), Head(3, 7)))
    assert Collected.parse(str(mine)) == mine
    test = page(circuit=str(mine))
    assert test.button_group(key="circuit heads 2").value == ["L0.H0", "L3.H7"]
    late = page(circuit=str(replace(mine, query=99)))  # an address changed by hand
    assert "collected on another text" in [each.value for each in late.info][-1]
    other = page(circuit=str(mine), text="alice")
    assert "collected on another text" in [each.value for each in other.info][-1]
    next(b for b in other.button if b.label == "Throw it away").click().run()
    assert "circuit" not in other.query_params and not other.subheader


@pytest.mark.parametrize(
    ("circuit", "words"),
    [
        ("x", "holds a circuit that is none"),
        ("00000000~3~2~1~L0.H0-x~dog", "holds a circuit that is none"),
        ("00000000~1~2~0~L0.H0~dog", "holds a circuit that is none"),
        ("00000000~3~2~1~L0.H0~" + "d" * 99, "holds a circuit that is none"),
        ("00000000~3~2~1~L0.H99~dog", "lacks some of the heads of the circuit"),
    ],
)
def test_an_address_with_a_circuit_that_is_none_says_so(circuit, words):
    test = opened("pages/Circuit.py", text="cat-on-the-mat", layer="3", head="7", circuit=circuit)
    assert not test.exception and words in sentences(test)


def test_it_opens_on_a_head_that_others_tell_where_to_look():
    test = opened("pages/Circuit.py", text="cat-on-the-mat")
    assert not test.exception and not test.error
    model = load_model("mini")
    reading = read_text(model, TEXT)
    asked = reading.targets("induction")[-1]
    assert asked.any()
    known = [Head.parse(top["head"]) for top in profile_model(model).top_heads["induction"]]
    best = max(
        (head for head in known if head.layer), key=lambda h: reading.pattern(*h)[-1, asked].sum()
    )
    assert test.title[0].value == f"What {best} is told" and "Predict first" in said(test)
