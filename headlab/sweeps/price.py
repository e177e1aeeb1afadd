"""What a sweep costs before it is run: time, files, and what is fetched."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headlab.errors import HeadlabError
from headlab.files import decoded, read_bytes
from headlab.models.catalogue import CATALOGUE
from headlab.models.hub import find_model, weight_files
from headlab.models.hub_api import published
from headlab.models.loading import folder_named
from headlab.sweeps.plan import Cell, Plan
from headlab.units import duration, gigabytes

HEAD_BYTES = 4_700  # of a profile's file, for each head: mini 4,620, smollm2 4,720
# On one core, a start and for each parameter: mini took 9.5 s and smollm2 140 s, quick 2 and 25 s
WHOLE, QUICK = (6.0, 1.0e-6), (1.5, 1.8e-7)


@dataclass(frozen=True)
class Price:
    """What the cells of a plan cost, as far as their models tell.

    ``seconds`` of one core, ``files`` and ``fetched`` in bytes, ``most`` the bytes of the largest
    model fetched; ``unknown`` says of a model why nothing is known of it.
    """

    cells: int
    seconds: float = 0.0
    files: int = 0
    fetched: int = 0
    most: int = 0
    unknown: Mapping[str, str] = field(default_factory=dict)

    def words(self, workers: int, delete_weights: bool) -> str:
        """The price in a few lines."""
        time = duration(self.seconds / workers)
        kept = f", {gigabytes(self.most)} at a time" if delete_weights and self.fetched else ""
        lines = [
            f"{self.cells} cells: about {time} with {workers} worker{'s' * (workers > 1)}, "
            f"{gigabytes(self.files)} of profiles, {gigabytes(self.fetched)} to fetch{kept}"
        ]
        lines += [f"not counted: {name} ({why})" for name, why in self.unknown.items()]
        return "\n".join(lines)

    def check_room(self, folder: Path) -> None:
        """HeadlabError where the disk of ``folder`` has no room for the profiles."""
        place = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        free = shutil.disk_usage(place).free
        if self.files > free:
            raise HeadlabError(
                f"The profiles need {gigabytes(self.files)} and {place} has {gigabytes(free)} "
                "free: choose another folder with --out, or fewer revisions."
            )


def price_of(plan: Plan) -> Price:
    """The price of a plan. The hub is asked once for each of its models that is not here."""
    sizes: dict[str, _Size] = {}
    unknown: dict[str, str] = {}
    seconds, files, fetched, most = 0.0, 0, 0, 0
    for cell in plan.cells:
        if cell.model in unknown:
            continue
        try:
            size = sizes.get(cell.model) or sizes.setdefault(cell.model, _size(cell))
        except HeadlabError as error:
            unknown[cell.model] = str(error)
            continue
        start, each = QUICK if cell.quick else WHOLE
        seconds += start + each * size.parameters
        files += HEAD_BYTES * size.heads
        fetched += size.fetched
        most = max(most, size.fetched)
    return Price(len(plan.cells), seconds, files, fetched, most, unknown)


@dataclass(frozen=True)
class _Size:
    """Parameters, heads and bytes to fetch of one model; its revisions are alike."""

    parameters: int
    heads: int
    fetched: int


def _size(cell: Cell) -> _Size:
    """What is known of a cell's model: from the catalogue, its folder, or the hub."""
    entry = CATALOGUE.get(cell.model)
    if entry is not None:
        here = bool(entry.folder or find_model(entry.name)) and not cell.revision
        return _Size(entry.parameters, entry.layers * entry.heads, 0 if here else entry.download)
    home = folder_named(cell.model)
    if home is not None:
        folder = home / cell.revision
        weights = sum(file.stat().st_size for file in weight_files(folder))
        return _from_config(_config(folder), weights, fetched=0)
    fetched, config = published(cell.model, cell.revision)
    return _from_config(config, fetched, fetched)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(decoded(read_bytes(path)))
    except ValueError as error:
        raise HeadlabError(f"{path} is damaged: copy the folder again.") from error
    return config if isinstance(config, dict) else {}


def _from_config(config: Mapping[str, Any], weights: int, fetched: int) -> _Size:
    """The size that a config.json and the bytes of the weights tell."""
    half = any("16" in str(config.get(name)) for name in ("dtype", "torch_dtype"))
    layers, heads = (
        next((config[name] for name in names if isinstance(config.get(name), int)), 0)
        for names in (
            ("num_hidden_layers", "n_layer", "num_layers"),
            ("num_attention_heads", "n_head", "num_heads"),
        )
    )
    return _Size(weights // (2 if half else 4), layers * heads, fetched)
