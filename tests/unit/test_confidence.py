"""Bootstrap, labels and margins on numbers small enough to do by hand."""

import numpy as np
import pytest

from headlab.behaviours import behaviours
from headlab.measuring.confidence import (
    UNCLASSIFIED,
    bootstrap_weights,
    decide_labels,
    excess,
    label_names,
    margins,
    naming_values,
    on_scale,
    weighted_means,
)
from headlab.measuring.scoring import Measured

ORDER = behaviours()
nan = np.nan


def measured(scores, chances):
    """One head's scores on some prompts."""
    score = np.array(scores, dtype=float).reshape(-1, 1, 1)
    return Measured(score, np.array(chances, dtype=float).reshape(-1, 1, 1), ~np.isnan(score))


# Three prompts, the second cannot test the behaviour.
THREE = measured([0.2, nan, 0.8], [0.1, nan, 0.3])


@pytest.mark.parametrize(
    ("draws", "score", "chance"),
    [
        ([1, 1, 1], (0.2 + 0.8) / 2, (0.1 + 0.3) / 2),
        ([3, 0, 0], 0.2, 0.1),
        ([2, 0, 1], (2 * 0.2 + 0.8) / 3, (2 * 0.1 + 0.3) / 3),
        ([0, 1, 2], 0.8, 0.3),
        ([1, 2, 0], 0.2, 0.1),
        ([0, 3, 0], nan, nan),
    ],
)
def test_a_resample_by_hand_with_a_nan_in_it(draws, score, chance):
    scores, chances = weighted_means(THREE, np.array([draws], dtype=float))
    assert scores.shape == (1, 1, 1)
    assert scores.item() == pytest.approx(score, nan_ok=True)
    assert chances.item() == pytest.approx(chance, nan_ok=True)


def test_bootstrap_of_every_possible_draw_by_hand():
    """All 27 ordered draws of three prompts, weighed as the resampler weighs them.

    The draws without the untestable prompt's own kind give means .2, .4, .5, .6 and .8; one draw
    in 27 holds nothing but the untestable prompt.
    """
    draws = np.array(np.meshgrid(*[range(3)] * 3)).reshape(3, -1).T  # [27, 3] prompts drawn
    weights = np.stack([(draws == prompt).sum(axis=1) for prompt in range(3)], axis=1)
    scores = weighted_means(THREE, weights.astype(float))[0].ravel()
    values, counts = np.unique(scores.round(6), return_counts=True)
    # a a a, a a N, a N N: 1 + 3 + 3; a a b: 3; a b N: 6; a b b: 3; the same for b; N N N: 1
    expected = {0.2: 7, 0.4: 3, 0.5: 6, 0.6: 3, 0.8: 7}
    assert dict(zip(values[:-1].tolist(), counts[:-1].tolist(), strict=True)) == expected
    assert np.isnan(values[-1]) and counts[-1] == 1
    weights = bootstrap_weights(3, n_resamples=60_000)
    scores = weighted_means(THREE, weights)[0].ravel().round(6)
    for value, count in expected.items():
        assert (scores == value).mean() == pytest.approx(count / 27, abs=0.01)
    assert np.isnan(scores).mean() == pytest.approx(1 / 27, abs=0.01)


def test_heads_are_averaged_each_by_itself():
    """A head that one prompt cannot test is averaged over the others; its neighbour is not."""
    score = np.array([[[0.0, 0.4]], [[1.0, nan]]])  # [prompt, layer, head]
    means, _ = weighted_means(Measured(score, score, np.ones(2)), np.array([[1.0, 3.0]]))
    np.testing.assert_allclose(means, [[[0.75, 0.4]]])


def test_resamples_draw_as_many_prompts_with_replacement_and_are_seeded():
    weights = bootstrap_weights(20)
    assert weights.shape == (1000, 20) and (weights.sum(axis=1) == 20).all()
    assert (weights.max(axis=1) > 1).all()  # with replacement
    assert weights.mean() == pytest.approx(1) and weights.var() == pytest.approx(0.95, abs=0.02)
    assert (weights.mean(axis=0) > 0.85).all() and (weights.mean(axis=0) < 1.15).all()
    assert np.array_equal(weights, bootstrap_weights(20))
    assert not np.array_equal(weights, bootstrap_weights(20, seed=1))


def test_weighing_changes_neither_scores_nor_weights():
    weights = np.ones((2, 3))
    before = THREE.score.copy()
    weighted_means(THREE, weights)
    assert np.array_equal(THREE.score, before, equal_nan=True) and (weights == 1).all()


