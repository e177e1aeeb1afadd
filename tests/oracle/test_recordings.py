"""Attention of GPT-2 small that others recorded goes through the public door.

The figures are other people's: their recordings, their matrices, and what ../shared/design/facts.md
states about them.
"""

import json

import numpy as np
import pytest

from headlab import score_patterns
from headlab.behaviours import behaviours

WHOLE_MODEL = (
    "bertviz_head_view_gpt2_fruit",
    "transformer_explainer_ex0",
    "transformer_explainer_ex1",
    "transformer_explainer_ex2",
)
NAMES = (
    *WHOLE_MODEL,
    "easytransformer_help_37tok_L5_bos",
    "shehper_attn_saes_65tok_L4",
    "tl_headdet_25tok",
    "tl_ioi_15tok_heads",
    "tl_random_repeated_40tok_L5H5_0",
    "tl_random_repeated_40tok_L5H5_1",
)


class Recording:
    """One file, both layouts as [layer, head, query, key]; a list has one head in each layer."""

    def __init__(self, folder, name):
        with np.load(folder / "recordings" / f"{name}.npz") as file:
            self.tokens = [str(token) for token in file["tokens"]]
            attention = file["attention"]
            self.layers, self.heads = file["layer_ids"].tolist(), file["head_ids"].tolist()
        self.is_list = attention.ndim == 3
        self.patterns = attention[:, None] if self.is_list else attention

    def scores(self):
        return score_patterns(self.patterns, self.tokens, token_texts=self.tokens)

    def head(self, score, layer, head):
        """One head's score by the ids that the recording gives."""
        if self.is_list:
            pairs = list(zip(self.layers, self.heads, strict=True))
            return score[pairs.index((layer, head)), 0]
        return score[self.layers.index(layer), self.heads.index(head)]


@pytest.fixture(scope="module")
def oracles(shared):
    return shared / "oracles"


@pytest.fixture(scope="module")
def recording(oracles):
    return lambda name: Recording(oracles, name)


def matrix(oracles, name):
    return json.loads((oracles / "matrices" / f"{name}.json").read_text(encoding="utf-8"))


