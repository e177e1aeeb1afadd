"""Each observation about the two maps is settled by the profile at hand, either way."""

from dataclasses import replace

import numpy as np
import pytest

from headlab import load_model, profile_model
from headlab.evidence.observations import COPYING, SUPPRESSION, name_observations
from headlab.evidence.published import heads_with_role
from headlab.heads import Head

LATE, SPREAD = ["8.1", "9.6", "9.9", "10.0", "11.2"], ["1.0", "2.3", "4.4", "9.9", "11.2"]


@pytest.fixture(scope="module")
def mini():
    return profile_model(load_model("mini"))


def picture(profile, copies, suppresses, model_name="gpt2", background=0.02):
    """A profile on which these heads score .9 and the others next to nothing."""
    score, excess = dict(profile.score), dict(profile.excess)
    for behaviour, names in ((COPYING, copies), (SUPPRESSION, suppresses)):
        array = np.full((12, 12), background)
        array[0] = np.nan
        for name in names:
            array[Head.parse(name)] = 0.9
        score[behaviour] = excess[behaviour] = array
    return replace(profile, score=score, excess=excess, model_name=model_name)


def verdicts(profile):
    return [observation.verdict for observation in name_observations(profile)]


def test_a_picture_as_described_supports_what_is_said_of_it(mini):
    shown = picture(mini, ["9.6", "9.9", "10.0", "10.7", "11.2", "8.8"], ["10.7", "11.10", "11.1"])
    strong = shown.score[COPYING].copy()
    for head in heads_with_role("name_mover"):
        strong[head] = 0.99
    shown = replace(shown, score=shown.score | {COPYING: strong})
    assert set(verdicts(shown)) == {"supported"}
    measured = [observation.measured for observation in name_observations(shown)]
    assert measured[1] == "6 of 6 in layers 8 and later"
    assert measured[2] == "3 of 3 in layers 10 and later"
    assert measured[3] == "3 suppress, 6 copy" and measured[4] == "bright in both: L10.H7"
    assert measured[5].endswith("3 of 3 are name movers")
    assert measured[6] == "L10.H7 0.90, L11.H10 0.90"


def test_a_picture_of_another_kind_does_not(mini):
    shown = picture(mini, SPREAD, ["1.1", "2.2", "3.3"], background=0.3)
    assert set(verdicts(shown)) == {"not supported"}
    assert name_observations(shown)[0].measured == "below 0.1: 0% (copying), 0% (suppression)"


def test_where_nothing_is_bright_little_can_be_tested(mini):
    dark = verdicts(picture(mini, [], [], model_name="mini"))
    assert dark == ["supported", *["cannot be tested here"] * 6]


def test_the_classes_are_asked_of_gpt2_small_alone(mini):
    ours = name_observations(picture(mini, LATE, ["10.7"], model_name="mini"))
    assert [o.measured for o in ours[-2:]] == ["the classes are those of GPT-2 small"] * 2
    theirs = name_observations(picture(mini, LATE, ["10.7"]))
    assert (ours[1], theirs[-1].verdict) == (theirs[1], "not supported")


def test_a_profile_without_the_behaviours_has_nothing_to_say(mini):
    score = {name: array for name, array in mini.score.items() if name != SUPPRESSION}
    assert name_observations(replace(mini, score=score)) == []


def test_heads_that_cannot_be_tested_are_left_out(mini):
    nothing = np.full((12, 12), np.nan)
    blind = replace(
        mini,
        score=mini.score | {COPYING: nothing, SUPPRESSION: nothing},
        excess=mini.excess | {COPYING: nothing, SUPPRESSION: nothing},
    )
    assert set(verdicts(blind)) == {"cannot be tested here"}
