"""A history says when a kind of head appeared, and is read only when whole."""

import json
from dataclasses import replace

import numpy as np
import pytest

from headlab import HeadlabError, load_model
from headlab.profiles.history import SCHEMA, read_history, score_threshold
from headlab.profiles.kept import kept_profile


def checkpoint(step, induction, previous, copying_heads=0):
    return {
        "step": step,
        "best": {"induction": induction, "previous_token": previous, "copying": 0.9},
        "labels": {"induction": 0, "copying": copying_heads, "unclassified": 12 - copying_heads},
    }


ROWS = [checkpoint(1, 0.0, 0.2), checkpoint(50, 0.3, 0.5), checkpoint(90, 0.7, 0.6, 1)]


def written(folder, data):
    (folder / "history.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


@pytest.fixture
def profile():
    """mini's profile with a chance that is easy to reckon with, the same for all heads."""
    kept = kept_profile(load_model("mini"))
    half = {name: np.full((12, 12), 0.0) for name in kept.chance}
    half["previous_token"] = np.full((12, 12), 0.5)
    half["copying"] = kept.chance["copying"]  # differs from head to head
    return replace(kept, chance=half)


def test_what_came_first_is_read_off_the_checkpoints(tmp_path, profile):
    history = read_history(written(tmp_path, {"schema": SCHEMA, "checkpoints": ROWS}))
    assert history.steps.tolist() == [1, 50, 90]
    assert score_threshold(profile, "previous_token") == pytest.approx(0.4 * 0.5 + 0.5)
    assert score_threshold(profile, "copying") is None
    # the best copying score passes .4 from the first step on, but no head is labelled before 90
    found = history.appearances(profile)
    assert found == {"copying": 90, "induction": 90, "previous_token": None}
    assert list(found)[-1] == "previous_token"
    assert history.first_step("induction", 0.3) == 50
    assert history.first_label("copying") == 90 and history.first_label("retrieval") is None


def test_a_model_without_a_history_has_none(tmp_path):
    assert read_history(tmp_path) is None and read_history(None) is None


def test_mini_ships_with_its_history():
    history = read_history(load_model("mini").folder)
    assert history is not None and (np.diff(history.steps) > 0).all()
    assert set(history.labels) == {*history.best, "unclassified"}


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"schema": "headlab.history/2", "checkpoints": ROWS},
        {"schema": SCHEMA, "checkpoints": []},
        {"schema": SCHEMA, "checkpoints": [ROWS[1], ROWS[0]]},
        {"schema": SCHEMA, "checkpoints": [{"step": "soon"}]},
        {"schema": SCHEMA},
    ],
)
def test_a_damaged_history_gets_a_sentence(tmp_path, data):
    with pytest.raises(HeadlabError, match="write it again"):
        read_history(written(tmp_path, data))
