"""Guided texts and pairs of texts, one file each in ``prompts/texts`` and ``prompts/pairs``; yours
beside ours, from the folder that HEADLAB_TEXTS names.

A file with a mistake takes no other down: it is left out, and :func:`guided_problems` says what to
mend in it.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from headlab import settings
from headlab.errors import HeadlabError
from headlab.exercises.mistakes import Checked, Found, Schema, Words
from headlab.exercises.toml_file import file_bytes, read_toml, written
from headlab.places import app_folder

_PROMPTS = app_folder() / "prompts"
FOLDER, PAIRS = _PROMPTS / "texts", _PROMPTS / "pairs"
LOOK_S = 0.5  # seconds for which what was found in a folder holds

# When each folder was looked at last, and what was there.
_LOOKED: dict[tuple[Path, ...], tuple[float, tuple[tuple[Path, int], ...]]] = {}


class _Fact(Schema):
    entity: Words
    attribute: Words


class _TextFile(Schema):
    order: Annotated[int, Field(description="a whole number")]
    title: Words
    text: Words
    look: Words
    pair: Annotated[
        tuple[Words, Words] | None,
        Field(strict=False, description="two words of the text"),
    ] = None
    facts: Annotated[
        tuple[_Fact, ...],
        Field(
            strict=False, description="tables [[facts]]; each needs an 'entity' and an 'attribute'"
        ),
    ] = ()


class _PairFile(Schema):
    order: Annotated[int, Field(description="a whole number")]
    title: Words
    clean: Words
    corrupt: Words
    answer: Words
    wrong: Words
    look: Words


@dataclass(frozen=True)
class GuidedText:
    """A text, where to look in it, and its facts as (entity, attribute) if it asks for one.

    ``pair`` are two words: the pages open on the head that looks most from the last mention of the
    first at the first mention of the second.
    """

    name: str
    order: int
    title: str
    text: str
    look: str
    facts: tuple[tuple[str, str], ...] = ()
    pair: tuple[str, str] | None = None


@dataclass(frozen=True)
class GuidedPair:
    """Two texts that differ in little, and the next token of each: ``answer`` after ``clean``."""

    name: str
    order: int
    title: str
    clean: str
    corrupt: str
    answer: str
    wrong: str
    look: str


def guided_texts(folder: Path | None = None) -> dict[str, GuidedText]:
    """Every sound guided text by name, in order; an error only where there is none at all."""
    texts, problems = _offered(_text_folders(folder), _read_text)
    if not texts:
        why = " ".join(problems.values()) or "put the folder back."
        raise HeadlabError(f"There are no guided texts in {folder or FOLDER}: {why}")
    return texts


def guided_pairs(folder: Path | None = None) -> dict[str, GuidedPair]:
    """Every sound pair by name, in order; an error only where there is none at all."""
    pairs, problems = _offered(_pair_folders(folder), _read_pair)
    if not pairs:
        why = " ".join(problems.values()) or "put the folder back."
        raise HeadlabError(f"There are no pairs of texts in {folder or PAIRS}: {why}")
    return pairs


def guided_problems(texts: Path | None = None, pairs: Path | None = None) -> dict[str, str]:
    """A sentence with file, line and remedy for each file that is left out, by its name."""
    found = _offered(_text_folders(texts), _read_text)[1]
    return found | _offered(_pair_folders(pairs), _read_pair)[1]


def _text_folders(folder: Path | None) -> list[Path]:
    """The folder asked for, or ours and the one that HEADLAB_TEXTS names."""
    own = settings.texts()
    return [folder] if folder else [FOLDER, *([own] if own else [])]


def _pair_folders(folder: Path | None) -> list[Path]:
    """The same for pairs, which lie in a folder ``pairs`` inside one's own."""
    own = settings.texts()
    return [folder] if folder else [PAIRS, *([own / "pairs"] if own else [])]


def _offered(
    folders: Sequence[Path], read: Callable[[Path], Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """What folders hold, in order, and their problems; read again once a file was changed."""
    return _read_all(_stamped(tuple(folders)), read)


def _stamped(folders: tuple[Path, ...]) -> tuple[tuple[Path, int], ...]:
    """The files in folders and when they were written; a page asks this dozens of times."""
    looked, files = _LOOKED.get(folders, (-math.inf, ()))
    if time.monotonic() - looked < LOOK_S:
        return files
    paths = [path for folder in folders for path in sorted(folder.glob("*.toml"))]
    files = tuple((path, written(path)) for path in paths)
    _LOOKED[folders] = time.monotonic(), files
    return files


@lru_cache(maxsize=8)
def _read_all(
    stamped: Iterable[tuple[Path, int]], read: Callable[[Path], Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    found: list[Any] = []
    problems = {}
    for path, _ in stamped:
        if path.stem in {one.name for one in found}:
            sentence = f"{path}: there is a text called {path.stem!r} already: rename the file."
            problems[str(path)] = sentence
            continue
        try:
            found.append(read(path))
        except HeadlabError as error:
            problems[path.stem] = str(error)
    return {one.name: one for one in sorted(found, key=lambda one: one.order)}, problems


def _read_text(path: Path) -> GuidedText:
    found = _read(path, _TextFile)
    facts = tuple((fact.entity, fact.attribute) for fact in found.facts)
    for word in found.pair or ():
        if word not in found.text:
            raise HeadlabError(f"{path.name}: the text does not hold the word {word!r} of 'pair'.")
    return GuidedText(
        path.stem, found.order, found.title, found.text, found.look, facts, found.pair
    )


def _read_pair(path: Path) -> GuidedPair:
    return GuidedPair(name=path.stem, **_read(path, _PairFile).model_dump())


def _read(path: Path, schema: type[Found]) -> Found:
    """What a file holds; an error that names everything that is wrong with it."""
    text, data = read_toml(file_bytes(path), path.name)
    file = Checked(path.name, text)
    found = file.read(schema, data)
    file.finish()
    assert found is not None
    return found
