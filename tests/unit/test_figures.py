"""Figures show the profile's numbers, layer across and head down."""

import re

import numpy as np
import pytest

from headlab import load_model, profile_model
from headlab.behaviours import get_behaviour
from headlab.evidence.published import name_map_classes
from headlab.figures import (
    behaviour_map_figure,
    compared_map_figure,
    depth_figure,
    difference_figure,
    flow_figure,
    history_figure,
    history_labels_figure,
    label_counts_figure,
    label_shares_figure,
    pattern_figure,
    position_names,
    ranking_figure,
    role_counts_figure,
    scatter_figure,
    similarity_map_figure,
)
from headlab.heads import Head
from headlab.profiles.compare import compare_profiles
from headlab.profiles.history import read_history
from tests.profiles import weakened

TOKENS = ["<|endoftext|>", " a", "\n", "<b>b</b>"]
PATTERN = np.array([[1, 0, 0, 0], [0.9, 0.1, 0, 0], [0.2, 0.3, 0.5, 0], [0, 0.002, 0.998, 0]])


@pytest.fixture(scope="module")
def profile():
    return profile_model(load_model("mini"))


def test_the_map_has_layers_across_and_heads_down(profile):
    figure = behaviour_map_figure(profile, "induction")
    assert np.allclose(figure.data[0].z, profile.score["induction"].T, atol=1e-6)
    assert figure.layout.xaxis.title.text == "layer" and figure.layout.yaxis.title.text == "head"
    assert figure.layout.yaxis.autorange == "reversed"
    assert "mini" in figure.layout.title.subtitle.text


def test_marked_heads_stand_at_their_place_with_a_legend(profile):
    classes = name_map_classes("gpt2", "name_copying")
    figure = behaviour_map_figure(profile, "name_copying", classes)
    map_, movers, backups = figure.data
    assert (map_.zmin, map_.zmax) == (0, 1) and np.isnan(np.asarray(map_.z)[:, 0]).all()
    assert set(zip(movers.x, movers.y, strict=True)) == {(9, 9), (10, 0), (9, 6)}
    assert (movers.marker.symbol, backups.marker.symbol) == ("x", "circle")
    assert movers.showlegend and "Backup" in backups.name and len(backups.x) == 8
    assert movers.text[0] == f"L9.H9<br>score {profile.score['name_copying'][9, 9]:.3f}"
    assert len(behaviour_map_figure(profile, "name_copying").data) == 1


def test_every_head_is_counted_once(profile):
    figure = label_counts_figure(profile)
    assert sum(int(np.sum(bar.y)) for bar in figure.data) == profile.n_layers * profile.n_heads


def test_a_pattern_has_queries_down_keys_across_and_nothing_ahead():
    figure = pattern_figure(PATTERN, TOKENS, "L0.H1", "mini · start token: none")
    map_ = figure.data[0]
    below = np.tri(4, dtype=bool)
    assert np.allclose(np.asarray(map_.z)[below], PATTERN[below])
    assert np.isnan(np.asarray(map_.z)[~below]).all()
    assert figure.layout.yaxis.autorange == "reversed"
    assert "query" in figure.layout.yaxis.title.text and "key" in figure.layout.xaxis.title.text


def test_markup_in_tokens_and_titles_is_shown_as_text():
    assert position_names(TOKENS)[1:3] == ["1 ·a", "2 ↵"]
    figure = pattern_figure(PATTERN, TOKENS, "<b>title</b>", "<i>model</i>")
    shown = [*figure.data[0].x, figure.layout.title.text, figure.layout.title.subtitle.text]
    assert not any("<" in text for text in shown)


def test_logarithmic_colours_keep_the_exact_value_for_hovering():
    figure = pattern_figure(PATTERN, TOKENS, "", "", log=True)
    assert np.asarray(figure.data[0].z)[2, 0] == pytest.approx(np.log10(0.2))
    assert np.asarray(figure.data[0].z)[3, 0] == pytest.approx(-3)  # .001 and less
    assert np.asarray(figure.data[0].customdata)[3, 1] == pytest.approx(0.002)


def test_outlined_cells_are_framed_at_their_place():
    cells = np.zeros((4, 4), dtype=bool)
    cells[3, 1] = True
    (shape,) = pattern_figure(PATTERN, TOKENS, "", "", outlined=cells).layout.shapes
    assert shape.path == "M0.5,2.5 L1.5,2.5 L1.5,3.5 L0.5,3.5 Z"  # x is the key, y the query
    assert not pattern_figure(PATTERN, TOKENS, "", "", outlined=np.zeros_like(cells)).layout.shapes


def test_a_difference_is_signed_around_zero():
    figure = difference_figure(PATTERN - PATTERN[::-1, ::-1].T, TOKENS, "", "")
    assert (figure.data[0].zmin, figure.data[0].zmax) == (-1, 1)


