"""Which profiles a sweep makes: every model at every revision asked for."""

import hashlib
import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headlab.behaviours import behaviours, code_digest
from headlab.errors import HeadlabError
from headlab.files import decoded, read_bytes, write_file
from headlab.models.catalogue import CATALOGUE
from headlab.models.hub import HUB_NAME
from headlab.models.hub_api import list_revisions
from headlab.models.loading import folder_named
from headlab.profiles.kept import measures

ALL, RANGE = "all", ".."
FILE = "plan.json"  # in the folder of a sweep
SCHEMA = "headlab.sweep/1"
MAX_BYTES = 200_000
_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_KEYS = {"models", "revisions", "every", "quick", "start_token"}


@dataclass(frozen=True)
class Cell:
    """One profile to make: a model at one revision ("" for the one it has).

    ``start_token``: with the model's own; ``quick``: without variants and controls.
    """

    model: str
    revision: str
    start_token: bool
    quick: bool

    @property
    def key(self) -> str:
        """What the cell's file is called: a hash of all that its figures depend on but weights."""
        facts = [asdict(self), code_digest(), measures(behaviours())]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]

    @property
    def step(self) -> int | None:
        """The training step that the revision's name ends in: 512 of "step512"; None without."""
        return _step(self.revision)

    def __str__(self) -> str:
        return f"{self.model} at {self.revision}" if self.revision else self.model


@dataclass(frozen=True)
class Plan:
    """The cells of a sweep, in the order in which they are measured."""

    cells: tuple[Cell, ...]

    def save(self, folder: Path) -> None:
        """Write the plan into the folder of its sweep."""
        data = {"schema": SCHEMA, "cells": [asdict(c) | {"key": c.key} for c in self.cells]}
        write_file(folder / FILE, json.dumps(data, indent=1) + "\n", make_folder=True)

    @classmethod
    def load(cls, folder: Path) -> "Plan":
        """The plan of a sweep's folder; a sentence where there is none."""
        path = folder / FILE
        if not path.is_file():
            raise HeadlabError(f"{folder} holds no sweep: begin one with `headlab sweep`.")
        try:
            data = json.loads(decoded(read_bytes(path)))
            if data["schema"] != SCHEMA:
                raise ValueError
            names = Cell.__dataclass_fields__
            cells = tuple(Cell(**{name: c[name] for name in names}) for c in data["cells"])
        except (ValueError, KeyError, TypeError) as error:
            raise HeadlabError(
                f"{path} is damaged or of another version: begin the sweep again in a new folder."
            ) from error
        return cls(cells)


def make_plan(
    models: Sequence[str],
    revisions: Sequence[str] = (),
    *,
    every: int = 1,
    quick: bool = False,
    start_token: bool = True,
) -> Plan:
    """Every model at every revision.

    Parameters
    ----------
    models : names of the catalogue, owner/name on the hub, or folders.
    revisions : branches or tags on the hub ("step512"), for a folder the folders in it. "all" takes
        every one that there is, of the hub those with a number if any has; "step0..step512" those
        between two. Without any: the model itself.
    every : of them only each n-th, and the last.

    Raises
    ------
    HeadlabError : no model, a revision that is not there, or a hub that cannot be asked.
    """
    if not models:
        raise HeadlabError("A sweep needs at least one model: name one, or a plan file.")
    cells = [
        Cell(model, revision, start_token, quick)
        for model in dict.fromkeys(models)
        for revision in _revisions(model, list(dict.fromkeys(revisions)), every)
    ]
    return Plan(tuple(cells))


def read_plan(path: Path) -> Plan:
    """A plan as a TOML file: ``models``, and if wished the other arguments of :func:`make_plan`.

    HeadlabError with the file and what is wrong in it.
    """
    try:
        data: dict[str, Any] = tomllib.loads(decoded(read_bytes(path, MAX_BYTES)))
    except ValueError as error:
        raise HeadlabError(f"{path} is no TOML file ({error}): mend it, and try again.") from error
    if unknown := sorted(set(data) - _KEYS):
        raise HeadlabError(
            f"{path}: {unknown[0]!r} is no part of a plan: write {', '.join(sorted(_KEYS))}."
        )
    names = data.get("models")
    revisions = data.get("revisions", [])
    revisions = [revisions] if isinstance(revisions, str) else revisions
    for key, value in (("models", names), ("revisions", revisions)):
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise HeadlabError(f'{path}: {key} is a list of names in quotes, such as ["mini"].')
    flags = {key: data[key] for key in ("quick", "start_token") if key in data}
    for key, flag in flags.items():
        if not isinstance(flag, bool):
            raise HeadlabError(f"{path}: {key} is true or false.")
    every = data.get("every", 1)
    if not isinstance(every, int) or every < 1:
        raise HeadlabError(f"{path}: every is a whole number from 1.")
    return make_plan(names or [], revisions, every=every, **flags)


def _revisions(model: str, asked: list[str], every: int) -> list[str]:
    """The revisions of one model, "" for itself, by their steps where all or a range is asked."""
    if not asked:
        return [""]
    folder = folder_named(model)
    is_folder = folder is not None and model not in CATALOGUE
    if is_folder or any(word == ALL or RANGE in word for word in asked):
        there = _there(model, folder if is_folder else None)
        found = [name for word in asked for name in _chosen(model, word, there)]
    elif model in CATALOGUE or HUB_NAME.fullmatch(model):
        found = asked
    else:
        raise HeadlabError(f"{model} is neither a folder nor owner/name on the hub.")
    found = list(dict.fromkeys(found))
    return found[::every] if (len(found) - 1) % every == 0 else [*found[::every], found[-1]]


def _there(model: str, folder: Path | None) -> list[str]:
    """Every revision of a model by its step: the folders in its own, or what the hub lists."""
    if folder is None:
        if model not in CATALOGUE and not HUB_NAME.fullmatch(model):
            raise HeadlabError(f"{model} is neither a folder nor owner/name on the hub.")
        names = list_revisions(model)
        names = [name for name in names if _step(name) is not None] or names
    else:
        names = [each.name for each in folder.iterdir() if (each / "config.json").is_file()]
    if not names:
        raise HeadlabError(
            f"{model} holds no folders of models: name the folder that holds the revisions."
        )
    return sorted(names, key=lambda name: (-1 if (step := _step(name)) is None else step, name))


def _chosen(model: str, word: str, there: list[str]) -> list[str]:
    """What "all", a range such as step0..step512, or a name means among the revisions there."""
    if word == ALL:
        return there
    if word in there:
        return [word]
    first, found, last = word.partition(RANGE)
    if found and first in there and last in there:
        return there[there.index(first) : there.index(last) + 1]
    missing = next(name for name in (first, last) if name not in there)
    raise HeadlabError(f"{model} holds no revision {missing!r}: it has {there[:8]}.")


def _step(name: str) -> int | None:
    """The last number in a revision's name."""
    found = _NUMBER.search(name)
    return int(found[1]) if found else None
