"""start.py: installs once, passes arguments on, and fails in one sentence."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headlab import cli

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A copy of start.py in an empty project, with nothing installed and no installer run."""
    for name in ("start.py", "requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    spec = importlib.util.spec_from_file_location("start_copy", tmp_path / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.steps = []

    def record(arguments):
        module.steps.append(arguments)
        if "venv" in arguments:
            python = Path(module.PYTHON)
            python.parent.mkdir(parents=True)
            python.touch()

    monkeypatch.setattr(module, "install_step", record)
    monkeypatch.setattr(module, "is_usable", lambda: Path(module.PYTHON).exists())
    monkeypatch.setattr(module, "wants_cpu_index", lambda: False)
    return module


def call(folder, *arguments, **variables):
    return subprocess.run(
        [sys.executable, str(folder / "start.py"), *arguments],
        capture_output=True, text=True, env={**os.environ, **variables},
    )  # fmt: skip


def test_second_start_installs_nothing(start):
    start.install("requirements.txt")
    assert [step[1:3] for step in start.steps] == [["-m", "venv"], ["-m", "pip"]]
    start.install("requirements.txt")
    assert len(start.steps) == 2


def test_tests_install_more_and_the_app_then_nothing(start):
    start.install("requirements-dev.txt")
    assert start.steps[-1][-1].endswith("requirements-dev.txt")
    start.install("requirements.txt")
    assert len(start.steps) == 2


def test_changed_requirements_install_again_into_the_same_environment(start):
    start.install("requirements.txt")
    with open(Path(start.ROOT, "requirements.txt"), "a") as file:
        file.write("another==1.0\n")
    assert not start.is_installed("requirements-dev.txt")
    start.install("requirements.txt")
    assert [step[2] for step in start.steps] == ["venv", "pip", "pip"]


def test_an_interrupted_installation_is_taken_up_again(start, monkeypatch):
    def interrupted(arguments):
        raise start.CannotStart("no")

    with monkeypatch.context() as patch, pytest.raises(start.CannotStart):
        patch.setattr(start, "install_step", interrupted)
        start.install("requirements.txt")
    start.install("requirements.txt")
    assert start.is_installed("requirements.txt")


def test_on_linux_torch_comes_first_and_from_the_cpu_index(start, monkeypatch):
    monkeypatch.setattr(start, "wants_cpu_index", lambda: True)
    start.install("requirements.txt")
    torch = next(line for line in start.requirement_lines("requirements.txt") if "torch" in line)
    assert start.steps[1][-3:] == ["--index-url", start.CPU_INDEX, torch]


def test_own_pip_settings_go_before_the_cpu_index(monkeypatch):
    spec = importlib.util.spec_from_file_location("start_here", ROOT / "start.py")
    start = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(start)
    monkeypatch.setattr(start, "PYTHON", sys.executable)
    monkeypatch.setattr(start, "is_reachable", lambda host: True)
    monkeypatch.setattr(start.sys, "platform", "linux")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert start.wants_cpu_index()
    monkeypatch.setenv("PIP_FIND_LINKS", "wheels")
    assert not start.wants_cpu_index()


def test_arguments_are_passed_on(start, monkeypatch):
    ran = []
    monkeypatch.setattr(start, "run", ran.append)
    start.main(["app", "--server.port", "8600"])
    start.main(["serve", "--log-level", "debug"])
    start.main(["test", "-q", "tests/unit"])
    start.main(["sheets", "check", "mine.toml"])
    assert ran == [
        ["-m", "headlab", "app", "--server.port", "8600"],
        ["-m", "headlab", "serve", "--log-level", "debug"],
        ["-m", "pytest", *start.WORKERS, "-q", "tests/unit"],
        ["-m", "headlab", "sheets", "check", "mine.toml"],
    ]
    assert start.is_installed("requirements.txt")


def test_every_command_of_the_command_line_starts_here(start):
    (commands,) = (a.choices for a in cli._parser()._actions if a.dest == "command")
    assert set(start.COMMANDS) - {"test"} == set(commands)
    assert all(name in start.USAGE for name in start.COMMANDS)


def test_a_command_runs_where_it_was_called(start, tmp_path, monkeypatch):
    """So that `python /there/start.py score --out here.json` writes here."""
    ran = []
    monkeypatch.setattr(start.os, "execv", lambda path, arguments: ran.append(os.getcwd()))
    monkeypatch.setattr(start.subprocess, "call", lambda arguments: ran.append(os.getcwd()))
    monkeypatch.setenv("PYTHONPATH", "mine")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    start.run(["-m", "headlab", "score"])
    assert os.environ["PYTHONPATH"] == os.pathsep.join([start.ROOT, "mine"])
    start.run(["-m", "pytest"])
    assert [Path(folder) for folder in dict.fromkeys(ran)] == [here, Path(start.ROOT)]


def test_a_python_without_the_packages_is_one_sentence(tmp_path):
    """An interpreter that sees nothing but its own library and headlab."""
    for command in (["models"], ["score", "--text", "a b"]):
        done = subprocess.run(
            [sys.executable, "-S", "-m", "headlab", *command],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 1
        assert re.fullmatch(
            r"headlab: this Python has no package \w+; run `python start.py`.*\n", done.stderr
        )


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("WARNING: Retrying after connection broken by NewConnectionError", "cannot be reached"),
        ("PermissionError: [Errno 13] Permission denied: '.venv'", "cannot be written to"),
        ("ERROR: No matching distribution found for torch==2.13.0", "a package has no build"),
        ("ERROR: something new\n", "the installer said: ERROR: something new"),
        ("", "the installer said: nothing"),
    ],
)
def test_failures_are_one_sentence(start, errors, expected):
    assert start.reason_for(errors).startswith(expected) or expected in start.reason_for(errors)


def test_an_older_python_is_told_so(start, monkeypatch):
    monkeypatch.setattr(start.sys, "version_info", (3, 9, 1))
    with pytest.raises(start.CannotStart, match=r"needs Python 3\.11 or newer, this is 3\.9"):
        start.main(["app"])


def test_a_python_without_venv_is_told_what_to_install(start, monkeypatch):
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(start.CannotStart, match="python3-venv"):
        start.main(["app"])


def test_without_network_one_sentence_and_exit_code_1(tmp_path):
    (tmp_path / "start.py").write_bytes((ROOT / "start.py").read_bytes())
    (tmp_path / "requirements.txt").write_text("headlab-no-such-package==1.0\n")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}
    done = call(tmp_path, "app", PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="", **nowhere)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.strip() == (
        "Installation failed: the package index cannot be reached; "
        "check the network or proxy and start again."
    )


def test_help_and_usage(tmp_path):
    assert call(ROOT, "--help").returncode == 0
    for wrong in ([], ["fly"]):
        done = call(ROOT, *wrong)
        assert done.returncode == 2
        assert "usage:" in done.stderr


def test_requirements_are_pinned():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            line = line.split("#")[0].strip()
            assert not line or line.startswith("-r ") or "==" in line, line
