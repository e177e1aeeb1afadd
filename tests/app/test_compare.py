"""Compare: two profiles side by side, what may not be compared, and a training, as measured."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from streamlit.testing.v1 import AppTest

from headlab import Profile, load_model, profile_model
from headlab.behaviours import get_behaviour
from headlab.models.loading import choose_folder
from headlab.profiles.compare import compare_profiles
from headlab.profiles.history import read_history
from headlab.sweeps import engines, make_plan, run_sweep
from tests.app.test_pages import opened, sentences
from tests.models import gpt2_config, save_model
from tests.profiles import weakened


@pytest.fixture(scope="module")
def mini() -> Profile:
    return profile_model(load_model("mini"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model's folder: another shape, another tokenizer."""
    return save_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def other(folder) -> Profile:
    return profile_model(load_model(folder), variants=False, controls=0, cache=False)


def written(profile: Profile) -> bytes:
    return json.dumps(profile.to_dict()).encode()


def compared(content: bytes, **query: str) -> AppTest:
    test = opened("pages/Compare.py", **{"with": "uploaded"} | query)
    upload = next(each for each in test.main.file_uploader if each.key == "second profile")
    upload.set_value(("profile.json", content, "application/json")).run()
    return test


def shown(test: AppTest) -> str:
    blocks = (*test.main.markdown, *test.main.caption, *test.main.info, *test.main.warning)
    return "\n".join(block.value for block in blocks)


def press(test: AppTest, label: str) -> None:
    next(each for each in test.button if each.label == label).click().run()


def headers(test: AppTest) -> list[str]:
    return [block.value for block in test.main.header]


def test_with_one_model_the_page_opens_on_its_training():
    test = opened("pages/Compare.py")
    assert not test.exception and not test.error
    assert "At every **checkpoint**" in shown(test) and "With a second model" in shown(test)
    assert "Get a second model" in [link.label for link in test.get("page_link")]
    asked = opened("pages/Compare.py", training="off")
    assert "Choose a second model" in shown(asked)


def test_changes_are_those_of_the_engine(mini):
    less = weakened(mini)
    test = compared(written(less))
    assert not test.exception and not test.error
    expected = compare_profiles(mini, Profile.from_json(written(less)))
    counts = test.dataframe[0].value.set_index("behaviour")
    assert (
        counts.loc["Induction", "down"] == (expected.changes["induction"].verdict == "down").sum()
    )
    assert counts.loc["Induction", "down"] > 5 and counts.loc["Copying", "down"] == 0
    ranked = expected.ranking("induction")
    assert list(test.dataframe[1].value["name"]) == list(ranked["name"])
    assert list(test.dataframe[1].value["low"]) == pytest.approx(list(ranked["low"]))
    relabelled = expected.relabelled()
    assert list(test.dataframe[2].value["name"]) == list(relabelled["name"])
    assert f"{len(relabelled)} of 144 heads changed their label" in shown(test)


def test_a_link_leads_to_the_same_comparison_and_survives_without_the_file():
    test = opened("pages/Compare.py", **{"with": "uploaded", "behaviour": "copying"})
    assert not test.exception and not test.error
    assert test.selectbox(key="second").value == "uploaded"
    assert "Choose a second model, or hand in a profile" in shown(test)
    test = opened("pages/Compare.py", **{"with": "<script>"})
    assert "second model that is not here" in sentences(test)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no json", "no JSON"),
        (b'{"schema": "headlab.profile/9"}', "headlab.profile/9"),
        (b"[1, 2]", "no profile"),
    ],
)
def test_files_that_are_no_profiles_get_a_sentence(content, words):
    test = compared(content)
    assert words in sentences(test) and not test.exception
    assert "Choose a second model" in shown(test)


def test_a_profile_changed_by_hand_gets_a_sentence(mini):
    data = mini.to_dict()
    data["label"][3][5] = "diffuse"
    test = compared(json.dumps(data).encode())
    assert "the label of L3.H5 is not what its scores give" in sentences(test)


def test_other_shapes_are_compared_by_role(other):
    test = compared(written(other))
    assert not test.exception and not test.error
    assert "3 layers of 4 heads" in shown(test)
    assert "Which heads changed" not in headers(test) and "Roles" in headers(test)
    assert "A profile holds no pictures" in shown(test)
    assert "relative depth" in shown(test).lower()


