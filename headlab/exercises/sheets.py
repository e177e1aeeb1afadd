"""Exercise sheets: one TOML file each, read into frozen dataclasses or refused with a sentence.

A sheet holds words and questions, never an answer: answers are measured on the loaded model when
a question is prepared (``questions.prepare``). The format is described in docs/EXERCISES.md.
"""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from headlab import settings
from headlab.errors import HeadlabError, unknown
from headlab.exercises.format import Sheet
from headlab.exercises.parser import Parser
from headlab.places import app_folder

FOLDER = app_folder() / "prompts" / "sheets"
ENVIRONMENT = "HEADLAB_SHEETS"
MAX_BYTES = 200_000  # bytes; far more than anyone writes by hand
MAX_DOTS = 200  # in a line: names of thousands of parts keep a TOML parser busy for minutes


@dataclass(frozen=True)
class SheetList:
    """The sheets offered, by name in order, and what was wrong with files that are none."""

    sheets: dict[str, Sheet]
    problems: dict[str, str]

    def __getitem__(self, name: str) -> Sheet:
        if name in self.sheets:
            return self.sheets[name]
        if name in self.problems:
            raise HeadlabError(self.problems[name])
        raise unknown("sheet", name, self.sheets)


def sheets(folder: Path | None = None) -> SheetList:
    """All sheets of ``folder`` (default: prompts/sheets and the folder named by HEADLAB_SHEETS).

    A bad file takes no other down: its sentence stands in ``problems`` under the file's name.
    """
    folders = [folder or FOLDER]
    own = settings.sheets() if folder is None else None
    problems: dict[str, str] = {}
    if own:
        if own.is_dir():
            folders.append(own)
        else:
            problems[ENVIRONMENT] = (
                f"{ENVIRONMENT} names {own}, which is no folder: give it the folder of your sheets."
            )
    found: dict[str, Sheet] = {}
    for path in (path for place in folders for path in sorted(place.glob("*.toml"))):
        try:
            sheet = read_sheet(path)
            if sheet.name in found:
                raise HeadlabError(
                    f"{path.name}: there is a sheet called {sheet.name!r} already: rename the file."
                )
        except HeadlabError as error:
            problems[path.stem if path.stem not in found else str(path)] = str(error)
        else:
            found[sheet.name] = sheet
    ordered = sorted(found.values(), key=lambda sheet: (sheet.order, sheet.name))
    return SheetList({sheet.name: sheet for sheet in ordered}, problems)


def read_sheet(source: Path | str | bytes, name: str = "sheet") -> Sheet:
    """A sheet from a file, or from TOML text (``name`` then says what to call it).

    Raises HeadlabError: one sentence with file, line and remedy.
    """
    if isinstance(source, Path):
        return read_sheet(_file_bytes(source), source.stem)
    file = f"{name}.toml"
    raw = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    _check_size(len(raw), file)
    try:
        text = raw.decode("utf-8").replace("\r\n", "\n")
        _check_dots(text, file)
        data = tomllib.loads(text)
        return Parser(name, text, data).sheet(hashlib.sha256(raw).hexdigest())
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise HeadlabError(
            f"{file}, line {line}: this is not UTF-8 text: save the file as UTF-8."
        ) from error
    except HeadlabError:
        raise
    except (ValueError, RecursionError) as error:
        raise HeadlabError(f"{file}{_toml_error(error)}") from error


def _file_bytes(path: Path) -> bytes:
    try:
        _check_size(path.stat().st_size, path.name)
        return path.read_bytes()
    except OSError as error:
        raise HeadlabError(f"{path} cannot be read ({error.strerror}): check the path.") from error


def _check_size(size: int, file: str) -> None:
    if size > MAX_BYTES:
        raise HeadlabError(
            f"{file} is {size:,} bytes long and a sheet may have {MAX_BYTES:,}: "
            "split it into several sheets."
        )


def _check_dots(text: str, file: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MAX_DOTS:
            raise HeadlabError(
                f"{file}, line {number}: this line has more than {MAX_DOTS} dots: write fewer."
            )


def _toml_error(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return ": brackets are nested too deeply: a sheet needs no more than two levels."
    words = re.sub(r"\s+", " ", str(error))
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", words)
    what, place = (found[1], f", line {found[2]}, column {found[3]}") if found else (words, "")
    return f"{place}: this is no TOML ({what}): check quotes and brackets."


def template(name: str) -> str:
    """A sheet to start from, with a comment for every key; it is a valid sheet as it stands."""
    return _TEMPLATE.replace("NAME", name)


_TEMPLATE = """\
# NAME.toml: an exercise sheet for headlab. Lines that begin with # are comments.
# Check it with `python -m headlab sheets check FOLDER`. The answers are measured, never written.
# All kinds of questions and measures are described in docs/EXERCISES.md.

title = "My first sheet"
level = "first steps"               # or "going on", or "going deep"
minutes = 5
order = 100                         # small numbers come first in the list
goal = "What a learner can do afterwards, in one sentence."

# Texts of your own, each with a name. Guided texts are used by their names without being listed.
[texts]
dog = "A small dog ran over the bridge. A small dog ran over the"

[[steps]]                           # one round; write [[steps]] again for the next
title = "What came next the last time"
look = "What to look at while exploring. Explain every new word here."
explore = "shopping"                # the text to look around in: another one than the question's
observe = "In the framed picture: which column is brightest in the last row?"
hints = ["A first hint.", "A second one, which says more."]
# In braces: values that are measured when the sheet is used.
explanation = "{answer} has the strongest head: {score}. Second comes {second} with {second_score}."

[steps.question]
ask = "On the cat text: in which layer is the head that shows the most induction?"
kind = "which layer"
text = "cat-on-the-mat"             # a guided text, or one of yours
measure = "score"                   # a behaviour's score on this text
behaviour = "induction"

[steps.transfer]                    # asked last; what it does not say it takes from the question
ask = "And on the text about the dog?"
text = "dog"
"""
