"""What `pip install` gets: everything the laboratory needs, at a price that a library may ask."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import hatchling.build
import pytest
from packaging.requirements import Requirement

from headlab import __version__
from headlab.places import app_folder

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = {"torch", "transformers", "pandas", "plotly", "streamlit", "numpy"}
ONLY_FOR_TESTS = {"pytest"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        name = hatchling.build.build_wheel(str(folder))
    with zipfile.ZipFile(folder / name) as opened:
        yield opened


def tracked(*places):
    """The files that git keeps there; without git (a copy of the folder), those that are there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *places],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode == 0:
        return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    found = [path for place in places for path in [ROOT / place, *(ROOT / place).rglob("*")]]
    names = {path.relative_to(ROOT).as_posix() for path in found if path.is_file()}
    return {name for name in names if "__pycache__" not in name}


def test_the_wheel_holds_every_file_of_the_laboratory(wheel):
    app = ("streamlit_app.py", "pages", "prompts", ".streamlit", "requirements.txt")
    expected = tracked("headlab") | {f"headlab/_app/{name}" for name in tracked(*app)}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == expected
    for needed in (
        *("headlab/py.typed", "headlab/models/mini/model.safetensors", "headlab/report/report.css"),
        *("headlab/_app/pages/Layers.py", "headlab/_app/.streamlit/config.toml"),
    ):
        assert needed in held


def test_the_wheel_has_version_command_and_requirements(wheel):
    (folder,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    assert folder == f"headlab-{__version__}.dist-info"
    entries = wheel.read(f"{folder}/entry_points.txt").decode()
    assert "headlab = headlab.__main__:run" in entries
    metadata = wheel.read(f"{folder}/METADATA").decode()
    assert len(re.findall("^Requires-Dist: (?!.*extra ==)", metadata, re.MULTILINE)) == len(
        PROJECT["dependencies"]
    )


def test_ranges_and_pins_hold_together():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("#")[0].strip().split("==") for line in lines if "==" in line)
    ranges = {need.name: need.specifier for need in map(Requirement, PROJECT["dependencies"])}
    assert set(pins) - ONLY_FOR_TESTS == set(ranges)
    for name, specifier in ranges.items():
        assert pins[name] in specifier, name
        assert not any("==" in str(part) for part in specifier), f"{name} pins its users"


def test_files_are_found_beside_the_package_and_inside_an_installed_one(tmp_path, wheel):
    assert app_folder() == ROOT
    wheel.extractall(tmp_path)
    code = (
        "from headlab.exercises import guided, sheets\n"
        "from headlab import places\n"
        "print(places.app_folder(), len(guided.guided_texts()), len(sheets().sheets))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    folder, texts, sheets = done.stdout.split()
    assert Path(folder) == tmp_path / "headlab" / "_app"
    assert int(texts) == len(list((ROOT / "prompts" / "texts").glob("*.toml")))
    assert int(sheets) == len(list((ROOT / "prompts" / "sheets").glob("*.toml")))


@pytest.mark.parametrize("arguments", [["-c", "import headlab"], ["-m", "headlab", "--help"]])
def test_neither_import_nor_help_loads_what_is_heavy(arguments):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "headlab" in loaded
    assert loaded & HEAVY == set()
