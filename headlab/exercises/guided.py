"""Guided texts and pairs of texts, one file each in ``prompts/texts`` and ``prompts/pairs``.

A file with a mistake takes no other down: it is left out, and :func:`guided_problems` says what to
mend in it.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from headlab.errors import HeadlabError
from headlab.places import app_folder

_PROMPTS = app_folder() / "prompts"
FOLDER, PAIRS = _PROMPTS / "texts", _PROMPTS / "pairs"
_TEXT_KEYS = ("order", "title", "text", "look")
_PAIR_KEYS = ("order", "title", "clean", "corrupt", "answer", "wrong", "look")


@dataclass(frozen=True)
class GuidedText:
    """A text, where to look in it, and its facts as (entity, attribute) if it asks for one."""

    name: str
    order: int
    title: str
    text: str
    look: str
    facts: tuple[tuple[str, str], ...] = ()


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
    folder = folder or FOLDER
    texts, problems = _offered(folder, _read_text)
    if not texts:
        why = " ".join(problems.values()) or "put the folder back."
        raise HeadlabError(f"There are no guided texts in {folder}: {why}")
    return texts


def guided_pairs(folder: Path | None = None) -> dict[str, GuidedPair]:
    """Every sound pair by name, in order; an error only where there is none at all."""
    folder = folder or PAIRS
    pairs, problems = _offered(folder, _read_pair)
    if not pairs:
        why = " ".join(problems.values()) or "put the folder back."
        raise HeadlabError(f"There are no pairs of texts in {folder}: {why}")
    return pairs


def guided_problems(texts: Path | None = None, pairs: Path | None = None) -> dict[str, str]:
    """A sentence with file, line and remedy for each file that is left out, by its name."""
    return _offered(texts or FOLDER, _read_text)[1] | _offered(pairs or PAIRS, _read_pair)[1]


def _offered(folder: Path, read: Callable[[Path], Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What a folder holds, in order, and its problems; read again once a file was changed."""
    paths = sorted(folder.glob("*.toml"))
    return _read_all(tuple((path, _written(path)) for path in paths), read)


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=8)
def _read_all(
    stamped: Iterable[tuple[Path, int]], read: Callable[[Path], Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    found, problems = [], {}
    for path, _ in stamped:
        try:
            found.append(read(path))
        except HeadlabError as error:
            problems[path.stem] = str(error)
    return {one.name: one for one in sorted(found, key=lambda one: one.order)}, problems


def _read_text(path: Path) -> GuidedText:
    data = _read(path, _TEXT_KEYS, ("facts",))
    return GuidedText(name=path.stem, **data | {"facts": _facts(path, data.get("facts", []))})


def _read_pair(path: Path) -> GuidedPair:
    return GuidedPair(name=path.stem, **_read(path, _PAIR_KEYS))


def _read(path: Path, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a file holds, checked: all keys that are needed, and none that is not known."""
    try:
        source = path.read_text(encoding="utf-8-sig")
        data = tomllib.loads(source)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise HeadlabError(
            f"{path.name} cannot be read as TOML ({error}): check quotes and brackets."
        ) from error
    known = (*needed, *optional)
    for key in data:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            meant = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}."
            raise HeadlabError(f"{path.name}{_line(source, key)}: {key!r} is not known; {meant}")
    for key in needed:
        wanted = int if key == "order" else str
        kind = "a whole number" if wanted is int else "a text in quotes"
        if key not in data:
            raise HeadlabError(f"{path.name}: {key!r} is missing: add it, with {kind}.")
        if type(data[key]) is not wanted or data[key] == "":
            raise HeadlabError(f"{path.name}{_line(source, key)}: {key!r} must be {kind}.")
    return data


def _line(source: str, key: str) -> str:
    """Where a key stands, as it is said after the name of the file."""
    for number, line in enumerate(source.splitlines(), 1):
        if re.match(rf"""[\s\[]*["']?{re.escape(key)}["']?[\s\].=]""", line):
            return f", line {number}"
    return ""


def _facts(path: Path, facts: Any) -> tuple[tuple[str, str], ...]:
    try:
        return tuple((str(fact["entity"]), str(fact["attribute"])) for fact in facts)
    except (TypeError, KeyError) as error:
        raise HeadlabError(
            f"{path.name}: every [[facts]] needs an 'entity' and an 'attribute'."
        ) from error
