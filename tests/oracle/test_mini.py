"""The model that ships does what it is there for, and its profile is its own."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from headlab import Profile, load_model, profile_model, read_text
from headlab.models.catalogue import CATALOGUE
from headlab.models.tokens import encode
from headlab.profiles import profiling

FOLDER = CATALOGUE["mini"].folder
TEXTS = sorted((Path(__file__).parents[2] / "prompts" / "texts").glob("*.toml"))
# Behaviour, score, heads that reach it, in at least so many layers: what was aimed at and reached.
# Two aims were missed and are not held here: a second previous-token head, a duplicate-token head.
FLOORS = [
    ("induction", 0.6, 4, 2),
    ("previous_token", 0.7, 1, 1),
    ("first_token", 0.5, 20, 2),
    ("retrieval", 0.5, 2, 1),
]


def guided(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))["text"]


@pytest.fixture(scope="module")
def mini():
    return load_model("mini", device="cpu")


@pytest.fixture(scope="module")
def profile():
    return Profile.load(FOLDER / "profile.json")


@pytest.fixture(scope="module")
def fresh(mini):
    """The shipped model profiled here and now, by the probes alone."""
    return profile_model(mini, variants=False, controls=0, cache=False)


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path))
    return tmp_path


def test_mini_has_the_shape_of_gpt2(mini):
    assert mini.network.config.model_type == "gpt2"
    assert (mini.n_layers, mini.n_heads) == (12, 12)
    assert mini.max_tokens >= 128 and mini.start_token is not None
    weights = sum(file.stat().st_size for file in FOLDER.glob("*.safetensors"))
    assert weights <= 12_000_000


@pytest.mark.parametrize(
    ("file", "start"), [("profile.json", "model"), ("profile-no-start-token.json", None)]
)
def test_a_shipped_profile_is_found_without_running_the_model(
    mini, no_cache, monkeypatch, file, start
):
    def fail(*arguments):
        raise AssertionError("the model was profiled: the shipped profile is not its own")

    monkeypatch.setattr(profiling, "measure", fail)
    found = profile_model(mini, start_token=start)
    assert found.content_hash == mini.content_hash
    assert found.to_dict()["score"] == Profile.load(FOLDER / file).to_dict()["score"]
    assert not list(no_cache.iterdir())


def test_the_shipped_profile_is_what_profiling_gives(fresh, profile):
    for name in fresh.behaviours:
        np.testing.assert_allclose(profile.score[name], fresh.score[name], atol=2e-3, err_msg=name)
    assert (fresh.label == profile.label).mean() > 0.98


@pytest.mark.parametrize(("behaviour", "score", "heads", "layers"), FLOORS)
def test_heads_with_the_behaviours_of_the_lessons_exist(fresh, behaviour, score, heads, layers):
    found = np.argwhere(fresh.score[behaviour] >= score)
    assert len(found) >= heads and len(set(found[:, 0])) >= layers


def test_random_weights_carry_no_specific_label(profile):
    assert profile.controls == 3 and not any(profile.false_positives.values())


def test_the_heads_of_a_layer_differ(mini):
    """No layer whose twelve heads are all pairwise more than .95 correlated."""
    patterns = read_text(mini, guided(TEXTS[0])).patterns
    below = np.tril_indices(patterns.shape[-1])
    for layer in patterns:
        correlation = np.corrcoef(layer[:, *below])
        assert correlation[~np.eye(12, dtype=bool)].min() < 0.95


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_a_guided_text_is_read(mini, path):
    text = guided(path)
    reading = read_text(mini, text)
    assert "".join(reading.token_texts[1:]) == text
    np.testing.assert_allclose(reading.patterns.sum(-1), 1, atol=1e-5)
    assert np.isfinite(reading.scores["first_token"]).all()


def test_the_guided_texts_take_few_tokens_a_word(mini):
    texts = [guided(path) for path in TEXTS]
    assert len(texts) >= 8
    words = sum(len(text.split()) for text in texts)
    assert sum(len(encode(mini, text)) for text in texts) <= 1.6 * words


def test_the_words_of_the_probes_are_many(mini):
    assert len(mini.ordinary_tokens) >= 500
