"""The ladder says of each rung what was found, and never more than that."""

from dataclasses import replace

import numpy as np
import pytest

from headlab import HeadlabError, ablate, load_model, mean_reference, profile_model, read_text
from headlab.behaviours import behaviours, get_behaviour
from headlab.evidence.ladder import (
    HELD_OUT,
    N_PROMPTS,
    Removals,
    evidence_ladder,
    nearby_layers,
    removals,
)
from headlab.heads import Head
from headlab.measuring.probes import facts, names, repeats

HEAD = Head(3, 5)


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


@pytest.fixture(scope="module")
def profile(model):
    return profile_model(model)


@pytest.fixture(scope="module")
def reading(model):
    return read_text(model, "The cat sat on the mat. The cat sat on the", layers=())


def with_evidence(profile, **shares):
    evidence = {
        name: np.full((profile.n_layers, profile.n_heads), share) for name, share in shares.items()
    }
    return replace(profile, evidence=profile.evidence | evidence)


def test_the_rungs_hold_the_figures_of_profile_and_reading(profile, reading):
    steps = evidence_ladder(profile, HEAD, "induction", reading)
    assert [step.number for step in steps] == [1, 2, 3, 4, 5]
    probes, text, writes, *_ = steps
    assert (probes.figure, probes.least) == (profile.excess["induction"][HEAD], 0.6)
    assert probes.status == "passed"
    assert (text.figure, text.least) == (reading.value("induction")[HEAD], 0.3)
    awake = reading.status["induction"][HEAD] == "active"
    assert text.status == ("passed" if awake else "failed")
    assert (writes.figure, writes.least) == (profile.evidence["raises_what_it_reads"][HEAD], 0.5)


@pytest.mark.parametrize(("share", "status"), [(0.49, "failed"), (0.5, "passed"), (1, "passed")])
def test_rung_3_passes_from_its_share_on(profile, share, status):
    changed = with_evidence(profile, raises_the_answer=share)
    assert evidence_ladder(changed, HEAD, "retrieval")[2].status == status


def test_a_head_that_suppresses_what_it_looks_at_says_so(profile):
    changed = with_evidence(profile, raises_what_it_reads=0.0, lowers_what_it_reads=0.9)
    step = evidence_ladder(changed, HEAD, "induction")[2]
    assert step.status == "failed" and "it suppresses instead: 0.90" in step.words
    assert "suppresses" not in evidence_ladder(profile, HEAD, "induction")[2].words


def test_what_was_not_measured_is_never_failed(profile, model):
    unread = evidence_ladder(profile, HEAD, "induction")[1]
    assert (unread.status, unread.words) == ("not measured", "no text is being read")
    short = read_text(model, "Nothing comes twice", layers=())
    assert "repeats itself" in evidence_ladder(profile, HEAD, "induction", short)[1].words
    assert evidence_ladder(profile, HEAD, "copying", short)[1].status == "not measured"
    first = evidence_ladder(profile, Head(0, 3), "name_copying")[0]
    assert (first.status, first.words) == ("not measured", "heads of layer 0 cannot be tested")
    untested = replace(profile, score={}, untested={"name_copying": "3 names are known"})
    assert evidence_ladder(untested, HEAD, "name_copying")[0].words == "3 names are known"
    blind = with_evidence(profile, raises_what_it_reads=np.nan)
    assert evidence_ladder(blind, HEAD, "induction")[2].status == "not measured"
    partial = replace(profile, evidence={})
    assert evidence_ladder(partial, HEAD, "induction")[2].status == "not measured"


@pytest.mark.parametrize("name", behaviours())
def test_every_behaviour_has_a_ladder(profile, reading, name):
    steps = evidence_ladder(profile, HEAD, name, reading)
    applies = get_behaviour(name).rung3.applies
    assert (steps[2].status == "does not apply") == (not applies)
    for step in steps:
        assert np.isnan(step.figure) == (step.status not in ("passed", "failed"))
        assert step.words and (step.asks or step.status == "does not apply")


def test_an_unknown_behaviour_gets_a_sentence(profile):
    with pytest.raises(HeadlabError, match="Did you mean 'induction'"):
        evidence_ladder(profile, HEAD, "inducton")


@pytest.fixture(scope="module")
def removed(model):
    return removals(model, "names", [2])


