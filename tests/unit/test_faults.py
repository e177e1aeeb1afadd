"""What breaks from outside: a full disk, a load that fails midway, a folder shared by two."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from headlab import HeadlabError, Profile, load_model, profile_model
from headlab.profiles.kept import kept_profile
from tests.models import save_model, tiny_model

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"variants": False, "controls": 0}


@pytest.fixture(scope="module")
def profile():
    return profile_model(tiny_model(), cache=False, **QUICK)


def test_a_disk_that_fills_up_midway_leaves_no_half_profile(profile, tmp_path, monkeypatch):
    profile.save(tmp_path / "kept.json")
    before = (tmp_path / "kept.json").read_bytes()

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for name in ("kept.json", "new.json"):
        with pytest.raises(HeadlabError, match=f"{name} cannot be written .No space left"):
            profile.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]
    assert (tmp_path / "kept.json").read_bytes() == before


def test_a_full_disk_costs_the_keeping_and_not_the_profile(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path))

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    model = tiny_model()
    assert profile_model(model, **QUICK).label.shape == (model.n_layers, model.n_heads)
    assert "No space left" in caplog.text
    assert kept_profile(model) is None and not list((tmp_path / "profiles").iterdir())


WRITER = """
import sys
from headlab import Profile
profile = Profile.load(sys.argv[1])
print("ready", flush=True)
while not sys.stdin.read(1):
    pass
for _ in range(12):
    profile.save(sys.argv[2])
"""


def test_two_processes_that_share_a_folder_never_read_half_a_profile(profile, tmp_path):
    source, shared = tmp_path / "source.json", tmp_path / "shared.json"
    profile.save(source)
    profile.save(shared)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(source), str(shared)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go")
        other.stdin.close()
        read = 0
        while other.poll() is None:
            profile.save(shared)
            assert Profile.load(shared).content_hash == profile.content_hash
            read += 1
    assert other.returncode == 0 and read > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shared.json", "source.json"]


@pytest.mark.parametrize(
    "break_off", [MemoryError(), OSError(errno.EIO, "read error"), torch.OutOfMemoryError()]
)
def test_a_load_that_fails_midway_is_a_sentence_and_the_next_one_works(
    tmp_path, monkeypatch, break_off
):
    folder = save_model(tmp_path / "model")

    def stop(*_, **__):
        raise break_off

    with monkeypatch.context() as patch:
        patch.setattr(AutoModelForCausalLM, "from_pretrained", stop)
        with pytest.raises(HeadlabError) as sentence:
            load_model(folder)
    memory = isinstance(break_off, MemoryError | torch.OutOfMemoryError)
    assert ("memory" in str(sentence.value)) == memory
    assert load_model(folder).n_layers > 0


def test_a_kept_profile_that_was_cut_off_is_measured_again(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADLAB_CACHE", str(tmp_path))
    model = tiny_model()
    profile_model(model, **QUICK)
    (kept,) = (tmp_path / "profiles").iterdir()
    whole = kept.read_text(encoding="utf-8")
    kept.write_text(whole[: len(whole) // 2], encoding="utf-8")
    assert profile_model(model, **QUICK).content_hash == model.content_hash
    assert json.loads(kept.read_text(encoding="utf-8"))["content_hash"] == model.content_hash
