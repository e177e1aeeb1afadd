"""What a sweep has measured: one line for every head, behaviour, revision and model."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from pyarrow.parquet import ParquetWriter

from headlab.behaviours import get_behaviour
from headlab.errors import HeadlabError
from headlab.files import reason, to_csv
from headlab.measuring.confidence import INTERVAL, bootstrap_weights, means
from headlab.profiles.profile import Profile
from headlab.sweeps.plan import Cell, Plan
from headlab.sweeps.running import cell_file, failures

# of the table's columns, whatever a single profile holds: a model without steps has none
TYPES = {"model": "str", "revision": "str", "step": "Int64", "label": "str"}


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
        return pd.concat(self._tables(), ignore_index=True)

    def save_csv(self, path: str | Path) -> None:
        """Write :meth:`to_frame` as CSV, one profile at a time: memory does not grow with cells."""
        with _whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            for at, table in enumerate(self._tables()):
                text = to_csv(table)
                file.write(text if not at else text.partition("\n")[2])

    def save_parquet(self, path: str | Path) -> None:
        """Write :meth:`to_frame` as Parquet, one profile at a time."""
        with _whole(path) as part, ExitStack() as stack:
            writer = None
            for table in self._tables():
                rows = pyarrow.Table.from_pandas(table.astype(TYPES), preserve_index=False)
                if writer is None:
                    writer = stack.enter_context(ParquetWriter(part, rows.schema))
                writer.write_table(rows)

    def _tables(self) -> Iterator[pd.DataFrame]:
        """The lines of every cell that is measured; HeadlabError where none is."""
        if not self.done:
            raise HeadlabError(f"Nothing in {self.folder} is measured yet: run the sweep first.")
        return (_lines(cell, profile) for cell, profile in self.profiles())

    def best(self) -> pd.DataFrame:
        """Of every cell and behaviour the best head, its interval, and how many pass.

        Columns model, revision, step, behaviour, head, score, low, high, depth (0 first layer, 1
        last), held_low and held_high (see :func:`held_out`), passing, heads, passing_depth (mean).
        """
        rows = []
        for cell, profile in self.profiles():
            for name in profile.behaviours:
                score = profile.score[name]
                if np.isnan(score).all():
                    continue
                at = np.unravel_index(np.nanargmax(score), score.shape)
                passing = profile.value(name) >= get_behaviour(name).threshold
                last = max(profile.n_layers - 1, 1)
                held = held_out(profile.prompt_scores[name])
                rows.append(
                    _about(cell)
                    | {
                        "behaviour": name,
                        "head": f"L{at[0]}.H{at[1]}",
                        "score": float(score[at]),
                        "low": float(profile.low[name][at]),
                        "high": float(profile.high[name][at]),
                        "depth": at[0] / last,
                        "held_low": held[0],
                        "held_high": held[1],
                        "passing": int(passing.sum()),
                        "heads": score.size,
                        "passing_depth": float(np.nonzero(passing)[0].mean() / last)
                        if passing.any()
                        else np.nan,
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


def held_out(scores: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """The 95 % interval of a head on prompts that did not choose it.

    The head that scores highest on every second prompt of each probe (``scores`` [prompt, layer,
    head]; of several probes the lowest counts) is measured on the others. NaN where either half
    cannot tell.
    """
    choosing, testing = ({probe: s[half::2] for probe, s in scores.items()} for half in (0, 1))
    once = {probe: np.ones((1, len(s))) for probe, s in choosing.items()}
    chosen = _lowest(choosing, once)[0]
    if np.isnan(chosen).all():
        return float("nan"), float("nan")
    layer, head = np.unravel_index(np.nanargmax(chosen), chosen.shape)
    other = {probe: s[:, [layer]][:, :, [head]] for probe, s in testing.items()}
    drawn = _lowest(other, {probe: bootstrap_weights(len(s)) for probe, s in other.items()})
    if np.isnan(drawn).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(drawn, INTERVAL)
    return float(low), float(high)


def _lowest(scores: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """The mean score [resample, layer, head] on the probe where it is lowest."""
    each = [means(s, np.isfinite(s), weights[probe]) for probe, s in scores.items()]
    return np.asarray(np.min(each, axis=0))


def onsets(best: pd.DataFrame) -> pd.DataFrame:
    """When each behaviour appears in each model: model, behaviour, step, score, depth, confirmed.

    The first revision at which the best head's interval lies above that of the earliest one's best
    head. ``confirmed``: so does its interval on prompts that did not choose it. A behaviour that
    never does has no line; models without steps have none.
    """
    rows = []
    known = best.dropna(subset=["step"]).sort_values("step")
    for (model, behaviour), table in known.groupby(["model", "behaviour"], sort=False):
        start = table.iloc[0]
        later = table[table["low"] > start["high"]]
        if not later.empty:
            first = later.iloc[0]
            rows.append(
                {
                    "model": model,
                    "behaviour": behaviour,
                    "step": int(first["step"]),
                    "score": first["score"],
                    "depth": first["depth"],
                    "confirmed": bool(first["held_low"] > start["held_high"]),
                }
            )
    columns = ["model", "behaviour", "step", "score", "depth", "confirmed"]
    return pd.DataFrame(rows, columns=columns)


@contextmanager
def _whole(path: str | Path) -> Iterator[Path]:
    """A file beside ``path`` that takes its name once it is written whole."""
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise HeadlabError(
            f"{path} cannot be written ({reason(error)}): choose another place."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
