"""The command line does what the functions do, and says what went wrong in a sentence."""

import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tqdm import tqdm

from headlab import Profile, ablate, ablation_sweep, load_model, patch, profile_model, read_text
from headlab.behaviours import behaviours
from headlab.cli import DONE, FAILED, MISUNDERSTOOD, main, shared
from headlab.models.catalogue import CATALOGUE
from headlab.models.download import Download, latest_download
from headlab.models.hub import find_model
from headlab.profiles.compare import compare_profiles
from tests.hub_server import Hub, running
from tests.models import pickled, save_model
from tests.profiles import weakened

CAT = "The cat sat on the mat. The cat sat on the"


@pytest.fixture(scope="module")
def mini():
    return load_model("mini")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def test_models_lists_the_catalogue_and_what_is_here(capsys):
    assert main(["models", "--json"]) == DONE
    models = json.loads(capsys.readouterr().out)["models"]
    assert [row["model"] for row in models] == list(CATALOGUE)
    assert [row["model"] for row in models if row["here"]] == ["mini"]
    assert [row["revision"] for row in models] == [e.revision for e in CATALOGUE.values()]
    assert main(["models"]) == DONE
    printed = capsys.readouterr().out
    assert "1,557.6 M" in printed and "6.2 GB" in printed and "MIT" in printed


def test_a_public_server_lists_what_it_offers(capsys, monkeypatch):
    monkeypatch.setenv("HEADLAB_PUBLIC", "1")
    assert main(["models", "--json"]) == DONE
    names = [row["model"] for row in json.loads(capsys.readouterr().out)["models"]]
    assert "gpt2" in names and not {"gpt2-xl", "facebook/opt-125m"} & set(names)


def test_models_downloads(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    hub = Hub(save_model(tmp_path / "published"), CATALOGUE["gpt2"].revision)
    with running(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        assert main(["score", "--model", "gpt2", "--text", CAT]) == FAILED
        assert "models --download gpt2" in capsys.readouterr().err
        hub.fault = "500"
        assert main(["models", "--download", "gpt2"]) == FAILED
        assert "error 500" in capsys.readouterr().err
        hub.fault = None
        assert main(["models", "--download", "gpt2", "--json"]) == DONE
        (row,) = json.loads(capsys.readouterr().out)["downloaded"]
        assert row["model"] == "gpt2" and row["folder"].endswith(hub.commit)
        assert main(["models", "--download", "gpt2"]) == DONE
    assert main(["score", "--model", "gpt2", "--text", CAT]) == DONE
    assert "model gpt2" in capsys.readouterr().out


def test_a_download_stopped_at_the_keyboard_stops(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    hub = Hub(save_model(tmp_path / "published"), CATALOGUE["gpt2"].revision)
    hub.speed = 50_000
    with running(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        wait = Download.wait

        def interrupted(self, seconds=None):
            if seconds is not None:
                raise KeyboardInterrupt
            return wait(self)

        monkeypatch.setattr(Download, "wait", interrupted)
        assert main(["models", "--download", "gpt2"]) == FAILED
    assert "stopped" in capsys.readouterr().err
    assert not latest_download("gpt2").running and find_model("gpt2") is None


def test_a_pickle_is_said(capsys, tmp_path):
    folder = pickled(save_model(tmp_path / "tiny"))
    assert main(["score", "--model", str(folder), "--text", CAT, "--json"]) == DONE
    assert "pickle" in capsys.readouterr().err


def test_score_prints_what_read_text_measures(capsys, mini):
    command = ["score", "--text", CAT, "--behaviour", "induction", "--layer", "3", "--json"]
    assert main(command) == DONE
    printed = json.loads(capsys.readouterr().out)
    reading = read_text(mini, CAT)
    assert printed["tokens"] == reading.token_texts
    assert printed["start_token"] == mini.start_token
    assert [row["head"] for row in printed["scores"]] == [f"L3.H{h}" for h in range(12)]
    for head, row in enumerate(printed["scores"]):
        assert row["induction"] == pytest.approx(reading.scores["induction"][3, head], abs=1e-6)
        assert row["shape"] == str(reading.hint(3, head))


def test_what_a_text_cannot_test_is_null_and_an_empty_cell(capsys):
    words = ["score", "--text", "one two three four", "--behaviour", "induction"]
    assert main([*words, "--json"]) == DONE
    assert {r["induction"] for r in json.loads(capsys.readouterr().out)["scores"]} == {None}
    assert main(words) == DONE
    assert "nan" not in capsys.readouterr().out.lower()


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_score_writes_files(tmp_path, ending):
    path = tmp_path / f"scores.{ending}"
    assert main(["score", "--text", CAT, "--out", str(path)]) == DONE
    if ending == "csv":
        table = pd.read_csv(path)
        assert len(table) == 144 and set(table["model"]) == {"mini"}
    else:
        assert len(json.loads(path.read_text(encoding="utf-8"))["scores"]) == 144


def test_entities_make_retrieval_measurable(capsys):
    text = "Maria lives in Oslo. Peter lives in Lima. The home of Peter is"
    facts = ["--entity", "Maria=Oslo", "Peter=Lima"]
    assert main(["score", "--text", text, *facts, "--behaviour", "retrieval", "--json"]) == DONE
    scores = [row["retrieval"] for row in json.loads(capsys.readouterr().out)["scores"]]
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["score", "--text", "  "], "empty"),
        (["score", "--text", CAT, "--behaviour", "inducton"], "Did you mean 'induction'"),
        (["score", "--text", CAT, "--behaviour", "copying"], "rank --behaviour copying"),
        (["score", "--text", CAT, "--layer", "12"], "no layer 12"),
        (["score", "--text", CAT, "--entity", "cat"], "ENTITY=ATTRIBUTE"),
        (["score", "--text", CAT, "--entity", "dog=mat"], "'dog' does not stand in the text"),
        (["score", "--text", CAT, "--out", "scores.xls"], ".csv or a .json"),
        (["score", "--text", CAT, "--out", "/no/such/folder/a.csv"], "cannot be written"),
        (["score", "--text", CAT, "--model", "mino"], "Did you mean 'mini'"),
        (["rank", "--behaviour", "copyng"], "Did you mean 'copying'"),
        (["ablate", "--text", CAT, "--head", "L12.H0"], "no head L12.H0"),
        (["ablate", "--text", CAT, "--head", "0.0", "--watch", "two words"], "tokens for mini"),
        (["ablate", "--text", CAT, "--every", "--watch", " a", " b"], "one token can be watched"),
        (["patch", "--clean", CAT, "--corrupt", "A dog", "--answer", " a"], "tokens long"),
        (["attribute", "--text", CAT, "--answer", " zzzz", "--wrong", " a"], "tokens for mini"),
        (["sheets", "key", "cat-twise"], "Did you mean 'cat-twice'"),
        (["sheets", "key", "/no/such.toml"], "cannot be read"),
        (["sheets", "check", "/no/such/folder"], "no file or folder /no/such/folder"),
        (["sheets", "new", "../mine"], "no name for a sheet"),
        (["sheets", "new", "mine", "--out", "/no/such/folder"], "cannot be written"),
    ],
)
def test_mistakes_get_one_sentence(capsys, command, words):
    assert main(command) == FAILED
    error = capsys.readouterr().err.strip()
    assert words in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["scor"],
        ["rank", "--behaviour", "copying", "--top", "0"],
        ["sheets"],
        ["sheets", "chek"],
    ],
)
def test_a_command_not_understood_exits_with_2(capsys, command):
    assert main(command) == MISUNDERSTOOD
    assert "usage" in capsys.readouterr().err


