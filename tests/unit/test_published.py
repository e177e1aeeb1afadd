"""The published table is whole, its inputs are the publishers', and marks come from it alone."""

import json

import numpy as np
import pytest

from headlab.evidence.published import (
    COUNTED,
    MEASUREMENTS,
    RANDOM_50,
    RANDOM_100,
    ROLES,
    heads_with_role,
    name_map_classes,
)
from headlab.evidence.published import marks as marks_of
from headlab.heads import Head

MATRICES = {
    "induction_counted": "induction_score_main_demo_deterministic_arange",
    "induction": "induction_score_main_demo_mean143",
    "previous_token": "exploratory_prev_d7e29f",
    "duplicate_token": "exploratory_dup_d7e29f",
    "attribution": "ioi_dla_per_head",
}


def test_a_heads_marks_are_sentences_with_a_source():
    texts = [mark.text for mark in marks_of("gpt2", Head(10, 7))]
    assert texts[0].startswith("Negative name mover on the indirect-object task")
    assert "Induction score 0.487 on repeated random tokens" in texts
    assert any("-1.90 logits" in text for text in texts)
    for role in ROLES:
        for head in heads_with_role(role):
            assert all(m.head == head and m.source for m in marks_of("gpt2", head))


def test_only_the_maps_of_gpt2_small_are_marked():
    assert name_map_classes("gpt2", "name_suppression") == {
        "Negative name movers": [Head(10, 7), Head(11, 10)]
    }
    assert list(name_map_classes("gpt2", "name_copying")) == ["Name movers", "Backup name movers"]
    assert name_map_classes("gpt2", "induction") == name_map_classes("mini", "name_copying") == {}


def test_a_head_nobody_wrote_about_has_no_marks():
    assert marks_of("gpt2", Head(1, 3)) == []


@pytest.mark.parametrize("name", ["mini", "gpt2-xl", "gpt2 (random weights, seed 0)", ""])
def test_other_models_have_no_marks(name):
    assert marks_of("openai-community/gpt2", Head(9, 9)) != []
    assert marks_of(name, Head(9, 9)) == []


def test_every_head_lies_in_gpt2_small():
    heads = [head for role in ROLES for head in heads_with_role(role)]
    assert len(heads) == len(set(heads)) == 26  # one role each
    heads += [head for m in MEASUREMENTS for head in m.values]
    assert all(0 <= head.layer < 12 and 0 <= head.head < 12 for head in heads)


def test_the_counted_input_is_1_to_500_row_by_row():
    tokens = COUNTED.tokens()
    assert tokens.shape == (10, 100)
    assert tokens[0, :3].tolist() == [1, 2, 3] and tokens[9, 49] == tokens[9, 99] == 500


@pytest.mark.parametrize(
    ("given", "shape", "low", "high"),
    [(RANDOM_50, (100, 100), 1_000, 9_999), (RANDOM_100, (20, 200), 100, 19_999)],
)
def test_the_random_inputs_are_as_published_and_always_the_same(given, shape, low, high):
    tokens = given.tokens()
    assert tokens.shape == shape and low <= tokens.min() and tokens.max() <= high
    half = shape[1] // 2
    assert (tokens[:, :half] == tokens[:, half:]).all()
    assert len(np.unique(tokens[:, 0])) > 1
    np.testing.assert_array_equal(tokens, given.tokens())


@pytest.mark.parametrize("name", MATRICES)
def test_the_figures_are_those_of_the_published_matrices(shared, name):
    path = shared / "oracles" / "matrices" / f"{MATRICES[name]}.json"
    matrix = np.array(json.loads(path.read_text(encoding="utf-8"))["matrix"])
    (measurement,) = (m for m in MEASUREMENTS if m.name == name)
    for head, value in measurement.values.items():
        assert value == pytest.approx(matrix[head], abs=0.00051), head