def test_bars_carry_score_and_interval(profile):
    table = profile.ranking("induction", top=5)
    (bars,) = ranking_figure(profile, table, "induction").data
    assert list(bars.y) == list(table["name"])
    assert np.allclose(np.asarray(bars.x) + np.asarray(bars.error_x.array), table["high"])
    assert np.allclose(np.asarray(bars.x) - np.asarray(bars.error_x.arrayminus), table["low"])


def test_role_counts_are_heads_past_the_threshold(profile):
    (bars,) = role_counts_figure(profile, "first_token").data
    expected = (profile.score["first_token"] >= get_behaviour("first_token").threshold).sum(1)
    assert list(bars.y) == list(expected)


def test_the_scatter_holds_every_head_at_its_values(profile):
    figure = scatter_figure(profile, "induction", "first_token")
    points = {
        name: (x, y) for t in figure.data for name, x, y in zip(t.text, t.x, t.y, strict=True)
    }
    assert len(points) == profile.n_layers * profile.n_heads
    at = (profile.excess["induction"][3, 7], profile.score["first_token"][3, 7])
    assert points["L3.H7"] == pytest.approx(at, abs=1e-6)


@pytest.mark.parametrize("page", [(16, 23, 31), (251, 252, 253)], ids=["dark", "light"])
def test_where_no_head_can_look_differs_from_attention_0(page):
    def luminance(colour):
        parts = [v / 255 for v in colour]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return np.dot(linear, (0.2126, 0.7152, 0.0722))

    figure = pattern_figure(np.eye(3), ["a", "b", "c"], "title", "policy")
    *grey, alpha = map(float, re.findall(r"[\d.]+", figure.layout.plot_bgcolor))
    ahead = luminance([alpha * g + (1 - alpha) * p for g, p in zip(grey, page, strict=True)])
    assert (ahead + 0.05) / (luminance((0, 34, 78)) + 0.05) >= 3  # the darkest of Cividis


def test_the_scatter_takes_where_heads_look_too(profile):
    figure = scatter_figure(profile, "looks_reach", "looks_punctuation")
    points = {t: (x, y) for d in figure.data for t, x, y in zip(d.text, d.x, d.y, strict=True)}
    looks = profile.looks.value
    at = (looks["reach"][3, 7], looks["punctuation"][3, 7])
    assert points["L3.H7"] == pytest.approx(at, abs=1e-4) and not figure.layout.shapes


# -- two models, and a training


@pytest.fixture(scope="module")
def comparison(profile):
    return compare_profiles(profile, weakened(profile))


def test_maps_of_two_models_tell_the_change_and_mark_what_is_sure(comparison):
    change = comparison.changes["induction"]
    figure = compared_map_figure(comparison, "induction", "change", Head(3, 5))
    map_, rings = figure.data
    assert np.allclose(map_.z, change.change.T, atol=1e-6)
    assert np.allclose(np.asarray(map_.customdata)[5, 3, 3:], [change.low[3, 5], change.high[3, 5]])
    marked = set(zip(rings.x, rings.y, strict=True))
    assert marked == set(map(tuple, np.argwhere(np.isin(change.verdict, ("up", "down")))))
    assert len(figure.layout.shapes) == 1 and "mini-weak" in figure.layout.title.subtitle.text
    before = compared_map_figure(comparison, "induction", "before")
    assert np.allclose(before.data[0].z, comparison.before.score["induction"].T, atol=1e-6)
    assert not before.layout.shapes


def test_the_flow_of_labels_counts_every_head_once(comparison):
    (sankey,) = flow_figure(comparison).data
    assert sum(sankey.link.value) == 144
    names = sankey.node.label
    flows = {
        (names[a], names[b]): int(n)
        for a, b, n in zip(
            *(sankey.link[key] for key in ("source", "target", "value")), strict=True
        )
    }
    label = comparison.before.label, comparison.after.label
    same = ((label[0] == "first_token") & (label[1] == "first_token")).sum()
    assert flows[("First token", "First token")] == same


def test_depth_and_shares_are_drawn_for_both_models(comparison):
    one, two = depth_figure(comparison, "induction").data
    assert one.x[0] == 0 and one.x[-1] == 1 and max(one.y) > max(two.y)
    one, two = label_shares_figure(comparison).data
    assert sum(one.x) == pytest.approx(1) == pytest.approx(sum(two.x))
    alike = similarity_map_figure(np.eye(3)[:2], "alike", "mini")
    assert np.asarray(alike.data[0].z).shape == (3, 2)  # heads down


def test_a_training_is_drawn_with_a_ring_where_a_behaviour_appeared(profile):
    history = read_history(load_model("mini").folder)
    appeared = history.appearances(profile)
    traces = history_figure(history, appeared, profile).data
    rings = [trace for trace in traces if trace.mode == "markers"]
    assert [ring.x[0] for ring in rings] == [
        appeared[name] for name in history.best if appeared[name] is not None
    ]
    stacked = history_labels_figure(history, profile).data
    assert np.sum([trace.y for trace in stacked], axis=0).tolist() == [144] * len(history.steps)
