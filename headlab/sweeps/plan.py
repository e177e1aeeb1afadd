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
from headlab.models.loading import folder_named
from headlab.profiles.kept import measures

ALL = "all"
FILE = "plan.json"  # in the folder of a sweep
SCHEMA = "headlab.sweep/1"
MAX_BYTES = 200_000
_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_KEYS = {"models", "revisions", "quick", "start_token"}


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
        found = _NUMBER.search(self.revision)
        return int(found[1]) if found else None

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
    quick: bool = False,
    start_token: bool = True,
) -> Plan:
    """Every model at every revision.

    Parameters
    ----------
    models : names of the catalogue, owner/name on the hub, or folders.
    revisions : branches or tags on the hub ("step512"), for a folder the folders in it; "all" takes
        every one that a folder holds. None: the model itself.

    Raises
    ------
    HeadlabError : no model, or a revision that a folder does not hold.
    """
    if not models:
        raise HeadlabError("A sweep needs at least one model: name one, or a plan file.")
    cells = [
        Cell(model, revision, start_token, quick)
        for model in dict.fromkeys(models)
        for revision in _revisions(model, list(dict.fromkeys(revisions)))
    ]
    return Plan(tuple(cells))


def read_plan(path: Path) -> Plan:
    """A plan as a TOML file: ``models``, and if wished ``revisions``, ``quick``, ``start_token``.

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
    return make_plan(names or [], revisions, **flags)


def _revisions(model: str, asked: list[str]) -> list[str]:
    """The revisions of one model, "" for itself; those of a folder by their steps."""
    if not asked:
        return [""]
    folder = folder_named(model)
    if folder is None or model in CATALOGUE:
        if ALL in asked:
            raise HeadlabError(f"{model} is no folder: name its revisions one by one.")
        if model not in CATALOGUE and not HUB_NAME.fullmatch(model):
            raise HeadlabError(f"{model} is neither a folder nor owner/name on the hub.")
        return asked
    there = [each.name for each in folder.iterdir() if (each / "config.json").is_file()]
    there.sort(key=lambda name: (int(m[1]) if (m := _NUMBER.search(name)) else -1, name))
    if ALL in asked:
        if not there:
            raise HeadlabError(
                f"{folder} holds no folders of models: name the folder that holds the revisions."
            )
        return there
    if missing := [name for name in asked if name not in there]:
        raise HeadlabError(f"{folder} holds no revision {missing[0]!r}: it has {there[:8]}.")
    return asked
