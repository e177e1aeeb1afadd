"""The settings: one table, read in one place, told apart from mistakes, and in the document."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from headlab import cli, settings

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "start.py", ROOT / "streamlit_app.py"]
SOURCES += [*(ROOT / "headlab").rglob("*.py"), *(ROOT / "pages").glob("*.py")]


def test_the_document_holds_the_same_table():
    rows = {
        cells[0].strip("` "): [cell.strip() for cell in cells[1:]]
        for line in (ROOT / "docs" / "DEPLOY.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `HEADLAB_") and (cells := line.strip("| ").split(" | "))
    }
    expected = {s.name: [s.meaning, s.default, s.takes] for s in settings.SETTINGS.values()}
    assert rows == expected


def test_nothing_else_reads_them_and_nothing_reads_another():
    """Quoted names: who reads the environment must ask the table; `serve` alone sets some."""
    for path in SOURCES:
        named = set(re.findall(r'"(HEADLAB_[A-Z_]+)"', path.read_text(encoding="utf-8")))
        assert named <= set(settings.SETTINGS), path
        if path.name not in ("settings.py", "laboratory.py", "sheets.py"):
            assert not named, path


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("HEADLAB_PUBLIC", "yes"),
        ("HEADLAB_CACHE", __file__),
        ("HEADLAB_SHEETS", "/no/such/folder"),
        ("HEADLAB_MEMORY", "4"),
        ("HEADLAB_MEMORY", "٣٠٠"),
        ("HEADLAB_MEMORY", "9" * 5000),
        ("HEADLAB_LOG_LEVEL", "loud"),
        ("HEADLAB_ROOM", "javascript:alert(1)"),
        ("HEADLAB_STORE", "/"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_what_to_do(name, word):
    (sentence,) = settings.problems({name: word, "PATH": "x"})
    assert name in sentence and settings.SETTINGS[name].takes in sentence


def test_a_misspelt_setting_is_no_silent_one():
    (sentence,) = settings.problems({"HEADLAB_PUBILC": "1"})
    assert "no setting HEADLAB_PUBILC" in sentence and "HEADLAB_PUBLIC" in sentence


def test_good_and_empty_values_pass(tmp_path):
    good = {
        "HEADLAB_PUBLIC": "1",
        "HEADLAB_CACHE": str(tmp_path / "new"),
        "HEADLAB_SHEETS": str(tmp_path),
        "HEADLAB_TEXTS": str(tmp_path),
        "HEADLAB_BEHAVIOURS": str(tmp_path),
        "HEADLAB_MEMORY": "64",
        "HEADLAB_MAX_TOKENS": "2048",
        "HEADLAB_LOG_LEVEL": "debug",
        "HEADLAB_ROOM": "http://192.168.1.20:8501",
        "HEADLAB_STORE": str(tmp_path / "rooms.sqlite"),
        "HEADLAB_TEACHER": "a long word",
    }
    assert set(good) == set(settings.SETTINGS)
    assert settings.problems(good) == settings.problems(dict.fromkeys(good, "")) == []


def test_a_store_may_be_a_database_and_what_is_secret_is_not_printed(monkeypatch):
    address = "postgresql://anna:hers@db/rooms"
    assert settings.problems({"HEADLAB_STORE": address}) == []
    monkeypatch.setenv("HEADLAB_STORE", address)
    assert settings.store() == address
    for name, word in (
        ("HEADLAB_STORE", "mysql://anna:hers@db/rooms"),
        ("HEADLAB_TEACHER", "hers"),
    ):
        (sentence,) = settings.problems({name: word})
        assert name in sentence and "hers" not in sentence
        monkeypatch.setenv(name, word)
    assert settings.teacher() == ""


def test_a_value_that_means_nothing_falls_to_the_safe_side(monkeypatch):
    for name in settings.SETTINGS:
        monkeypatch.setenv(name, "?")
    assert settings.public()
    assert (settings.memory(), settings.log_level(), settings.room()) == (256_000_000, "INFO", "")


def test_they_are_checked_without_importing_anything_heavy():
    done = subprocess.run(
        [sys.executable, "-I", ROOT / "headlab" / "settings.py"],
        env={"HEADLAB_PUBLIC": "maybe"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == "HEADLAB_PUBLIC is 'maybe': set it to 1 or 0."


def test_the_command_line_refuses_to_start_on_a_mistake(monkeypatch, capsys):
    monkeypatch.setenv("HEADLAB_PUBLIC", "maybe")
    assert cli.main(["models"]) == cli.FAILED
    assert "HEADLAB_PUBLIC is 'maybe'" in capsys.readouterr().err
