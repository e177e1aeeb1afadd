"""Guided texts and pairs of texts, one file each in ``prompts/texts`` and ``prompts/pairs``."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from headlab.errors import HeadlabError
from headlab.exercises.mistakes import Checked, Found, Schema, Words
from headlab.exercises.toml_file import file_bytes, read_toml

_PROMPTS = Path(__file__).parents[2] / "prompts"
FOLDER, PAIRS = _PROMPTS / "texts", _PROMPTS / "pairs"


class _Fact(Schema):
    entity: Words
    attribute: Words


class _TextFile(Schema):
    order: Annotated[int, Field(description="a whole number")]
    title: Words
    text: Words
    look: Words
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
    """Every guided text by name, in order; a sentence with file and line for a bad file."""
    texts = [_read_text(path) for path in sorted(folder.glob("*.toml"))]
    if not texts:
        raise HeadlabError(f"There are no guided texts in {folder}: put the folder back.")
    return {text.name: text for text in sorted(texts, key=lambda text: text.order)}


@cache
def guided_pairs(folder: Path = PAIRS) -> dict[str, GuidedPair]:
    """Every prepared pair by name, in order; a sentence with file and line for a bad file."""
    pairs = [
        GuidedPair(name=path.stem, **_read(path, _PairFile).model_dump())
        for path in sorted(folder.glob("*.toml"))
    ]
    return {pair.name: pair for pair in sorted(pairs, key=lambda pair: pair.order)}


def _read_text(path: Path) -> GuidedText:
    found = _read(path, _TextFile)
    facts = tuple((fact.entity, fact.attribute) for fact in found.facts)
    return GuidedText(path.stem, found.order, found.title, found.text, found.look, facts)


def _read(path: Path, schema: type[Found]) -> Found:
    """What a file holds; an error that names everything that is wrong with it."""
    text, data = read_toml(file_bytes(path), path.name)
    file = Checked(path.name, text)
    found = file.read(schema, data)
    file.finish()
    assert found is not None
    return found
