"""The linter and the type checker have nothing to say, and what conftest.py promises holds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import what_node_lacks

ROOT = Path(__file__).resolve().parents[2]


def call(*arguments, cwd=ROOT, **variables):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd, capture_output=True, text=True, env={**os.environ, **variables},
    )  # fmt: skip


@pytest.mark.parametrize("tool", [("ruff", "check", "."), ("mypy",)], ids=" ".join)
def test_tool_is_content(tool):
    done = call(*tool)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fixed_wait_says_what_cannot_be_awaited():
    for path in (ROOT / "tests").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not re.search(r"wait_for_timeout\(|time\.sleep\([^)]*\)(?!  # )", line), path


def run_pytest(folder, source, *options, **variables):
    """Pytest with the project's conftest.py on one file of tests."""
    (folder / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    (folder / "test_one.py").write_text(source)
    options = ("-q", "-c", os.devnull, "--rootdir", str(folder), *options)
    return call("pytest", *options, cwd=folder, **variables)


@pytest.mark.parametrize(
    ("reason", "ci", "code"),
    [("needs ../shared: not here", "true", 0), ("too slow", "true", 1), ("too slow", "", 0)],
)
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "workers"])
def test_in_ci_only_tests_that_read_shared_may_skip(tmp_path, reason, ci, code, workers):
    source = f"import pytest\ndef test_runs(): pass\ndef test_skips(): pytest.skip({reason!r})\n"
    done = run_pytest(tmp_path, source, *workers, CI=ci)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("CI allows it only" in done.stdout) == bool(code)


BROWSER = "import conftest\nconftest.CHROMIUM_PLACES = ()\n" + "".join(
    f"def test_{number}(chromium): pass\n" for number in range(3)
)


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_without_chromium_one_line_says_what_was_left_out(tmp_path, ci, code):
    done = run_pytest(tmp_path, BROWSER, "-rs", PATH=str(tmp_path), CI=ci)
    assert done.returncode == code, done.stdout + done.stderr
    (line,) = re.findall(r"^SKIPPED \[3\].*$", done.stdout, re.MULTILINE)
    assert "Browser tests were left out" in line and "sudo apt install chromium" in line
    assert done.stdout.count("left out") == 1 + code


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for node")
@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("v24.1.0", 0, None),
        (
            "node: error while loading shared libraries: libatomic.so.1: cannot open shared object "
            "file: No such file or directory", 127, "sudo apt install libatomic1",
        ),
        ("node: libstdc++.so.6: version CXXABI_9 not found", 1, "holds libstdc++.so.6"),
        ("Illegal instruction", 132, "'Illegal instruction'"),
    ],
)  # fmt: skip
def test_what_playwright_s_node_lacks_is_said(tmp_path, said, code, words):
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho {said!r} >&2\nexit {code}\n")
    node.chmod(0o755)
    sentence = what_node_lacks(str(node))
    assert (sentence is None) if words is None else words in sentence


def test_what_the_person_has_set_for_the_hub_does_not_reach_the_tests(tmp_path):
    source = """
import os

def test_nothing_of_it_is_there():
    ours = {"HF_HOME"}
    names = {name for name in os.environ if name.startswith(("HF_", "TRANSFORMERS_", "HEADLAB_"))}
    assert names == ours and "elsewhere" not in os.environ["HF_HOME"]
"""
    theirs = {"HF_HUB_OFFLINE": "1", "HF_TOKEN": "hf_x", "HF_HOME": "/elsewhere"}
    theirs |= {"HF_ENDPOINT": "http://elsewhere", "HEADLAB_CACHE": "/elsewhere"}
    done = run_pytest(tmp_path, source, **theirs)
    assert done.returncode == 0, done.stdout + done.stderr