def test_excess_is_0_at_chance_and_1_at_a_perfect_score():
    score = np.array([0.25, 1.0, 0.625, 0.0, nan, 0.3])
    chance = np.array([0.25, 0.25, 0.25, 0.2, 0.2, nan])
    expected = [0, 1, 0.5, -0.25, nan, nan]
    np.testing.assert_allclose(excess(score, chance), expected)


def test_resting_behaviours_are_held_against_their_raw_score():
    score, chance = np.array([0.6]), np.array([0.2])
    assert on_scale(ORDER["first_token"], score, chance).item() == 0.6
    assert on_scale(ORDER["diffuse"], score, np.array([nan])).item() == 0.6
    assert on_scale(ORDER["induction"], score, chance).item() == pytest.approx(0.5)


def values(**given):
    """Values of one head; behaviours that are not named are 0."""
    return {name: np.array([[given.get(name, 0.0)]]) for name in ORDER}


def label_of(**given):
    return label_names(decide_labels(values(**given), ORDER), ORDER).item()


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({}, UNCLASSIFIED),
        ({"induction": 0.6}, "induction"),
        ({"induction": 0.599}, UNCLASSIFIED),
        # an induction head rests on the first token most of the time
        ({"induction": 0.65, "first_token": 0.9}, "induction"),
        ({"first_token": 0.5, "diffuse": 0.9}, "first_token"),
        ({"diffuse": 0.8}, "diffuse"),
        ({"copying": 0.9, "first_token": 0.9}, "copying"),
        ({"copying": 0.9, "current_token": 0.7}, "current_token"),
        ({"local_window": 0.4, "current_token": 0.9}, "local_window"),
        ({"previous_token": 0.4, "local_window": 0.9}, "previous_token"),
        ({"punctuation": 0.4, "previous_token": 0.9}, "punctuation"),
        ({"duplicate_token": 0.3, "punctuation": 0.9}, "duplicate_token"),
        ({"induction": 0.7, "duplicate_token": 0.9}, "induction"),
        ({"retrieval": 0.4, "induction": 0.9}, "retrieval"),
        ({"retrieval": nan, "induction": 0.9}, "induction"),
        ({name: nan for name in ORDER}, UNCLASSIFIED),
    ],
)
def test_the_first_behaviour_that_passes_names_the_head(given, label):
    assert label_of(**given) == label


def test_labels_of_many_heads_and_resamples_at_once():
    many = {name: np.zeros((5, 2, 3)) for name in ORDER}
    many["induction"][4, 1, 2] = 0.9
    many["diffuse"][:, 0, 0] = 0.9
    label = label_names(decide_labels(many, ORDER), ORDER)
    assert label.shape == (5, 2, 3)
    assert label[4, 1, 2] == "induction" and (label[:, 0, 0] == "diffuse").all()
    assert (label == UNCLASSIFIED).sum() == 30 - 6


@pytest.mark.parametrize(
    ("given", "margin"),
    [
        ({"induction": 0.75}, 0.15),
        ({"induction": 0.75, "first_token": 0.99}, 0.15),
        ({"first_token": 0.7}, 0.2),
        # unclassified: below the nearest threshold, .3 of duplicate_token without more
        ({}, 0.3),
        ({"induction": 0.55}, 0.05),
        ({"induction": 0.55, "retrieval": nan}, 0.05),
    ],
)
def test_margin_by_hand(given, margin):
    found = values(**given)
    label = decide_labels(found, ORDER)
    assert margins(found, label, ORDER).item() == pytest.approx(margin)


@pytest.mark.parametrize(
    ("evidence", "label"),
    [
        ({"raises_the_answer": np.array([[0.5]])}, "retrieval"),
        ({"raises_the_answer": np.array([[0.49]])}, "induction"),
        ({"raises_the_answer": np.array([[np.nan]])}, "induction"),
        ({}, "induction"),
    ],
)
def test_retrieval_names_a_head_only_with_rung_3(evidence, label):
    given = values(retrieval=0.9, induction=0.7)
    naming = naming_values(given, evidence, ORDER)
    found = decide_labels(naming, ORDER)
    assert label_names(found, ORDER).item() == label and given["retrieval"].item() == 0.9
    margin = margins(naming, found, ORDER).item()
    assert margin == pytest.approx(0.9 - 0.4 if label == "retrieval" else 0.7 - 0.6)
    many = {name: np.repeat(value, 3, axis=0)[:, None] for name, value in given.items()}
    again = decide_labels(naming_values(many, evidence, ORDER), ORDER)
    assert set(label_names(again, ORDER).ravel()) == {label}


def test_without_rung_3_and_another_name_a_head_is_unclassified_below_the_others():
    naming = naming_values(values(retrieval=0.9), {}, ORDER)
    found = decide_labels(naming, ORDER)
    assert label_names(found, ORDER).item() == UNCLASSIFIED
    assert margins(naming, found, ORDER).item() > 0
