"""The example notebooks run as they are kept, and say what the script says."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
RUN = """
import sys, nbformat
from scripts.notebooks import NOTEBOOKS, made, run
kept = nbformat.read(sys.argv[1], 4)
ours = made(NOTEBOOKS[sys.argv[2]])
assert [cell.source for cell in kept.cells] == [cell.source for cell in ours.cells]
for old, new in zip(kept.cells, run(ours).cells):
    was, now = ([sorted(each.get("data", {})) for each in cell.get("outputs", [])]
                for cell in (old, new))
    assert was == now, (was, now)
"""


def test_both_are_there():
    assert NAMES == ["before-and-after", "first-look"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_gives_what_it_shows(name):
    path = FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < 400_000
    assert "site-packages" not in path.read_text("utf-8")  # nothing of the machine that made it
    kept = nbformat.read(path, 4)
    assert all(cell.get("outputs") for cell in kept.cells[-1:])
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path), name], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2_000:]
