"""What a model's checkpoints could do while it was trained: best scores and label counts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headlab.behaviours import behaviours, get_behaviour
from headlab.errors import HeadlabError
from headlab.files import decoded, read_bytes
from headlab.measuring.confidence import UNCLASSIFIED
from headlab.profiles.profile import Profile

SCHEMA = "headlab.history/1"
FILE = "history.json"


@dataclass(frozen=True, eq=False)
class History:
    """A model over its training, as `scripts/mini_history.py` writes it.

    ``steps`` [checkpoint], rising; ``best`` maps a behaviour to the highest score of any head
    [checkpoint], ``labels`` a label to the number of heads that carry it. ``note`` says what is
    to be known of these figures, if anything.
    """

    steps: np.ndarray
    best: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    note: str = ""

    def first_step(self, behaviour: str, level: float) -> int | None:
        """The first checkpoint whose best score reaches ``level``; None if none does."""
        reached = np.flatnonzero(self.best[behaviour] >= level)
        return int(self.steps[reached[0]]) if reached.size else None

    def first_label(self, label: str) -> int | None:
        """The first checkpoint at which a head carries this label; None if none ever does."""
        carried = np.flatnonzero(self.labels.get(label, np.zeros(0)) > 0)
        return int(self.steps[carried[0]]) if carried.size else None

    def appearances(self, profile: Profile) -> dict[str, int | None]:
        """When a head first passed the threshold of each behaviour, the earliest first.

        The threshold of an excess is turned into one of a score by the chance in ``profile``, the
        finished model's. Where chance differs from head to head, the best score does not tell, and
        the first head with that label counts. None, at the end: never.
        """
        found = {}
        for name in self.best:
            if name in profile.score:
                level = score_threshold(profile, name)
                told = self.first_label(name) if level is None else self.first_step(name, level)
                found[name] = told
        return dict(sorted(found.items(), key=lambda pair: (pair[1] is None, pair[1] or 0)))


def score_threshold(profile: Profile, behaviour: str) -> float | None:
    """The score from which a head counts as showing a behaviour.

    None where chance differs by more than .05 from head to head, so that there is no such score.
    """
    about = get_behaviour(behaviour)
    if about.scale == "raw":
        return about.threshold
    chance = profile.chance[behaviour]
    if not np.nanmax(chance) - np.nanmin(chance) <= 0.05:
        return None
    level = float(np.nanmean(chance))
    return about.threshold * (1 - level) + level


def read_history(folder: Path | None) -> History | None:
    """The history that a model's folder holds; None where there is none."""
    path = None if folder is None else folder / FILE
    if path is None or not path.is_file():
        return None
    try:
        return _from_json(json.loads(decoded(read_bytes(path))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise HeadlabError(
            f"{path} is no history that this version reads ({error}): write it again with "
            "scripts/mini_history.py."
        ) from error


def _from_json(data: Any) -> History:
    if data["schema"] != SCHEMA:
        raise ValueError(f"its schema is {data['schema']!r}, not {SCHEMA!r}")
    rows = data["checkpoints"]
    steps = np.array([int(row["step"]) for row in rows])
    if not len(steps) or (np.diff(steps) <= 0).any():
        raise ValueError("its steps do not rise")
    known = [name for name in behaviours() if all(name in row["best"] for row in rows)]
    labels = [name for name in (*known, UNCLASSIFIED) if all(name in row["labels"] for row in rows)]
    return History(
        steps,
        {name: np.array([row["best"][name] for row in rows], dtype=float) for name in known},
        {name: np.array([row["labels"][name] for row in rows], dtype=int) for name in labels},
        str(data.get("note", ""))[:500],
    )
