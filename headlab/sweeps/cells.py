"""What a sweep has measured: one line for every head, behaviour, revision and model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from headlab.behaviours import get_behaviour
from headlab.errors import HeadlabError
from headlab.profiles.profile import Profile
from headlab.sweeps.plan import Cell, Plan
from headlab.sweeps.running import cell_file, failures


@dataclass(frozen=True, eq=False)
class Cells:
    """A sweep's folder, read one profile at a time."""

    folder: Path
    plan: Plan

    @property
    def done(self) -> list[Cell]:
        """The cells that are measured."""
        return [cell for cell in self.plan.cells if cell_file(cell, self.folder).is_file()]

    @property
    def failed(self) -> dict[str, str]:
        """The sentence of every cell that failed, by its name."""
        return failures(self.plan, self.folder)

    def profile(self, cell: Cell) -> Profile:
        """The profile of one cell."""
        return Profile.load(cell_file(cell, self.folder))

    def profiles(self) -> Iterator[tuple[Cell, Profile]]:
        """Every cell that is measured with its profile; no two are in memory at once."""
        for cell in self.done:
            yield cell, self.profile(cell)

    def to_frame(self) -> pd.DataFrame:
        """model, revision, step, layer, head, behaviour, score, low, high, label."""
        tables = [_lines(cell, profile) for cell, profile in self.profiles()]
        if not tables:
            raise HeadlabError(f"Nothing in {self.folder} is measured yet: run the sweep first.")
        return pd.concat(tables, ignore_index=True)

    def best(self) -> pd.DataFrame:
        """Of every cell and behaviour the best head, its interval, and how many pass.

        Columns model, revision, step, behaviour, head, score, low, high, passing, heads.
        """
        rows = []
        for cell, profile in self.profiles():
            for name in profile.behaviours:
                score = profile.score[name]
                if np.isnan(score).all():
                    continue
                at = np.unravel_index(np.nanargmax(score), score.shape)
                passing = profile.value(name) >= get_behaviour(name).threshold
                rows.append(
                    _about(cell)
                    | {
                        "behaviour": name,
                        "head": f"L{at[0]}.H{at[1]}",
                        "score": float(score[at]),
                        "low": float(profile.low[name][at]),
                        "high": float(profile.high[name][at]),
                        "passing": int(passing.sum()),
                        "heads": score.size,
                        "depth": at[0] / max(profile.n_layers - 1, 1),
                    }
                )
        if not rows:
            raise HeadlabError(f"Nothing in {self.folder} is measured yet: run the sweep first.")
        return pd.DataFrame(rows)


def _about(cell: Cell) -> dict[str, object]:
    return {"model": cell.model, "revision": cell.revision, "step": cell.step}


def _lines(cell: Cell, profile: Profile) -> pd.DataFrame:
    layer, head = np.indices(profile.label.shape)
    tables = [
        pd.DataFrame(
            {
                **_about(cell),
                "layer": layer.ravel(),
                "head": head.ravel(),
                "behaviour": name,
                "score": profile.score[name].ravel(),
                "low": profile.low[name].ravel(),
                "high": profile.high[name].ravel(),
                "label": profile.label.ravel(),
            }
        )
        for name in profile.behaviours
    ]
    return pd.concat(tables, ignore_index=True)


def read_cells(folder: str | Path) -> Cells:
    """A sweep's folder; HeadlabError where it holds none."""
    path = Path(folder)
    return Cells(path, Plan.load(path))


def onsets(best: pd.DataFrame) -> pd.DataFrame:
    """When each behaviour appears in each model: model, behaviour, step, score, depth.

    The first revision at which the best head's interval lies above that of the earliest one's best
    head. A behaviour that never does has no line; models without steps have none.
    """
    rows = []
    known = best.dropna(subset=["step"]).sort_values("step")
    for (model, behaviour), table in known.groupby(["model", "behaviour"], sort=False):
        later = table[table["low"] > table.iloc[0]["high"]]
        if not later.empty:
            first = later.iloc[0]
            rows.append(
                {
                    "model": model,
                    "behaviour": behaviour,
                    "step": int(first["step"]),
                    "score": first["score"],
                    "depth": first["depth"],
                }
            )
    return pd.DataFrame(rows, columns=["model", "behaviour", "step", "score", "depth"])
