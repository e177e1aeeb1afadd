"""Rankings define their terms before they use them, and tell what cannot be measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from headlab import HeadlabError, load_model, profile_model
from headlab.behaviours import get_behaviour
from headlab.evidence.observations import name_observations
from headlab.heads import Head
from headlab.ui.services.selection import NAME_MAPS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def profile():
    return profile_model(load_model("mini"))


def retrieval(profile, monkeypatch) -> AppTest:
    """The page on retrieval, showing this profile."""
    monkeypatch.setattr("headlab.ui.services.results.get_profile", lambda _: profile)
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    test.switch_page("pages/Rankings.py").run()
    test.selectbox(key="behaviour").set_value("retrieval").run()
    assert not test.exception and not test.error
    return test


def evidence(test: AppTest) -> str:
    return next(b.value for b in test.main.markdown if b.value.startswith("**Beside the score"))


def test_the_evidence_is_that_of_the_best_head(profile, monkeypatch):
    shown = evidence(retrieval(profile, monkeypatch))
    best = profile.ranking("retrieval", top=1)["name"][0]
    head = Head.parse(best)
    assert best in shown
    assert f"{profile.evidence['selectivity'][head]:.0%} of its attention" in shown
    assert f"In {profile.evidence['copy_paste_rate'][head]:.0%} of the correct" in shown


def test_heads_and_rates_that_cannot_be_measured_are_told(profile, monkeypatch):
    score = profile.score["retrieval"].copy()
    score[0, 0] = np.nan  # comes first, so a plain argmax would name it
    poor = replace(
        profile,
        score=profile.score | {"retrieval": score},
        evidence=profile.evidence
        | {
            "answered_correctly": np.array(0.0),
            "copy_paste_rate": np.full_like(score, np.nan),
        },
    )
    shown = evidence(retrieval(poor, monkeypatch))
    assert "L0.H0" not in shown and "nan" not in shown and "cannot be measured" in shown


def test_terms_are_defined_above_the_map(profile, monkeypatch):
    test = retrieval(profile, monkeypatch)
    order = [block.type for block in test.main]
    captions = [b.value for b in test.main.caption]
    assert "**Interval**" in captions[0] and "**Confidence**" in captions[0]
    assert order.index("caption") < order.index("plotly_chart")
    assert set(test.dataframe[0].value) >= {"score", "low", "high", "chance", "confidence"}


def test_an_untested_behaviour_is_listed_with_its_reason(profile, monkeypatch):
    told = replace(profile, untested={"copying": "its weights cannot be read"})
    test = retrieval(told, monkeypatch)
    assert any("Copying was not tested: its weights" in block.value for block in test.info)


def rankings(**query: str) -> AppTest:
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    test.switch_page("pages/Rankings.py")
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception and not test.error
    return test


def test_filters_leave_the_layers_and_scores_asked_for(profile):
    test = rankings(behaviour="induction")
    test.multiselect(key="only").set_value([3, 4]).run()
    test.slider(key="least").set_value(0.8).run()
    expected = profile.ranking("induction", layers=[3, 4], minimum=0.8)
    assert list(test.dataframe[0].value["head"]) == list(expected["name"])
    assert (test.query_params["only"], test.query_params["least"]) == ("3.4", "80")
    test.multiselect(key="only").set_value([11]).run()
    assert any("No head is left" in block.value for block in test.info)


def test_every_head_comes_with_all_its_roles(profile):
    table = rankings(behaviour="induction").dataframe[0].value.set_index("head")
    for name in table.index[:5]:
        titles = [get_behaviour(role).title for role in profile.roles(*Head.parse(name))]
        assert list(table.loc[name, "roles"]) == titles
        assert table.loc[name, "label"] == profile.label_text(*Head.parse(name))


def test_the_best_heads_are_doors_to_their_page(profile):
    test = rankings(behaviour="previous_token")
    doors = {link.label: link for link in test.get("page_link")}
    for top in profile.top_heads["previous_token"]:
        head = Head.parse(top["head"])
        query = doors[f"{head} ({top['score']:.2f})"].query_string
        assert f"layer={head.layer}" in query or head.layer == 0
        assert f"head={head.head}" in query and "behaviour=previous_token" in query


def test_a_row_opens_its_head(monkeypatch):
    opened = []
    monkeypatch.setattr(
        "headlab.ui.views.rankings.open_page", lambda *a, **k: opened.append((a, k))
    )
    test = rankings(behaviour="induction")
    first = Head.parse(test.dataframe[0].value["head"].iloc[0])
    test.session_state["ranking"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    test.run()
    assert opened == [(("Head",), {"layer": first.layer, "head": first.head})]


def test_the_first_labels_are_shown_while_the_rest_is_measured(profile, monkeypatch):
    def measure_a_tenth(model, *, progress, partial, **options):
        progress(0.1, "measuring the probes, about 40 s left")
        partial(0.1, profile)
        raise HeadlabError("The test stops here.")

    st.cache_resource.clear()
    monkeypatch.setattr("headlab.ui.services.results.ready_profile", lambda _: None)
    monkeypatch.setattr("headlab.ui.services.results.profile_model", measure_a_tenth)
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    test.switch_page("pages/Rankings.py").run()
    shown = [block.value for block in test.main.markdown]
    assert any(f"after 10% of the probe texts: {profile.labels_text}" in text for text in shown)


def test_the_name_maps_are_a_view_of_their_own(profile):
    test = rankings()
    test.segmented_control(key="view").set_value(NAME_MAPS).run()
    assert test.query_params["preset"] == "name-copying"
    assert len(test.get("plotly_chart")) == 2 and not test.selectbox
    assert any("No head is marked" in block.value for block in test.caption)
    shown = test.table[0].value
    ours = name_observations(profile)
    assert list(shown.index) == [observation.verdict for observation in ours]
    assert list(shown["measured on mini"]) == [observation.measured for observation in ours]
    test.segmented_control(key="view").set_value("rankings").run()
    assert "preset" not in test.query_params and test.selectbox(key="behaviour")


def test_the_maps_of_gpt2_small_are_marked_with_their_source(profile, monkeypatch):
    monkeypatch.setattr(
        "headlab.ui.services.results.get_profile", lambda _: replace(profile, model_name="gpt2")
    )
    test = rankings(preset="name-copying")
    assert any("Wang et al. 2022" in block.value for block in test.caption)
    spec = test.get("plotly_chart")[0].proto.spec
    assert "Name movers" in spec and "Backup name movers" in spec


def test_maps_that_cannot_be_measured_say_why(profile, monkeypatch):
    told = replace(profile, untested={"name_copying": "3 of 126 names are single tokens"})
    monkeypatch.setattr("headlab.ui.services.results.get_profile", lambda _: told)
    test = rankings(preset="name-copying")
    assert not test.get("plotly_chart")
    assert any("Name copying was not tested: 3 of 126" in block.value for block in test.info)
