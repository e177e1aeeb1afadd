"""The linter and the type checker have nothing to say, and CI's rule about skips holds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("reason", "ci", "code"),
    [("needs ../shared: not here", "true", 0), ("too slow", "true", 1), ("too slow", "", 0)],
)
def test_in_ci_only_tests_that_read_shared_may_skip(tmp_path, reason, ci, code):
    (tmp_path / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    (tmp_path / "test_one.py").write_text(
        f"import pytest\ndef test_runs(): pass\ndef test_skips(): pytest.skip({reason!r})\n"
    )
    done = call("pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), cwd=tmp_path, CI=ci)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("CI allows it only" in done.stdout) == bool(code)
