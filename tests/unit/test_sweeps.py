"""Sweeps: what is missing is measured, whatever ended the run before, and always the same bytes."""

import json
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from types import ModuleType

import numpy as np
import pytest

from headlab import HeadlabError, Profile, cli, load_model, profile_model
from headlab.sweeps import make_plan, read_cells, read_plan, run_sweep
from headlab.sweeps import running as running_module
from headlab.sweeps.atlas import atlas_html
from headlab.sweeps.cells import onsets
from headlab.sweeps.running import cell_file, measure_cell
from tests.hub_server import Hub, running
from tests.models import gpt2_config, save_model

QUICK = {"quick": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model at three steps of its training, and a folder that is damaged."""
    home = tmp_path_factory.mktemp("checkpoints")
    for step in (0, 20, 100):
        save_model(home / f"step{step}", gpt2_config(n_layer=2, n_head=2))
    shutil.copytree(home / "step0", home / "step300")
    (home / "step300" / "model.safetensors").write_bytes(b"damaged")
    return home


@pytest.fixture(scope="module")
def swept(folder, tmp_path_factory):
    """The sweep of that folder, in two processes, and what failed."""
    out = tmp_path_factory.mktemp("sweep")
    plan = make_plan([str(folder)], ["all"], **QUICK)
    return plan, out, run_sweep(plan, out, workers=2)


@pytest.fixture
def in_this_process(monkeypatch):
    """Cells measured one after the other here, where processes are not what is tested."""
    monkeypatch.setattr(running_module, "_pool", lambda _: ThreadPoolExecutor(1))


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_revisions_of_a_folder_come_by_their_steps(folder):
    plan = make_plan([str(folder)], ["all"])
    assert [cell.step for cell in plan.cells] == [0, 20, 100, 300]
    with pytest.raises(HeadlabError, match="no revision 'step7'"):
        make_plan([str(folder)], ["step7"])
    with pytest.raises(HeadlabError, match="is no folder: name its revisions"):
        make_plan(["mini"], ["all"])


def test_each_cell_is_the_profile_of_its_model_and_a_damaged_one_says_so(swept, folder):
    plan, out, failed = swept
    assert [name.rpartition(" ")[2] for name in failed] == ["step300"]
    assert "cannot be read" in next(iter(failed.values()))
    cell = plan.cells[1]
    found = Profile.load(cell_file(cell, out))
    ours = profile_model(load_model(folder / "step20"), variants=False, controls=0, cache=False)
    np.testing.assert_allclose(found.score["induction"], ours.score["induction"], atol=1e-5)


def test_run_again_after_a_part_is_lost_it_gives_the_same_bytes(swept, tmp_path, in_this_process):
    plan, out, _ = swept
    again = tmp_path / "again"
    shutil.copytree(out, again)
    cell_file(plan.cells[0], again).unlink()
    run_sweep(plan, again, workers=1)
    assert contents(again) == contents(out)


def test_what_is_measured_is_left_alone(swept, monkeypatch):
    plan, out, _ = swept
    monkeypatch.setattr(running_module, "_pool", lambda _: pytest.fail("nothing was missing"))
    assert list(run_sweep(plan, out)) == [str(plan.cells[3])]


def killed_as_named(cell, folder, delete_weights):
    """The measuring of a cell: killed the first time for step 20, always for step 100."""
    note = folder / "killed"
    if cell.step == 100 or (cell.step == 20 and not note.exists()):
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return measure_cell(cell, folder, delete_weights)


def test_a_killed_worker_is_made_up_for(folder, tmp_path, monkeypatch, swept):
    plan = make_plan([str(folder)], ["step20", "step100"], **QUICK)
    monkeypatch.setattr(running_module, "measure_cell", killed_as_named)
    failed = run_sweep(plan, tmp_path)
    assert [name.rpartition(" ")[2] for name in failed] == ["step100"]
    assert "ended without a word" in next(iter(failed.values()))
    expected = cell_file(plan.cells[0], swept[1]).read_bytes()
    assert cell_file(plan.cells[0], tmp_path).read_bytes() == expected


def test_what_the_sweep_was_started_with_is_not_run_again(folder, tmp_path, monkeypatch):
    script = tmp_path / "started.py"
    script.write_text("raise SystemExit('it was run again')")
    main = ModuleType("__main__")
    main.__file__ = str(script)
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert run_sweep(make_plan([str(folder)], ["step0"], **QUICK), tmp_path / "sweep") == {}
    assert sys.modules["__main__"] is main


@pytest.mark.parametrize("delete", [False, True])
def test_revisions_of_the_hub_are_fetched_and_if_wished_deleted(
    folder, tmp_path, monkeypatch, swept, delete, in_this_process
):
    hub = Hub(folder / "step20", "b" * 40, name="someone/tiny")
    hub.branches = ["step20"]
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    plan = make_plan(["someone/tiny"], ["step20", "step21"], **QUICK)
    with running(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        failed = run_sweep(plan, tmp_path / "out", delete_weights=delete)
    assert list(failed) == ["someone/tiny at step21"]
    found = Profile.load(cell_file(plan.cells[0], tmp_path / "out"))
    expected = Profile.load(cell_file(swept[0].cells[1], swept[1]))
    np.testing.assert_array_equal(found.score["induction"], expected.score["induction"])
    kept = list((tmp_path / "home").rglob("model.safetensors"))
    assert bool(kept) is not delete


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.outside = [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "a":
            self.links.append(found["href"])
        self.outside += [v for k, v in attributes if k in ("src", "href") and "//" in (v or "")]


def test_the_atlas_is_one_offline_file_whose_points_are_profiles(swept):
    plan, out, _ = swept
    html = atlas_html(read_cells(out))
    parser = _Links()
    parser.feed(html)
    assert parser.outside == [] and "<script" not in html
    behaviours = set(read_cells(out).best()["behaviour"])
    assert len(parser.links) == 3 * len(behaviours)
    assert {out / link for link in parser.links} == {
        cell_file(cell, out) for cell in plan.cells[:3]
    }
    assert "step300: " in html and len(html) < 5_000_000


def test_the_table_holds_every_head(swept):
    table = read_cells(swept[1]).to_frame()
    assert list(table.columns) == [
        *(
            "model",
            "revision",
            "step",
            "layer",
            "head",
            "behaviour",
            "score",
            "low",
            "high",
            "label",
        )
    ]
    assert len(table) == 3 * 4 * table["behaviour"].nunique()


def test_an_onset_is_the_first_revision_above_the_start(swept):
    best = read_cells(swept[1]).best()
    mine = best[best["behaviour"] == "induction"].reset_index(drop=True)
    mine.loc[0, ["low", "high"]] = 0.0, 0.2
    mine.loc[1, ["low", "high"]] = 0.1, 0.3
    mine.loc[2, ["low", "high"]] = 0.25, 0.4
    (found,) = onsets(mine).itertuples()
    assert found.step == 100 and onsets(mine.iloc[:2]).empty


def test_a_plan_is_a_file(folder, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(f'models = ["{folder.as_posix()}"]\nrevisions = "all"\nquick = true\n')
    assert read_plan(path) == make_plan([folder.as_posix()], ["all"], **QUICK)
    for text, words in (
        ("modelss = []", "'modelss' is no part of a plan"),
        ("models = [3]", "list of names"),
        ("models = ['mini']\nquick = 3", "quick is true or false"),
        ("models =", "is no TOML file"),
        ("models = []", "at least one model"),
    ):
        path.write_text(text)
        with pytest.raises(HeadlabError, match=words):
            read_plan(path)


def test_the_commands(swept, capsys, tmp_path):
    _, out, _ = swept
    assert cli.main(["sweep", "--out", str(out), "--status", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["cells"], told["done"], len(told["failed"])) == (4, 3, 1)
    assert cli.main(["sweep", "gpt2", "mini", "--dry-run", "--out", str(tmp_path / "no")]) == 0
    assert "2 cells" in capsys.readouterr().out and not (tmp_path / "no").exists()
    table = tmp_path / "heads.csv"
    page = tmp_path / "atlas.html"
    assert cli.main(["atlas", str(out), "--out", str(page), "--csv", str(table)]) == 0
    assert page.exists() and table.read_bytes().startswith(b"\xef\xbb\xbfmodel,revision,step")
    assert cli.main(["sweep", "--out", str(tmp_path / "none"), "--status"]) == 1
    assert "holds no sweep" in capsys.readouterr().err