def effects(**of_heads):
    """An effect map of layers 2 to 4 in which the heads named have these effects, others none."""
    found = np.full((12, 12), np.nan)
    found[2:5] = 0
    for name, value in of_heads.items():
        found[Head.parse(name.replace("_", "."))] = value
    return found


def showing(profile, behaviour, *heads):
    """The profile with these heads alone showing the behaviour."""
    score = np.zeros((12, 12))
    for head in heads:
        score[head] = 1
    return replace(
        profile,
        score=profile.score | {behaviour: score},
        excess=profile.excess | {behaviour: score},
    )


@pytest.mark.parametrize(
    ("behaviour", "probe", "effect", "status"),
    [
        ("induction", "repeats", {"L3_H5": 0.2}, "passed"),
        ("induction", "repeats", {"L3_H5": 0.2, "L3_H6": 0.3}, "passed"),  # which shows it too
        ("induction", "repeats", {"L3_H5": 0.2, "L3_H7": 0.3}, "passed"),  # 34 of 35 matter less
        ("induction", "repeats", {"L3_H5": 0.2, "L2_H7": 0.3, "L4_H7": 0.3}, "failed"),
        ("induction", "repeats", {"L3_H5": -0.2, "L2_H7": -0.3}, "failed"),  # the wrong way
        ("retrieval", "facts", {"L3_H5": -0.2}, "passed"),
        ("retrieval", "facts", {"L3_H5": 0.2}, "failed"),
        ("name_suppression", "names", {"L3_H5": 0.2}, "passed"),
        ("induction", "facts", {"L3_H5": 0.2}, "not measured"),  # another probe's figures
    ],
)
def test_rung_4_asks_for_more_than_heads_nearby_that_do_not_show_it(
    profile, behaviour, probe, effect, status
):
    still, ours = effects(), showing(profile, behaviour, HEAD, Head(3, 6))
    steps = evidence_ladder(ours, HEAD, behaviour, None, Removals(probe, effects(**effect), still))
    assert steps[3].status == status
    held_out = evidence_ladder(
        ours, HEAD, behaviour, None, Removals(probe, still, effects(**effect))
    )
    assert held_out[4].status == status and held_out[3].status in ("failed", "not measured")


def test_too_few_heads_to_compare_with_are_said_to_be_too_few(profile):
    everybody = showing(profile, "induction", *[(i, h) for i in range(2, 5) for h in range(10)])
    found = Removals("repeats", effects(L3_H5=0.2), effects())
    step = evidence_ladder(everybody, HEAD, "induction", None, found)[3]
    assert step.status == "not measured" and "6 heads nearby do not show it" in step.words
    alone = effects(L3_H5=0.2)
    alone[[2, 4]] = np.nan  # the layers beside it were not measured
    one = evidence_ladder(
        showing(profile, "induction", HEAD),
        HEAD,
        "induction",
        None,
        Removals("repeats", alone, alone),
    )[3]
    assert "of 11 heads nearby" in one.words
    assert list(nearby_layers(0, 12)) == [0, 1] and list(nearby_layers(11, 12)) == [10, 11]


def test_removals_are_the_engine_s_on_the_probe_and_on_texts_held_out(model, removed):
    start = model.start_token
    reference = mean_reference(model)
    for effect, seed in ((removed.effect, 0), (removed.held_out, HELD_OUT)):
        prompts = names(model, start, seed=seed)[:N_PROMPTS]
        for prompt in prompts:
            assert prompt.answer == prompt.tokens[prompt.names[0]] or (
                prompt.answer == prompt.tokens[prompt.names[1]]
            )
        each = [
            ablate(
                model,
                model.tokenizer.decode(prompt.tokens[1:]),
                "L2.H4",
                "mean",
                reference,
                watch=prompt.answer,
                draws=0,
            ).logprob_change[0]
            for prompt in prompts
        ]
        assert effect[2, 4] == pytest.approx(np.mean(each), abs=1e-4)
        assert np.isnan(effect[3]).all()


def test_the_prompts_held_out_are_none_of_the_probes(model):
    for make in (names, facts, repeats):
        ours, others = (
            {prompt.tokens for prompt in make(model, model.start_token, seed=seed)}
            for seed in (0, HELD_OUT)
        )
        assert not ours & others


def test_a_head_whose_removal_is_not_asked_for_says_why(profile, removed):
    for step in evidence_ladder(profile, HEAD, "first_token", None, removed)[3:]:
        assert step.status == "does not apply" and step.words
