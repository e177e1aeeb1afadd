"""What heads of random weights show on the same probes: a matter of shape, not of weights.

They are measured once for a configuration and the tokens of the probes, and kept in the cache
folder; those of the models that headlab knows come with it (``random_weights``), so that a model
trained further from one of them need not measure them either.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headlab.files import write_file
from headlab.measuring.budget import FIGURES, Sums
from headlab.measuring.scoring import Prompt
from headlab.models.loaded import LoadedModel
from headlab.places import cache_folder

_COUNT = "labels of "  # before the name of a behaviour
_BY_PLACE = ("attention by place", "chance by place")


@dataclass(frozen=True, eq=False)
class Controls:
    """What ``n`` networks of one shape and random weights gave.

    ``false_positives`` counts the heads that got each label. ``figures`` map those of
    ``budget.FIGURES`` that no roles decide to means over the networks [layer, head]; ``by_place``
    are the shares of attention off the first token, and chance, [layer, head, place].
    """

    n: int
    false_positives: dict[str, int]
    figures: dict[str, np.ndarray]
    by_place: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, found: Sequence[tuple[Mapping[str, int], Sums]], shows: Any) -> "Controls":
        """From the label counts and sums of each network; ``shows`` of any of them."""
        counts = {name: sum(each[name] for each, _ in found) for name in found[0][0]}
        figures = [sums.figures(shows) for _, sums in found]
        places = np.mean([sums.off_first_by_place() for _, sums in found], axis=0)
        return cls(
            n=len(found),
            false_positives=counts,
            figures={
                name: np.mean([each[name] for each in figures], axis=0)
                for name in FIGURES
                if not name.startswith("explained")
            },
            by_place=(places[0], places[1]),
        )

    def looks(self, asked: np.ndarray) -> dict[str, np.ndarray]:
        """``budget.FIGURES`` [layer, head], where roles ask for the places ``asked``."""
        attention, chance = (np.where(asked, part, 0).sum(-1) for part in self.by_place)
        found = self.figures | {"explained": attention, "explained_chance": chance}
        return {name: found[name] for name in FIGURES}


SHIPPED = Path(__file__).parent / "random_weights"


def controls_key(
    model: LoadedModel, prompts: Mapping[str, Sequence[Prompt]], facts: Sequence[Any]
) -> str:
    """Everything that measures of random weights depend on, hashed.

    The shape, the tokens that are read, and ``facts``: not the weights, nor how the tokenizer came
    to these tokens.
    """
    read = {probe: [each.tokens for each in sequences] for probe, sequences in prompts.items()}
    known = json.dumps([model.shape_hash, read, *facts], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()[:32]


def kept_controls(key: str, shape: tuple[int, int, int]) -> Controls | None:
    """What was kept under this key, by this machine or by headlab; None where nothing was."""
    for folder in (cache_folder() / "controls", SHIPPED):
        place = folder / f"{key}.npz"
        found = _read(place, key, shape) if place.is_file() else None
        if found is not None:
            return found
    return None


def _read(place: Path, key: str, shape: tuple[int, int, int]) -> Controls | None:
    """The controls in a file; None where it holds others or is damaged."""
    try:
        with np.load(io.BytesIO(place.read_bytes()), allow_pickle=False) as kept:
            if str(kept["key"]) != key:
                return None
            by_place = tuple(kept[name].astype(float) for name in _BY_PLACE)
            found = Controls(
                n=int(kept["n"]),
                false_positives={
                    name.removeprefix(_COUNT): int(kept[name])
                    for name in kept.files
                    if name.startswith(_COUNT)
                },
                figures={name: kept[name].astype(float) for name in FIGURES if name in kept},
                by_place=(by_place[0], by_place[1]),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return found if found.by_place[0].shape == shape else None


def save_controls(controls: Controls, key: str, path: Path | None = None) -> None:
    """Write the controls whole or not at all; by default into the cache folder."""
    path = path or cache_folder() / "controls" / f"{key}.npz"
    arrays: dict[str, Any] = {"key": np.array(key), "n": np.array(controls.n)}
    arrays |= {_COUNT + name: np.array(n) for name, n in controls.false_positives.items()}
    arrays |= {name: array.astype(np.float32) for name, array in controls.figures.items()}
    arrays |= {
        name: part.astype(np.float32)
        for name, part in zip(_BY_PLACE, controls.by_place, strict=True)
    }
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_file(path, packed.getvalue(), make_folder=True)