def test_every_recording_is_among_those_tested(oracles):
    assert {path.stem for path in (oracles / "recordings").glob("*.npz")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_can_be_scored(recording, name):
    found = recording(name)
    before = found.patterns.copy()
    scores = found.scores()
    assert set(scores) == {name for name, b in behaviours().items() if not b.needs_model}
    for behaviour, score in scores.items():
        assert score.shape == (len(found.layers), 1 if found.is_list else len(found.heads))
        known = score[np.isfinite(score)]
        assert known.size in (0, score.size), behaviour
        assert (known >= 0).all() and (known <= 1 + 1e-6).all(), behaviour
    assert np.isfinite(scores["first_token"]).all() and np.isnan(scores["retrieval"]).all()
    np.testing.assert_array_equal(found.patterns, before)


@pytest.mark.parametrize("name", NAMES)
def test_the_scores_are_the_means_of_the_recorded_cells(recording, name):
    """The sums written out, row by row, in plain Python."""
    found = recording(name)
    scores = found.scores()
    n, A = len(found.tokens), found.patterns
    columns = {
        "previous_token": [(q, [q - 1]) for q in range(2, n)],
        "current_token": [(q, [q]) for q in range(1, n)],
        "first_token": [(q, [0]) for q in range(2, n)],
        "local_window": [(q, list(range(max(1, q - 4), q - 1))) for q in range(6, n)],
        "duplicate_token": [
            (q, [k for k in range(1, q) if found.tokens[k] == found.tokens[q]]) for q in range(n)
        ],
        "induction": [
            (q, [j + 1 for j in range(q - 1) if found.tokens[j] == found.tokens[q]])
            for q in range(n)
        ],
    }
    for behaviour, rows in columns.items():
        rows = [(q, keys) for q, keys in rows if keys]
        if not rows:
            assert np.isnan(scores[behaviour]).all(), behaviour
            continue
        expected = np.mean([A[:, :, q, keys].sum(-1) for q, keys in rows], axis=0)
        np.testing.assert_allclose(scores[behaviour], expected, atol=1e-6, err_msg=behaviour)


def test_the_published_previous_token_matrix_is_reproduced(oracles, recording):
    """headdet_prev_mul, with its publisher's formula: sum over q >= 1 of A[q, q-1], over n.

    Ours has other rows (q >= 2) and another denominator, so the formula is written out here; ours
    follows from theirs by both corrections.
    """
    published = matrix(oracles, "headdet_prev_mul")
    assert published["axes"] == ["layer", "head"]
    found = recording("tl_headdet_25tok")
    theirs = np.array(published["matrix"])[found.layers]
    n = len(found.tokens)
    below = np.diagonal(found.patterns, offset=-1, axis1=-2, axis2=-1)  # [layer, head, q - 1]
    np.testing.assert_allclose(below.sum(-1) / n, theirs, atol=2e-6)
    ours = found.scores()["previous_token"]
    np.testing.assert_allclose(ours, (theirs * n - below[..., 0]) / (n - 2), atol=4e-6)
    assert np.argmax(ours) == np.ravel_multi_index((found.layers.index(4), 11), ours.shape)


@pytest.mark.parametrize("name", WHOLE_MODEL)
def test_most_heads_rest_on_the_first_token(recording, name):
    """101 to 116 of 144 on short texts; 0 to 5 of layer 0, nearly all of layers 5 to 10."""
    resting = recording(name).scores()["first_token"] > 0.5
    assert 101 <= resting.sum() <= 116
    assert resting[0].sum() <= 5
    assert (resting[5:11].sum(axis=1) >= 9).all() and resting[5:11].sum() >= 66
    assert resting[11].sum() == 10


@pytest.mark.parametrize("name", WHOLE_MODEL)
def test_layer_0_looks_at_the_current_token_with_three_heads(recording, name):
    """0.1, 0.3, 0.5; 0.4 half-way; L0.H1 at .81 to .996 and no previous-token head."""
    scores = recording(name).scores()
    current = scores["current_token"][0]
    assert set(np.flatnonzero(current > 0.5)) == {1, 3, 5}
    assert 0.81 <= current[1] <= 0.997
    assert 0.3 < current[4] < 0.66
    assert scores["previous_token"][0, 1] <= 0.03


@pytest.mark.parametrize("name", WHOLE_MODEL)
def test_the_last_layer_has_no_previous_token_head(recording, name):
    previous = recording(name).scores()["previous_token"]
    assert previous[11].max() <= 0.42 and previous[11].argmax() == 8
    best = np.unravel_index(previous.argmax(), previous.shape)
    assert best == (4, 11) and previous[4, 11] > 0.99


def test_fewer_heads_rest_on_the_first_token_in_a_longer_text(recording):
    """Layer 4: five or six of twelve at 65 tokens, more in every short recording."""
    long = (recording("shehper_attn_saes_65tok_L4").scores()["first_token"] > 0.5).sum()
    assert long in (5, 6)
    for name in WHOLE_MODEL:
        assert (recording(name).scores()["first_token"][4] > 0.5).sum() > long


@pytest.mark.parametrize("run", [0, 1])
def test_l5_h5_is_an_induction_head_on_repeated_random_tokens(recording, run):
    found = recording(f"tl_random_repeated_40tok_L5H5_{run}")
    assert found.tokens[:20] == found.tokens[20:]
    induction = found.head(found.scores()["induction"], 5, 5)
    published = 0.928  # mean of 143 runs on 50 tokens; these two are single runs on 20
    assert induction == pytest.approx(published, abs=0.05)


def test_an_induction_head_rests_on_the_start_token_even_where_a_sentence_repeats(recording):
    found = recording("easytransformer_help_37tok_L5_bos")
    scores = found.scores()
    induction = scores["induction"]
    assert found.head(scores["first_token"], 5, 5) == pytest.approx(0.52, abs=0.06)
    assert found.head(induction, 5, 5) > 0.6
    assert {1, 5} <= set(np.argsort(-induction[0])[:3])