COMMANDS = [
    *("models", "score", "profile", "rank", "verify", "ablate", "patch", "attribute"),
    *("sheets check", "sheets key"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(capsys, command):
    assert main([*command.split(), "--help"]) == DONE
    assert "--json" in capsys.readouterr().out


def test_rank_agrees_with_the_profile(capsys, mini):
    assert main(["rank", "--behaviour", "induction", "--top", "3", "--json"]) == DONE
    printed = json.loads(capsys.readouterr().out)["ranking"]
    expected = profile_model(mini).ranking("induction", top=3)
    assert [row["name"] for row in printed] == list(expected["name"])
    assert [row["low"] for row in printed] == pytest.approx(list(expected["low"]))


NAMES = ["--answer", " Mary", "--wrong", " John"]
MET = "When Mary and John went to the store, John gave a drink to"
SWAPPED = "When Mary and John went to the store, Mary gave a drink to"


def test_ablate_prints_what_the_function_measures(capsys, mini):
    command = ["ablate", "--text", MET, "--head", "L5.H10", "6.7", "--watch", " Mary", "--json"]
    assert main(command) == DONE
    printed = json.loads(capsys.readouterr().out)
    expected = ablate(mini, MET, ["L5.H10", "L6.H7"], watch=" Mary")
    assert printed["heads"] == ["L5.H10", "L6.H7"] and printed["replaced_by"] == "zero"
    assert printed["loss_change"] == pytest.approx(expected.loss_change, abs=1e-5)
    assert printed["positions"][0]["loss before"] is None
    assert printed["watched"][0]["after"] == pytest.approx(expected.logprobs_after[0], abs=1e-5)
    assert len(printed["control"]["loss_change"]) == 20
    assert main(["ablate", "--text", MET, "--layer", "3", "--mode", "mean", "--top", "2"]) == DONE
    words = capsys.readouterr().out
    assert "its mean over 20 sentences" in words and "too few to draw 12" in words
    assert "nan" not in words.lower()
    other = ["--mode", "text", "--reference", SWAPPED]
    assert main(["ablate", "--text", MET, "--head", "L5.H10", *other]) == DONE
    assert "control: 11 draws" in capsys.readouterr().out


def test_ablate_every_head(capsys, mini):
    assert main(["ablate", "--text", MET, "--every", "--json"]) == DONE
    printed = json.loads(capsys.readouterr().out)
    assert printed["effect"] == pytest.approx(ablation_sweep(mini, MET).effect, abs=1e-5)
    assert main(["ablate", "--text", MET, "--every", "--watch", " Mary", "--top", "3"]) == DONE
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0].startswith("model mini") and len(lines) == 5


def test_patch_prints_what_the_function_measures(capsys, mini):
    texts = ["--clean", MET, "--corrupt", SWAPPED]
    assert main(["patch", *texts, *NAMES, "--json"]) == DONE
    printed = json.loads(capsys.readouterr().out)
    expected = patch(mini, MET, SWAPPED, " Mary", " John")
    assert printed["axes"] == ["layer", "head"]
    assert printed["effect"] == pytest.approx(expected.effect, abs=1e-5)
    assert main(["patch", *texts, *NAMES, "--what", "residual", "--top", "4"]) == DONE
    words = capsys.readouterr().out
    assert "position" in words and "clean" in words
    assert main(["patch", "--clean", MET, "--corrupt", MET, *NAMES, "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["effect"] is None


def test_attribute_prints_parts_that_sum(capsys):
    assert main(["attribute", "--text", MET, *NAMES, "--json"]) == DONE
    printed = json.loads(capsys.readouterr().out)
    parts = printed["parts"]
    assert parts["all parts"] == pytest.approx(printed["difference"], abs=1e-3)
    assert sum(parts.values()) == pytest.approx(2 * parts["all parts"])
    assert main(["attribute", "--text", MET, *NAMES, "--without", "L5.H10"]) == DONE
    assert "logit of ' Mary' minus ' John'" in capsys.readouterr().out


def test_profiles_of_several_models_go_to_a_folder(capsys, tmp_path):
    command = ["profile", "--model", "mini", "nothing-here", "--quick", "--out", str(tmp_path)]
    assert main(command) == FAILED
    assert (tmp_path / "mini.json").is_file()
    assert "nothing-here failed: Unknown model" in capsys.readouterr().err
    assert main(command) == FAILED
    assert "is there already, skipped" in capsys.readouterr().err


def test_a_new_sheet_can_be_checked_and_answered(capsys, tmp_path, mini):
    assert main(["sheets", "new", "mine", "--out", str(tmp_path)]) == DONE
    assert main(["sheets", "new", "mine", "--out", str(tmp_path)]) == FAILED
    assert "there already" in capsys.readouterr().err
    assert main(["sheets", "check", str(tmp_path), "--json"]) == DONE
    checked = json.loads(capsys.readouterr().out)
    assert [sheet["sheet"] for sheet in checked["sheets"]] == ["mine"] and not checked["problems"]
    assert main(["sheets", "key", str(tmp_path / "mine.toml"), "--json"]) == DONE
    printed = json.loads(capsys.readouterr().out)
    assert printed["model"] == "mini" and printed["start_token"] == mini.start_token
    induction = read_text(mini, CAT).scores["induction"]
    assert printed["answers"][0]["accepted"][0] == str(induction.max(axis=1).argmax())
    assert [answer["part"] for answer in printed["answers"]] == ["question", "transfer"]
    assert main(["sheets", "key", str(tmp_path / "mine.toml")]) == DONE
    assert printed["answers"][0]["answer"] in capsys.readouterr().out


def test_a_bad_sheet_is_listed_with_file_and_line(capsys, tmp_path):
    assert main(["sheets", "new", "mine", "--out", str(tmp_path)]) == DONE
    path = tmp_path / "mine.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(i for i, text in enumerate(lines, 1) if text.startswith("kind"))
    lines[line - 1] = 'kind = "which hed"'
    (tmp_path / "bad.toml").write_text("\n".join(lines), encoding="utf-8")
    capsys.readouterr()
    assert main(["sheets", "check", str(tmp_path)]) == FAILED
    printed = capsys.readouterr()
    assert "mine" in printed.out
    assert f"bad.toml, line {line}: " in printed.err and "Did you mean 'which head'" in printed.err


def test_an_empty_folder_of_sheets_says_so(capsys, tmp_path):
    assert main(["sheets", "check", str(tmp_path)]) == FAILED
    assert "sheets new" in capsys.readouterr().err


@pytest.fixture(scope="module")
def weaker(tmp_path_factory, mini):
    path = tmp_path_factory.mktemp("profiles") / "weaker.json"
    weakened(profile_model(mini)).save(path)
    return path


def test_compare_prints_what_the_comparison_says(capsys, weaker, mini):
    assert main(["compare", "mini", str(weaker), "--json"]) == DONE
    data = json.loads(capsys.readouterr().out)
    comparison = compare_profiles(profile_model(mini), Profile.load(weaker))
    assert data == json.loads(json.dumps(comparison.to_dict()))
    assert main(["compare", "mini", str(weaker), "--behaviour", "induction", "--top", "2"]) == DONE
    printed = capsys.readouterr().out
    first = comparison.ranking("induction", top=3)["name"]
    assert first[0] in printed and "mini-weak" in printed and "heads changed their label" in printed


def test_compare_writes_files(capsys, tmp_path, weaker):
    assert main(["compare", "mini", str(weaker), "--out", str(tmp_path / "c.csv")]) == DONE
    table = pd.read_csv(tmp_path / "c.csv")
    assert set(table["model"]) == {"mini → mini-weak"} and len(table) == 144 * len(behaviours())
    assert main(["compare", "mini", str(weaker), "--out", str(tmp_path / "c.json")]) == DONE
    data = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert data["schema"] == "headlab.comparison/1"
    assert main(["compare", "mini", str(weaker), "--out", str(tmp_path / "c.pdf")]) == FAILED
    assert "unknown ending" in capsys.readouterr().err


def test_compare_of_other_shapes_is_by_role(capsys, tmp_path):
    folder = save_model(tmp_path / "small")
    assert main(["compare", "mini", str(folder), "--text", "My own little story"]) == DONE
    printed = capsys.readouterr().out
    assert "12 layers of 12 heads" in printed and "strongest of each behaviour" in printed
    assert "whole words" in printed and "no head of one is a head of the other" in printed


def test_compare_on_a_text_tells_how_alike_the_pictures_are(capsys):
    assert main(["compare", "mini", "mini", "--text", CAT, "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)["on_text"]
    assert found["level"] == "tokens" and np.array(found["similarity"]) == pytest.approx(1)
    assert main(["compare", "mini", "mini", "--text", CAT]) == DONE
    assert "mean 1.000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mini", "none.json"], "check the path"),
        (["mini", "nobody/nothing"], "nobody/nothing"),
        (["mini", "WEAKER", "--text", "a b"], "holds no patterns"),
        (["mini", "WEAKER", "--behaviour", "inducton"], "Did you mean 'induction'?"),
    ],
)
def test_compare_says_what_is_wrong(capsys, weaker, words, sentence):
    words = [str(weaker) if word == "WEAKER" else word for word in words]
    assert main(["compare", *words]) == FAILED
    assert sentence in capsys.readouterr().err


def test_answers_about_two_models_want_a_second_one(capsys, weaker):
    assert main(["sheets", "key", "bigger-model", "--second", str(weaker), "--json"]) == DONE
    answers = json.loads(capsys.readouterr().out)["answers"]
    assert answers[0]["accepted"] == ["open"]
    assert main(["sheets", "key", "bigger-model"]) == DONE
    assert "choose a second one" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stderr", "shows"), [(Terminal(), True), (io.StringIO(), False)])
def test_progress_bars_are_for_terminals(stderr, shows, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stderr)
    now = {"delay": 0, "mininterval": 0}
    monkeypatch.setattr(shared, "tqdm", lambda **wished: tqdm(**(wished | now)))
    with shared.progress_bar("mini") as progress:
        progress(0.5, "half of it")
    assert ("half of it" in stderr.getvalue()) == shows


def test_a_text_may_come_from_a_file_or_from_standard_input(tmp_path, capsys, monkeypatch):
    text = "The cat sat on the mat. The cat sat"
    asked = ["score", "--behaviour", "induction", "--json"]
    assert main([*asked, "--text", text]) == 0
    expected = capsys.readouterr().out
    path = tmp_path / "text.txt"
    for raw in (text.encode(), b"\xef\xbb\xbf" + text.encode() + b"\r\n", text.encode("utf-16")):
        path.write_bytes(raw)
        assert main([*asked, "--file", str(path)]) == 0
        assert capsys.readouterr().out == expected
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(raw)))
        assert main([*asked, "--text", "-"]) == 0
        assert capsys.readouterr().out == expected
    path.write_bytes(b"\xff\x00\xd8")
    assert main([*asked, "--file", str(path)]) == 1
    assert "holds no text: save it as UTF-8" in capsys.readouterr().err
    assert main([*asked, "--file", str(tmp_path / "none.txt")]) == 1
    assert "cannot be read" in capsys.readouterr().err
