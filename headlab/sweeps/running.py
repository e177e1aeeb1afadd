"""Having the cells of a sweep measured that are missing, and keeping what comes of them.

A cell's file is written whole or not at all, so whatever ends a sweep (a killed worker, a power
cut), running it again goes on where it was and gives the same bytes.
"""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from headlab.files import write_file
from headlab.sweeps.engines import Engine, Local
from headlab.sweeps.measure import Measured
from headlab.sweeps.plan import Cell, Plan
from headlab.units import duration

CELLS, FAILED = "cells", "failed"  # folders inside that of a sweep
LOG = "sweep.log"  # and a file, for people: when which cell was measured
TRIES = 2  # of a cell whose process ended without a word
ENDED = "its process ended without a word, perhaps for want of memory"

Progress = Callable[[float, str], None]


def run_sweep(
    plan: Plan,
    folder: Path,
    *,
    engine: Engine | None = None,
    again: bool = False,
    delete_weights: bool = False,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Measure what is missing; gives the sentence of every cell that failed, by its name.

    Parameters
    ----------
    folder : takes ``plan.json``, a profile for each cell, a sentence for each that failed, and a
        log.
    engine : ``Local(workers)``, processes of this machine (one, by default), or ``Ray(...)``.
    again : also try the cells that failed before.
    delete_weights : after each cell, what was fetched for it from the hub is deleted.
    progress : called with the share done, 0 to 1, and what was measured last.

    Raises
    ------
    HeadlabError : the folder cannot be written to, or the engine is not there. What was measured
        before is kept.
    """
    plan.save(folder)
    measured = engine or Local()
    left = missing(plan, folder, again)
    before, began = len(plan.cells) - len(left), time.monotonic()
    deaths: Counter[Cell] = Counter()
    while left:
        unsuspected = [cell for cell in left if not deaths[cell]]
        for cell, found in measured(unsuspected or left[:1], delete_weights):
            if found is None:
                deaths[cell] += 1
                if deaths[cell] < TRIES:
                    continue
                found = Measured(sentence=ENDED)
            left.remove(cell)
            _keep(cell, folder, found)
            done = len(plan.cells) - len(left)
            seconds = (time.monotonic() - began) / (done - before) * len(left)
            _log(folder, f"{done} of {len(plan.cells)}: {cell}: {found.sentence or 'measured'}")
            if progress is not None:
                progress(
                    done / len(plan.cells),
                    f"{done} of {len(plan.cells)}, {duration(seconds)} left: {cell}",
                )
    return failures(plan, folder)


def cell_file(cell: Cell, folder: Path) -> Path:
    """Where a cell's profile lies once it is measured."""
    return folder / CELLS / f"{cell.key}.json"


def failure_file(cell: Cell, folder: Path) -> Path:
    """Where the sentence of a cell lies that failed."""
    return folder / FAILED / f"{cell.key}.txt"


def failures(plan: Plan, folder: Path) -> dict[str, str]:
    """The sentence of every cell that failed, by its name."""
    found = {str(cell): failure_file(cell, folder) for cell in plan.cells}
    return {name: f.read_text(encoding="utf-8").strip() for name, f in found.items() if f.is_file()}


def missing(plan: Plan, folder: Path, again: bool = False) -> list[Cell]:
    """The cells that are left to measure; those that failed only ``again``."""
    return [
        cell
        for cell in plan.cells
        if not cell_file(cell, folder).is_file()
        and (again or not failure_file(cell, folder).is_file())
    ]


def _keep(cell: Cell, folder: Path, found: Measured) -> None:
    path = failure_file(cell, folder)
    if found.sentence:
        write_file(path, found.sentence + "\n", make_folder=True)
        return
    write_file(cell_file(cell, folder), found.profile, make_folder=True)
    path.unlink(missing_ok=True)


def _log(folder: Path, words: str) -> None:
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {words}\n")
