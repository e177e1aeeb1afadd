"""Guided texts and pairs of texts, one file each in ``prompts/texts`` and ``prompts/pairs``."""

import tomllib
from dataclasses import dataclass
from functools import cache
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


@cache
def guided_texts(folder: Path = FOLDER) -> dict[str, GuidedText]:
    """Every guided text by name, in order; a sentence naming file and key for a bad file."""
    texts = [_read_text(path) for path in sorted(folder.glob("*.toml"))]
    if not texts:
        raise HeadlabError(f"There are no guided texts in {folder}: put the folder back.")
    return {text.name: text for text in sorted(texts, key=lambda text: text.order)}


@cache
def guided_pairs(folder: Path = PAIRS) -> dict[str, GuidedPair]:
    """Every prepared pair by name, in order; a sentence naming file and key for a bad file."""
    pairs = [
        GuidedPair(name=path.stem, **_read(path, _PAIR_KEYS))
        for path in sorted(folder.glob("*.toml"))
    ]
    return {pair.name: pair for pair in sorted(pairs, key=lambda pair: pair.order)}


def _read_text(path: Path) -> GuidedText:
    data = _read(path, _TEXT_KEYS, ("facts",))
    return GuidedText(name=path.stem, **data | {"facts": _facts(path, data.get("facts", []))})


def _read(path: Path, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a file holds, checked: all keys that are needed, and none that is not known."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise HeadlabError(f"{path.name} cannot be read as TOML: {error}.") from error
    for key in needed:
        wanted = int if key == "order" else str
        if not isinstance(data.get(key), wanted) or data[key] == "":
            kind = "a whole number" if wanted is int else "a text in quotes"
            raise HeadlabError(f"{path.name}: {key!r} must be {kind}.")
    known = {*needed, *optional}
    for key in data.keys() - known:
        raise HeadlabError(f"{path.name}: {key!r} is not known; known are {sorted(known)}.")
    return data


def _facts(path: Path, facts: Any) -> tuple[tuple[str, str], ...]:
    try:
        return tuple((str(fact["entity"]), str(fact["attribute"])) for fact in facts)
    except (TypeError, KeyError) as error:
        raise HeadlabError(
            f"{path.name}: every [[facts]] needs an 'entity' and an 'attribute'."
        ) from error
