"""The Cause page: predictions before figures, and figures that are the engine's."""

import math

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from headlab import load_model, profile_model
from headlab.exercises.effects import SIZES, size_of
from headlab.exercises.guided import guided_pairs, guided_texts
from headlab.heads import Head
from headlab.interventions import ablate, patch
from tests.app.test_pages import opened

TEXT = "cat-on-the-mat"
HEADS = ["L0.H0", "L3.H1"]


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


def cause_page(**query: str) -> AppTest:
    test = opened("pages/Cause.py", text=TEXT, **query)
    assert not test.exception and not test.error
    return test


def said(test: AppTest) -> str:
    boxes = (test.markdown, test.caption, test.info, test.success, test.warning)
    return "\n".join(block.value for kind in boxes for block in kind)


def press(test: AppTest, label: str) -> AppTest:
    next(button for button in test.button if button.label == label).click().run()
    assert not test.exception and not test.error
    return test


def shown(**query: str) -> AppTest:
    return press(cause_page(**query), "Show it without a prediction")


def test_nothing_is_shown_before_the_prediction(model):
    test = cause_page(removed="-".join(HEADS))
    result = ablate(model, guided_texts()[TEXT].text, HEADS, "mean")
    after = math.exp(result.logprobs_after[0])
    assert f"{after:.1%}" not in said(test) and not test.dataframe
    test.pills(key="prediction").set_value(SIZES[0].name).run()
    press(test, "Lock my prediction")
    size = size_of(after / math.exp(result.logprobs_before[0])).name
    assert f"You predicted: {SIZES[0].name}. Measured: {size}." in said(test)
    assert f"{after:.1%}" in said(test)


def test_the_table_holds_the_engine_s_effects_and_controls(model):
    table = shown(removed="L3.H1").dataframe[0].value.set_index("instead of the heads")
    for mode in ("mean", "zero"):
        result = ablate(model, guided_texts()[TEXT].text, "L3.H1", mode)
        assert table.loc[mode, "change of loss"] == pytest.approx(result.loss_change)
        assert table.loc[mode, "exceeds"] == f"{result.loss_beyond_control:.0%} of 11 draws"
        assert table.loc[mode, "change of log-probability"] == result.logprob_change[0]


def test_the_result_is_large_and_stands_beside_random_heads(model):
    text = guided_texts()[TEXT].text
    for heads, what in ((["L3.H1"], "single heads"), (HEADS, "pairs of heads")):
        result = ablate(model, text, heads, "mean")
        before, after = (math.exp(x[0]) for x in (result.logprobs_before, result.logprobs_after))
        test = shown(removed="-".join(heads))
        assert f"## {before:.1%} → {after:.1%}" in said(test)
        draws = len(result.control.heads)
        beaten = int(result.logprob_beyond_control[0] * draws + 0.5)
        assert f"than that of {beaten} of {draws} random {what}" in said(test)
        drawn = "".join(block.proto.body for block in test.get("html"))
        assert f'aria-label="without: {after:.1%}"' in drawn


def test_the_circuit_of_induction_shows_in_the_other_heads():
    """Without the previous-token head, induction heads find nothing."""
    changes = shown(removed="L0.H0").dataframe[2].value
    assert {"head", "behaviour", "before", "after", "change"} == set(changes.columns)
    fallen = changes[(changes["behaviour"] == "Induction") & (changes["change"] < 0)]
    assert len(fallen) >= 3


def test_a_role_chooses_its_leading_heads():
    test = cause_page()
    top = Head.parse(profile_model(load_model("mini")).top_heads["previous_token"][0]["head"])
    assert f"Without **{top}**" in said(test)  # no page opens empty
    looked_at = cause_page(layer="2", head="1")
    assert "Without **L2.H1**" in said(looked_at)
    test.selectbox(key="removed_role").set_value("previous_token").run()
    assert "L0.H0" in test.query_params["removed"]


def test_a_watched_word_gets_the_space_it_has_inside_a_text(model):
    test = shown(removed="L3.H1", watch="cat")
    result = ablate(model, guided_texts()[TEXT].text, "L3.H1", "mean", watch=" cat")
    assert f"{math.exp(result.logprobs_before[0]):.1%}" in said(test)


def test_a_word_of_several_tokens_is_refused_in_one_sentence():
    test = opened("pages/Cause.py", text=TEXT, removed="L3.H1", watch="suitcasesandtrophies")
    assert not test.exception
    assert [error.value for error in test.error if "tokens" in error.value]
    assert test.text_input(key="watch").value == "suitcasesandtrophies"


def test_the_sweep_stands_beside_the_scores(model):
    test = shown(removed="L3.H1")
    test.radio(key="sweep of").set_value("loss").run()
    assert not test.exception and "pass the threshold" in said(test)


def test_self_repair_is_told_where_it_is_measured_and_only_there():
    assert "Other parts made up for it" not in "".join(
        block.value for block in shown(removed="L3.H1").subheader
    )
    test = opened("pages/Cause.py", text="nonsense", removed="L7.H5")
    press(test, "Show it without a prediction")
    assert any("made up for it" in block.value for block in test.subheader)
    assert "L10.H7 +1.19" in said(test)


@pytest.mark.parametrize("name", list(guided_pairs()))
def test_a_prepared_pair_is_patched_as_the_engine_does(model, name):
    pair = guided_pairs()[name]
    found = patch(model, pair.clean, pair.corrupt, pair.answer, pair.wrong)
    assert found.clean_metric > 0 > found.corrupt_metric  # mini can do what the pair asks
    words = said(cause_page(patching="on", pair=name))
    assert f"**{found.clean_metric:+.2f}**" in words and f"**{found.corrupt_metric:+.2f}**" in words


def test_the_doors_lead_to_the_heads_that_carry_most(model):
    pair = guided_pairs()["names-swapped"]
    found = patch(model, pair.clean, pair.corrupt, pair.answer, pair.wrong)
    layer, head = np.unravel_index(np.argmax(np.abs(found.effect)), found.effect.shape)
    doors = [link.label for link in cause_page(patching="on").get("page_link")]
    assert f"L{layer}.H{head}: {found.effect[layer, head]:+.0%}" in doors


@pytest.mark.parametrize("what", ["head_output", "pattern", "value", "residual"])
@pytest.mark.parametrize("switch", [{}, {"by_position": "on"}, {"noising": "on"}])
def test_everything_can_be_patched(what, switch):
    assert "How much the model prefers" in said(cause_page(patching="on", what=what, **switch))


def test_an_own_pair_of_unequal_length_is_told_where_it_parts():
    test = opened("pages/Cause.py", patching="on", pair="own")
    assert "Write two texts" in said(test)
    test.text_area(key="own pair clean").set_value("The cat sat on the").run()
    test.text_area(key="own pair corrupt").set_value("The little dog sat on the").run()
    test.text_input(key="own pair answer").set_value("mat").run()
    test.text_input(key="own pair wrong").set_value("bed").run()
    assert not test.exception and any("tokens long" in error.value for error in test.error)
    assert test.text_area(key="own pair clean").value == "The cat sat on the"
    test.text_area(key="own pair corrupt").set_value("The dog sat on the").run()
    assert not test.error and "How much the model prefers" in said(test)


@pytest.mark.parametrize("query", [{"removed": "L99.H1"}, {"removed": "<b>"}, {"pair": "none"}])
def test_a_wrong_address_gets_a_sentence(query):
    test = opened("pages/Cause.py", **query)
    assert not test.exception and not test.error and test.warning
