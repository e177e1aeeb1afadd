"""What other programs do to files, consoles and tables."""

import csv
import io
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from headlab import HeadlabError, Profile
from headlab.cli import main
from headlab.exercises.record import Record
from headlab.exercises.record_file import parse_record
from headlab.exercises.sheets import read_sheet
from headlab.files import MARK, decoded, read_bytes, to_csv, write_file
from headlab.models.tokens import check_text
from headlab.places import app_folder
from headlab.report.document import make_report, read_notes, read_report
from tests.reports import made_up_profile, made_up_reading

TEXT = "Zoë Müller\n李雷\n🙂\n"
SAVED = {
    "as it is": TEXT.encode(),
    "with a mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "by PowerShell": TEXT.encode("utf-16"),
    "big-endian": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "by Notepad": TEXT.replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("raw", SAVED.values(), ids=SAVED)
def test_text_comes_back_however_it_was_saved(raw):
    assert decoded(raw) == TEXT


def test_other_bytes_are_no_text():
    with pytest.raises(ValueError, match="codec can't decode"):
        decoded(TEXT.encode("latin-1", "replace") + b"\xe4")


def as_other_programs_save(text: str) -> list[bytes]:
    """UTF-8 with a mark, UTF-16, and CRLF with a blank line at the end."""
    return [
        b"\xef\xbb\xbf" + text.encode(),
        text.encode("utf-16"),
        text.replace("\n", "\r\n").encode() + b"\r\n\r\n",
    ]


def test_every_reader_takes_them(tmp_path):
    sheet = (app_folder() / "prompts" / "sheets" / "broadcasters.toml").read_text(encoding="utf-8")
    record = Record.new()
    profile = made_up_profile()
    report = make_report(made_up_reading(), profile).html()
    path = tmp_path / "p.json"
    for raw in as_other_programs_save(sheet):
        assert read_sheet(raw, "broadcasters").title
    for raw in as_other_programs_save(json.dumps(record.to_dict())):
        assert parse_record(raw).id == record.id
    for raw in as_other_programs_save(json.dumps(profile.to_dict())):
        path.write_bytes(raw)
        assert Profile.load(path).content_hash == profile.content_hash
        assert Profile.from_json(raw).content_hash == profile.content_hash
    for raw in as_other_programs_save(report):
        assert read_report(raw).data["model"]
    for raw in as_other_programs_save("# Notes\n"):
        assert read_notes(raw).strip() == "# Notes"


def test_a_folder_given_as_a_file_is_a_sentence_both_ways(tmp_path):
    with pytest.raises(HeadlabError, match="is a folder"):
        read_bytes(tmp_path)
    with pytest.raises(HeadlabError, match="it is a folder"):
        write_file(tmp_path, "x")
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(HeadlabError, match="cannot be written"):
        write_file(file / "inside", "x", make_folder=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "kept"
    write_file(path, "before")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(HeadlabError, match="No space"):
        write_file(path, "after")
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


def test_tables_open_right_in_a_spreadsheet():
    names = ["Zoë Müller", "李雷", "=2+5", " @SUM(A1)", "plain"]
    content = to_csv(pd.DataFrame({"name": names, "score": [0.5, 1.25, -2.0, 0.0, 1.0]}))
    # a spreadsheet takes a file that begins with the mark for UTF-8
    assert content.encode().startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.removeprefix(MARK))))
    assert [row[0] for row in rows[1:]] == ["Zoë Müller", "李雷", "'=2+5", "' @SUM(A1)", "plain"]
    assert [row[1] for row in rows[1:3]] == ["0.5", "1.25"]
    assert list(pd.read_csv(io.BytesIO(content.encode()))["score"])[2] == -2


def test_the_csv_of_the_command_line_is_such_a_table(tmp_path, capsys):
    out = tmp_path / "x.csv"
    assert main(["score", "--text", "=2+5 is seven", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8", "utf-8-sig"])
def test_any_console_takes_what_is_printed(encoding, monkeypatch):
    text = "Привет 🙂 Zoë"
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", console)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert main(["score", "--text", text, "--json"]) == 0
    assert main(["score", "--text", text]) == 0
    assert main(["ablate", "--text", "Hi 🙂 there", "--head", "L0.H0"]) == 0
    assert main(["score", "--text", text, "--model", "🙂"]) == 1
    console.flush()
    first = console.buffer.getvalue().decode(encoding).splitlines()[0]
    assert "".join(json.loads(first)["tokens"]).endswith("Zo⟨C3⟩⟨AB⟩")  # its bytes


def test_a_text_may_begin_with_a_hyphen(capsys):
    assert main(["score", "--text", "-hello there", "--json"]) == 0
    assert "".join(json.loads(capsys.readouterr().out)["tokens"]).endswith("-hello there")
    assert main(["score", "--text", "--json"]) == 2


def test_a_mark_before_a_text_is_no_token():
    assert check_text(MARK + "The cat sat.") == "The cat sat."


def test_ctrl_c_while_packages_are_imported_is_a_word(capsys, monkeypatch):
    from headlab import __main__ as module

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("headlab.cli.main", interrupted)
    assert module.run() == 1
    assert capsys.readouterr().err == "headlab: stopped.\n"
