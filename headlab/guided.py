"""Guided texts: sentences worth looking at, one file each in ``prompts/texts``."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from headlab.errors import HeadlabError

FOLDER = Path(__file__).parents[1] / "prompts" / "texts"
_NEEDED = ("order", "title", "text", "look")
_KNOWN = {*_NEEDED, "facts"}


@dataclass(frozen=True)
class GuidedText:
    """A text, where to look in it, and its facts as (entity, attribute) if it asks for one."""

    name: str
    order: int
    title: str
    text: str
    look: str
    facts: tuple[tuple[str, str], ...] = ()


@cache
def guided_texts(folder: Path = FOLDER) -> dict[str, GuidedText]:
    """Every guided text by name, in order; a sentence naming file and key for a bad file."""
    texts = [_read(path) for path in sorted(folder.glob("*.toml"))]
    if not texts:
        raise HeadlabError(f"There are no guided texts in {folder}: put the folder back.")
    return {text.name: text for text in sorted(texts, key=lambda text: text.order)}


def _read(path: Path) -> GuidedText:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise HeadlabError(f"{path.name} cannot be read as TOML: {error}.") from error
    for key in _NEEDED:
        wanted = int if key == "order" else str
        if not isinstance(data.get(key), wanted) or data[key] == "":
            kind = "a whole number" if wanted is int else "a text in quotes"
            raise HeadlabError(f"{path.name}: {key!r} must be {kind}.")
    for key in data.keys() - _KNOWN:
        raise HeadlabError(f"{path.name}: {key!r} is not known; known are {sorted(_KNOWN)}.")
    return GuidedText(
        name=path.stem,
        order=data["order"],
        title=data["title"],
        text=data["text"],
        look=data["look"],
        facts=_facts(path, data.get("facts", [])),
    )


def _facts(path: Path, facts: Any) -> tuple[tuple[str, str], ...]:
    try:
        return tuple((str(fact["entity"]), str(fact["attribute"])) for fact in facts)
    except (TypeError, KeyError) as error:
        raise HeadlabError(
            f"{path.name}: every [[facts]] needs an 'entity' and an 'attribute'."
        ) from error
