"""Figures show the profile's numbers, layer across and head down."""

import numpy as np
import pytest

from headlab import load_model, profile_model
from headlab.figures import behaviour_map_figure, label_counts_figure


@pytest.fixture(scope="module")
def profile():
    return profile_model(load_model("mini"))


def test_the_map_has_layers_across_and_heads_down(profile):
    figure = behaviour_map_figure(profile, "induction")
    assert np.allclose(figure.data[0].z, profile.score["induction"].T, atol=1e-6)
    assert figure.layout.xaxis.title.text == "layer" and figure.layout.yaxis.title.text == "head"
    assert figure.layout.yaxis.autorange == "reversed"
    assert "mini" in figure.layout.title.subtitle.text


def test_every_head_is_counted_once(profile):
    figure = label_counts_figure(profile)
    assert sum(int(np.sum(bar.y)) for bar in figure.data) == profile.n_layers * profile.n_heads