def test_another_start_token_policy_is_told(mini):
    test = compared(written(profile_model(load_model("mini"), start_token=None)))
    assert not test.exception and not test.error
    assert "no start token" in sentences(test)
    assert "Which heads changed" not in headers(test) and "Roles" in headers(test)


def test_a_chosen_row_frames_its_head(mini):
    weaker = written(weakened(mini))
    test = compared(weaker)
    test.session_state["changed heads"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    test.run()
    first = compare_profiles(mini, Profile.from_json(weaker)).ranking("induction")["name"][0]
    layer, head = first.removeprefix("L").split(".H")
    assert (test.query_params["layer"], test.query_params["head"]) == (layer, head)


def test_two_models_of_this_machine_are_compared_on_a_text(folder, mini):
    choose_folder(str(folder))
    test = opened("pages/Compare.py", **{"with": str(folder), "text": "alice"})
    assert not test.exception and not test.error
    assert "whole words" in shown(test)  # another tokenizer
    assert test.query_params["with"] == str(folder)
    test.selectbox(key="behaviour").set_value("previous_token").run()
    assert not test.exception and not test.error


def test_a_copy_of_the_same_weights_has_the_same_pictures(tmp_path_factory, mini):
    copy = tmp_path_factory.mktemp("copy") / "mini-again"
    shutil.copytree(load_model("mini").folder, copy)
    choose_folder(str(copy))
    test = opened("pages/Compare.py", **{"with": str(copy), "text": "alice"})
    assert not test.exception and not test.error
    assert "of the same weights" in shown(test)
    assert "No head changed its label" in shown(test)
    assert "Layer by layer" in [block.value for block in test.main.subheader]
    tokens = ("word " * 200).strip()
    test.query_params["text"] = "own"
    test.session_state["own_text"] = tokens
    test.run()
    assert not test.exception and "shorten it by" in sentences(test)


def test_training_tells_what_came_first(mini):
    test = opened("pages/Compare.py", training="on")
    assert not test.exception and not test.error
    appeared = read_history(load_model("mini").folder).appearances(mini)
    for name, step in appeared.items():
        if step is not None:
            assert f"**{get_behaviour(name).title}**: step {step:,}" in shown(test)
    table = test.dataframe[0].value
    assert table["best induction"].iloc[-1] == pytest.approx(0.9306)
    assert "appeared" in shown(test)


def test_a_model_without_a_history_says_so(folder):
    choose_folder(str(folder))
    test = opened("pages/Compare.py", training="on", model=str(folder))
    assert not test.exception and not test.error
    assert "No history" in shown(test)


def test_a_folder_that_was_trained_into_again_is_measured_again(tmp_path_factory):
    folder = tmp_path_factory.mktemp("again") / "model"
    save_model(folder)
    choose_folder(str(folder))
    first = opened("pages/Compare.py", **{"with": str(folder)})
    assert "3 layers of 4 heads" in shown(first)
    save_model(folder, gpt2_config(n_layer=2))
    second = opened("pages/Compare.py", **{"with": str(folder)})
    assert not second.exception and not second.error
    assert "2 layers of 4 heads" in shown(second)


def test_a_name_from_a_file_is_no_markup(mini):
    data = mini.to_dict() | {"model": "![x](http://evil.example/x.png) <b>"}
    test = compared(json.dumps(data).encode())
    assert not test.exception and not test.error
    assert "![x]" not in shown(test) and "<b>" not in shown(test)


def test_a_sweep_is_shown_and_a_folder_without_one_says_so(folder, tmp_path):
    plan = make_plan([str(folder)], quick=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "_pool", lambda _: ThreadPoolExecutor(1))
        assert run_sweep(plan, tmp_path / "sweep") == {}
    test = opened("pages/Compare.py", training="on")
    test.text_input(key="sweep folder").set_value(str(tmp_path)).run()
    press(test, "Show it")
    assert not test.exception and "holds no sweep" in sentences(test)
    test.text_input(key="sweep folder").set_value(str(tmp_path / "sweep")).run()
    press(test, "Show it")
    assert not test.exception and not test.error
    assert "**1 of 1** cells of this sweep" in shown(test)
    assert test.multiselect(key="sweep kinds").value
    press(test, "Show it no longer")
    assert "checkpoint" in shown(test)
