"""Exercise sheets: one TOML file each, read into frozen dataclasses or refused with a sentence.

A sheet holds words and questions, never an answer: answers are measured on the loaded model when
a question is prepared (``questions.prepare``). The format is described in docs/EXERCISES.md.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from headlab import settings
from headlab.errors import HeadlabError, unknown
from headlab.exercises.format import Sheet
from headlab.exercises.guided import GuidedText, guided_texts
from headlab.exercises.mistakes import FileMistakes
from headlab.exercises.sheet_reader import SheetReader
from headlab.exercises.toml_file import file_bytes, read_toml, written
from headlab.places import app_folder

FOLDER = app_folder() / "prompts" / "sheets"
ENVIRONMENT = "HEADLAB_SHEETS"


@dataclass(frozen=True)
class SheetList:
    """The sheets offered, by name in order, and what is wrong with files that are none.

    ``mistakes`` has a sentence for each mistake, ``problems`` all that is to be said of a file.
    """

    sheets: dict[str, Sheet]
    mistakes: dict[str, tuple[str, ...]]

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with each file, by its name."""
        return {name: str(FileMistakes(told)) for name, told in self.mistakes.items()}

    def __getitem__(self, name: str) -> Sheet:
        if name in self.sheets:
            return self.sheets[name]
        if name in self.mistakes:
            raise FileMistakes(self.mistakes[name])
        raise unknown("sheet", name, self.sheets)


def sheets(folder: Path | None = None) -> SheetList:
    """All sheets of ``folder`` (default: prompts/sheets and the folder named by HEADLAB_SHEETS).

    ``folder`` may be a single file. A bad file takes no other down: it is listed with its mistakes
    under its name. A file is read again once it, or a guided text, was changed.
    """
    folders = [folder or FOLDER]
    own = settings.sheets() if folder is None else None
    mistakes: dict[str, tuple[str, ...]] = {}
    if own:
        if own.is_dir():
            folders.append(own)
        else:
            mistakes[ENVIRONMENT] = (
                f"{ENVIRONMENT} names {own}, which is no folder: give it that of your sheets.",
            )
    found: dict[str, Sheet] = {}
    for path in (path for place in folders for path in _files(place)):
        sheet, told = _read_once(path, written(path), tuple(guided_texts().values()))
        if sheet is not None and sheet.name in found:
            told = (
                f"{path.name}: there is a sheet called {sheet.name!r} already: rename the file.",
            )
        if told:
            mistakes[path.stem if path.stem not in found else str(path)] = told
        elif sheet is not None:
            found[sheet.name] = sheet
    ordered = sorted(found.values(), key=lambda sheet: (sheet.order, sheet.name))
    return SheetList({sheet.name: sheet for sheet in ordered}, mistakes)


def _files(place: Path) -> list[Path]:
    return [place] if place.is_file() else sorted(place.glob("*.toml"))


@lru_cache(maxsize=256)
def _read_once(
    path: Path, written_at: int, guided: tuple[GuidedText, ...]
) -> tuple[Sheet | None, tuple[str, ...]]:
    """A file's sheet, or its mistakes; the other arguments say when it must be read again."""
    try:
        return read_sheet(path), ()
    except FileMistakes as error:
        return None, error.sentences
    except HeadlabError as error:
        return None, (str(error),)


def read_sheet(source: Path | str | bytes, name: str = "sheet") -> Sheet:
    """A sheet from a file, or from TOML text (``name`` then says what to call it).

    Raises HeadlabError: a sentence with file, line and remedy for each mistake.
    """
    if isinstance(source, Path):
        return read_sheet(file_bytes(source), source.stem)
    raw = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    text, data = read_toml(raw, f"{name}.toml")
    return SheetReader(name, text, data).sheet(hashlib.sha256(raw).hexdigest())


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
