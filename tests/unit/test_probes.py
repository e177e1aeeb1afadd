"""The prompts that heads are profiled on are what measures they feed need them to be."""

from dataclasses import replace

import pytest

from headlab import HeadlabError
from headlab.measuring import probes
from headlab.measuring.probe_sentences import SENTENCES_A, SENTENCES_B
from tests.models import tiny_model


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.mark.parametrize("start", [0, None])
@pytest.mark.parametrize(("length", "shortest", "longest"), [("usual", 25, 50), ("short", 5, 7)])
def test_repeats_are_a_start_token_and_distinct_ordinary_tokens_twice(
    model, start, length, shortest, longest
):
    prompts = probes.repeats(model, start, length)
    assert len(prompts) == 50
    lengths = set()
    for prompt in prompts:
        before = 0 if start is None else 1
        x = prompt.tokens[before : prompt.half]
        assert prompt.tokens == (*([] if start is None else [start]), *x, *x)
        assert len(set(x)) == len(x) and set(x) <= set(model.ordinary_tokens)
        assert shortest <= len(x) <= longest
        assert len(prompt.token_texts) == len(prompt.tokens)
        lengths.add(len(x))
    assert len(lengths) > 1
    assert len({prompt.tokens for prompt in prompts}) == 50


def test_repeats_are_seeded(model):
    assert probes.repeats(model, 0) == probes.repeats(model, 0)
    assert probes.repeats(model, 0) != probes.repeats(model, 0, seed=1)
    with_start = [prompt.tokens[1:] for prompt in probes.repeats(model, 0)]
    assert with_start == [prompt.tokens for prompt in probes.repeats(model, None)]


@pytest.mark.parametrize(
    ("length", "shortest", "longest"), [("usual", 30, 60), ("short", 10, 15), ("long", 60, 90)]
)
def test_sentences_have_the_length_asked_for(model, length, shortest, longest):
    prompts = probes.sentences(model, 0, length)
    assert len(prompts) == 20
    for prompt in prompts:
        assert shortest <= len(prompt.tokens) <= longest
        assert prompt.tokens[0] == 0 and prompt.half is None and prompt.spans is None
    assert len({prompt.tokens for prompt in prompts}) == 20


def test_the_two_sets_of_sentences_share_none():
    assert len(SENTENCES_A) == len(SENTENCES_B) == 20
    assert len({*SENTENCES_A, *SENTENCES_B}) == 40


@pytest.mark.parametrize("start", [0, None])
def test_fact_prompts_mark_the_attribute_asked_for(model, start):
    prompts = probes.facts(model, start)
    assert len(prompts) == 32
    n_pairs, places = set(), set()
    for prompt in prompts:
        text = "".join(prompt.token_texts[0 if start is None else 1 :])
        right = "".join(prompt.token_texts[k] for k in prompt.spans.attribute).strip(" .")
        entity = next(
            name for name in probes._NAMES if name in text.rsplit(".", 1)[1].replace(".", "")
        )
        statement = next(part for part in text.split(".") if part.strip().startswith(entity))
        assert statement.endswith(right) and text.count(right) >= 1
        assert prompt.answer == prompt.tokens[prompt.spans.attribute[0]]
        others = "".join(prompt.token_texts[k] for k in prompt.spans.others)
        assert right not in others and others
        assert not set(prompt.spans.attribute) & set(prompt.spans.others)
        n_pairs.add(text.count("."))
        places.add(prompt.spans.attribute < prompt.spans.others)
        # blind induction from the last token finds no attribute
        last, attributes = prompt.tokens[-1], {*prompt.spans.attribute, *prompt.spans.others}
        after_last = {k + 1 for k, token in enumerate(prompt.tokens[:-1]) if token == last}
        assert not after_last & attributes
    assert n_pairs == {3, 4} and places == {True, False}


def test_a_probe_has_every_prompt_its_behaviours_ask_for(model):
    prompts = probes.probe_prompts(model, 0)
    assert {name: len(found) for name, found in prompts.items()} == {
        "repeats": 50,
        "sentences": 20,
        "facts": 32,
        "names": 12,
    }


def test_variants_name_what_they_measure_anew(model):
    variants = probes.variant_prompts(model, 0)
    assert set(variants) == {
        "second sentences",
        "short texts",
        "long texts",
        "start token toggled",
    }
    toggled = variants["start token toggled"]
    assert all(0 not in prompt.tokens for found in toggled.values() for prompt in found)
    assert variants["second sentences"]["sentences"] != probes.sentences(model, 0)
    back = probes.variant_prompts(model, None)["start token toggled"]
    assert back == probes.probe_prompts(model, 0)


def test_a_model_without_a_start_token_has_nothing_to_toggle(model):
    assert "start token toggled" not in probes.variant_prompts(
        replace(model, start_token=None), None
    )


def test_long_variants_stay_within_the_model(model):
    for found in probes.variant_prompts(model, 0).values():
        for prompts in found.values():
            assert max(len(prompt.tokens) for prompt in prompts) <= model.max_tokens


def test_a_model_too_small_to_profile_is_refused(model):
    with pytest.raises(HeadlabError, match="cannot be profiled"):
        probes.repeats(replace(model, max_tokens=6), 0)


def test_every_single_token_name_stands_in_one_prompt_and_is_marked(model):
    known = probes.single_names(model)
    assert len(known) == 24
    prompts = probes.names(model, 0)
    found, givers = [], set()
    for prompt in prompts:
        marked = [prompt.token_texts[k] for k in prompt.names]
        assert all(text[0] == " " and text[1:] in known for text in marked)
        text = "".join(prompt.token_texts[1:])
        assert len(marked) == 3 and sum(text.count(name) for name in set(marked)) == 3
        first, second, giver = marked
        assert giver in (first, second) and first != second
        found += [first[1:], second[1:]]
        givers.add(giver == first)
    assert sorted(found) == sorted(known) and givers == {True, False}
    without = probes.names(model, None)
    assert [p.tokens for p in without] == [p.tokens[1:] for p in prompts]


def test_an_odd_name_finds_a_partner(model, monkeypatch):
    monkeypatch.setattr(probes, "GIVEN_NAMES", probes.GIVEN_NAMES[:21])
    prompts = probes.names(model, 0)
    assert len(prompts) == 11 and all(len(set(prompt.names)) == 3 for prompt in prompts)


def test_too_few_single_token_names_give_no_prompts_and_a_reason(model, monkeypatch):
    monkeypatch.setattr(probes, "MIN_NAMES", 25)
    assert probes.names(model, 0) == []
    assert "24 of" in probes.missing(model, "names") and "25 are needed" in probes.missing(
        model, "names"
    )
