"""Sweeps: what is missing is measured, whatever ended the run before, and always the same bytes."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import psutil
import pytest
import ray

from headlab import HeadlabError, Profile, cli, files, load_model, profile_model
from headlab.sweeps import Local, Ray, engines, make_plan, read_cells, read_plan, run_sweep
from headlab.sweeps.atlas import atlas_html
from headlab.sweeps.cells import held_out, onsets
from headlab.sweeps.measure import Measured, measure
from headlab.sweeps.plan import Plan
from headlab.sweeps.price import HEAD_BYTES, price_of
from headlab.sweeps.running import LOG, cell_file
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
    return plan, out, run_sweep(plan, out, engine=Local(2))


@pytest.fixture
def in_this_process(monkeypatch):
    """Cells measured one after the other here, where processes are not what is tested."""
    monkeypatch.setattr(engines, "_pool", lambda _: ThreadPoolExecutor(1))


def contents(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != LOG)
    return {path.name: path.read_bytes() for path in files}


def test_revisions_of_a_folder_come_by_their_steps(folder):
    plan = make_plan([str(folder)], ["all"])
    assert [cell.step for cell in plan.cells] == [0, 20, 100, 300]
    with pytest.raises(HeadlabError, match="no revision 'step7'"):
        make_plan([str(folder)], ["step7"])
    with pytest.raises(HeadlabError, match="neither a folder nor owner/name"):
        make_plan(["nowhere"], ["all"])
    between = make_plan([str(folder)], ["step20..step300"], every=2)
    assert [cell.step for cell in between.cells] == [20, 300]
    assert [cell.step for cell in make_plan([str(folder)], ["all"], every=2).cells] == [0, 100, 300]
    with pytest.raises(HeadlabError, match="no revision 'step7'"):
        make_plan([str(folder)], ["step7..step100"])


def test_revisions_of_the_hub_come_by_their_steps(folder, monkeypatch):
    hub = Hub(folder / "step20", "b" * 40, name="someone/tiny")
    hub.branches = ["main", "step100", "step0", "step20"]
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with running(hub):
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        plan = make_plan(["someone/tiny"], ["all"])
        assert [cell.step for cell in plan.cells] == [0, 20, 100]
        price = price_of(make_plan(["someone/tiny"], ["step0..step20"]))
        assert price.fetched == 2 * sum(map(len, hub.files.values())) - 2 * len(
            hub.files["README.md"]
        )
        assert price.files == 2 * 4 * HEAD_BYTES and not price.unknown
        hub.fault = "500"
        assert "trouble of its own" in price_of(plan).unknown["someone/tiny"]
        with pytest.raises(HeadlabError, match="trouble of its own"):
            make_plan(["someone/tiny"], ["all"])


def test_two_hundred_cells_are_priced_without_being_run(folder, tmp_path, monkeypatch):
    plan = make_plan([str(folder / "step0"), "gpt2", "mini", "EleutherAI/gone"])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    price = price_of(Plan(plan.cells * 50))
    assert price.cells == 200 and "switched off" in price.unknown["EleutherAI/gone"]
    assert price.files == 50 * HEAD_BYTES * (4 + 144 + 144)
    assert price.fetched == 50 * price.most > 0
    assert "200 cells: about" in price.words(2, True) and "at a time" in price.words(2, True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(HeadlabError, match="choose another folder with --out"):
        price.check_room(tmp_path / "not" / "yet")


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
    run_sweep(plan, again)
    assert contents(again) == contents(out)


def test_what_is_measured_is_left_alone(swept, monkeypatch):
    plan, out, _ = swept
    monkeypatch.setattr(engines, "_pool", lambda _: pytest.fail("nothing was missing"))
    assert list(run_sweep(plan, out)) == [str(plan.cells[3])]


NOTE = "HEADLAB_TEST_NOTE"  # where it is noted that step 20 was killed


def killed_as_named(cell, key, delete_weights):
    """The measuring of a cell: killed the first time for step 20."""
    note = Path(os.environ[NOTE])
    if cell.step == 20 and not note.exists():
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return measure(cell, key, delete_weights)


def test_a_killed_worker_is_made_up_for(folder, tmp_path, monkeypatch, swept):
    plan = make_plan([str(folder)], ["step20"], **QUICK)
    monkeypatch.setenv(NOTE, str(tmp_path / "killed"))
    monkeypatch.setattr(engines, "measure", killed_as_named)
    assert run_sweep(plan, tmp_path) == {} and (tmp_path / "killed").exists()
    expected = cell_file(plan.cells[0], swept[1]).read_bytes()
    assert cell_file(plan.cells[0], tmp_path).read_bytes() == expected


def test_a_cell_whose_process_always_ends_is_tried_twice_and_named(folder, tmp_path):
    plan = make_plan([str(folder)], ["step0", "step20", "step100"], **QUICK)
    asked = []

    def engine(cells, delete_weights):
        asked.append([cell.step for cell in cells])
        for cell in cells:
            yield cell, None if cell.step == 20 else Measured("{}")

    failed = run_sweep(plan, tmp_path, engine=engine)
    assert list(failed) == [str(plan.cells[1])]
    assert "ended without a word" in failed[str(plan.cells[1])]
    assert asked == [[0, 20, 100], [20]]  # the second time alone


def test_no_worker_outlives_a_killed_sweep(folder, tmp_path):
    command = [sys.executable, "-m", "headlab", "sweep", str(folder), "--revisions", "all"]
    sweep = subprocess.Popen(
        [*command, "--workers", "2", "--out", str(tmp_path)], stderr=subprocess.DEVNULL
    )
    process = psutil.Process(sweep.pid)
    until = time.monotonic() + 60
    while len(workers := process.children()) < 3 and time.monotonic() < until:
        time.sleep(0.1)  # two workers, and what counts their semaphores
    process.kill()
    sweep.wait()
    assert len(workers) == 3 and psutil.wait_procs(workers, timeout=30)[1] == []


def test_a_full_disk_ends_the_sweep_and_keeps_what_is_there(
    swept, tmp_path, monkeypatch, in_this_process
):
    plan, out, _ = swept
    again = tmp_path / "again"
    shutil.copytree(out, again)
    lost = [cell_file(cell, again) for cell in plan.cells[:2]]
    for path in lost:
        path.unlink()
    before = contents(again)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(HeadlabError, match="No space left on device"):
            run_sweep(plan, again)
    assert contents(again) == before
    run_sweep(plan, again)
    assert contents(again) == contents(out)


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
    assert "step300: " in html


def test_the_atlas_of_a_thousand_cells_stays_small(swept, monkeypatch):
    cells = read_cells(swept[1])
    many = [
        replace(cells.plan.cells[0], model=f"size {size}", revision=f"step{1000 * step}")
        for size in range(10)
        for step in range(154)
    ]
    one = cells.best()
    one = one[one["revision"] == "step0"]
    best = pd.concat(
        [one.assign(model=cell.model, revision=cell.revision, step=cell.step) for cell in many]
    )
    monkeypatch.setattr(type(cells), "best", lambda _: best.reset_index(drop=True))
    monkeypatch.setattr(type(cells), "done", many)
    assert len(atlas_html(cells)) < 5_000_000


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
    mine["held_low"], mine["held_high"] = [0.0, 0.1, 0.21], [0.2, 0.3, 0.4]
    (found,) = onsets(mine).itertuples()
    assert found.step == 100 and found.confirmed and onsets(mine.iloc[:2]).empty
    mine.loc[2, "held_low"] = 0.19
    assert not onsets(mine).iloc[0]["confirmed"]


def test_held_out_prompts_do_not_choose_the_head():
    scores = np.zeros((8, 1, 3))
    scores[::2, 0, 1] = 0.9  # high only where it is chosen
    scores[:, 0, 2] = 0.5
    assert held_out({"probe": scores}) == (0, 0)
    lower = np.full((6, 1, 3), 0.2)
    scores[1::2, 0, 1] = 0.7
    assert held_out({"probe": scores}) == pytest.approx((0.7, 0.7))
    assert held_out({"probe": scores, "other": lower}) == pytest.approx((0.2, 0.2))
    assert np.isnan(held_out({"probe": np.full((4, 1, 2), np.nan)})).all()


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
    rows = tmp_path / "heads.parquet"
    assert cli.main(["atlas", str(out), "--out", str(page), "--parquet", str(rows)]) == 0
    again = pd.read_parquet(rows)
    pd.testing.assert_frame_equal(
        again, read_cells(out).to_frame(), check_dtype=False, check_exact=True
    )
    text = pd.read_csv(table, encoding="utf-8-sig", keep_default_na=True)
    assert len(text) == len(again) and list(text.columns) == list(again.columns)
    assert page.exists() and table.read_bytes().startswith(b"\xef\xbb\xbfmodel,revision,step")
    assert cli.main(["sweep", "--out", str(tmp_path / "none"), "--status"]) == 1
    assert "holds no sweep" in capsys.readouterr().err


def killed_in_ray(self, cell, key, delete_weights, device):
    return killed_as_named(cell, key, delete_weights)


def test_ray_gives_the_same_bytes_though_a_worker_is_killed(swept, tmp_path, monkeypatch):
    plan, out, _ = swept
    monkeypatch.setenv(NOTE, str(tmp_path / "killed"))
    monkeypatch.setattr(engines._Worker, "measure", killed_in_ray)
    failed = run_sweep(plan, tmp_path / "sweep", engine=Ray(2))
    assert list(failed) == [str(plan.cells[3])] and (tmp_path / "killed").exists()
    assert contents(tmp_path / "sweep") == contents(out)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0" and not ray.is_initialized()


def test_what_ray_cannot_do_is_a_sentence(folder, tmp_path, monkeypatch):
    plan = make_plan([str(folder)], ["step0"], **QUICK)
    with pytest.raises(HeadlabError, match="no room for one worker"):
        run_sweep(plan, tmp_path, engine=Ray(1, gpus=500))
    with pytest.raises(HeadlabError, match="no Ray cluster at auto"):
        run_sweep(plan, tmp_path, engine=Ray(1, "auto"))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(HeadlabError, match="Ray is not installed"):
        run_sweep(plan, tmp_path, engine=Ray(1))


def test_a_machine_with_another_version_measures_nothing(swept):
    found = measure(swept[0].cells[0], "another key")
    assert not found.profile and "install the same on both" in found.sentence
