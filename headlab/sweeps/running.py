"""Measuring the cells of a sweep that are missing, several at a time, each in a process of its own.

A cell's file is written whole or not at all, so whatever ends a sweep (a killed worker, a power
cut), running it again goes on where it was and gives the same bytes.
"""

import multiprocessing
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from headlab.errors import HeadlabError
from headlab.files import write_file
from headlab.models.catalogue import CATALOGUE
from headlab.models.download import start_download
from headlab.models.kernels import use_one_thread
from headlab.models.loading import folder_named, load_model
from headlab.profiles.profiling import profile_model
from headlab.sweeps.plan import Cell, Plan

CELLS, FAILED = "cells", "failed"  # folders inside that of a sweep
TRIES = 2  # of a cell whose process ended without a word

Progress = Callable[[float, str], None]


def run_sweep(
    plan: Plan,
    folder: Path,
    *,
    workers: int = 1,
    again: bool = False,
    delete_weights: bool = False,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Measure what is missing; gives the sentence of every cell that failed, by its name.

    Parameters
    ----------
    folder : takes ``plan.json``, a profile for each cell, and a sentence for each that failed.
    workers : processes, each with one thread: figures do not depend on how many there are.
    again : also try the cells that failed before.
    delete_weights : after each cell, what was fetched for it from the hub is deleted.
    progress : called with the share done, 0 to 1, and what was measured last.
    """
    plan.save(folder)
    left = [cell for cell in plan.cells if _is_missing(cell, folder, again)]
    done, n = len(plan.cells) - len(left), len(plan.cells)
    tries = dict.fromkeys(left, 0)
    while left:
        with _no_main(), _pool(workers) as pool:
            running: dict[Future[str], Cell] = {}
            waiting = list(left)
            broken = False
            while (waiting or running) and not broken:
                while waiting and len(running) < workers:
                    cell = waiting.pop(0)
                    tries[cell] += 1
                    running[pool.submit(measure_cell, cell, folder, delete_weights)] = cell
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    cell = running.pop(future)
                    try:
                        sentence = future.result()
                    except BrokenProcessPool:
                        broken = True
                        if tries[cell] < TRIES:
                            continue
                        sentence = "its process ended without a word, perhaps for want of memory"
                    left.remove(cell)
                    done += 1
                    _note_failure(cell, folder, sentence)
                    if progress is not None:
                        progress(done / n, f"{done} of {n}: {cell}")
    return failures(plan, folder)


@contextmanager
def _no_main() -> Iterator[None]:
    """Let new processes not run again what this one was started with: a script, a page, a test."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _pool(workers: int) -> ProcessPoolExecutor:
    """Processes that share nothing with this one, with one thread each."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=use_one_thread)


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


def _is_missing(cell: Cell, folder: Path, again: bool) -> bool:
    if cell_file(cell, folder).is_file():
        return False
    return again or not failure_file(cell, folder).is_file()


def _note_failure(cell: Cell, folder: Path, sentence: str) -> None:
    path = failure_file(cell, folder)
    if sentence:
        write_file(path, sentence + "\n", make_folder=True)
    else:
        path.unlink(missing_ok=True)


def measure_cell(cell: Cell, folder: Path, delete_weights: bool = False) -> str:
    """Measure one cell into its file; the sentence of what went wrong, or ""."""
    fetched: Path | None = None
    try:
        source: str | Path = cell.model
        if cell.revision:
            home = folder_named(cell.model)
            if home is not None and cell.model not in CATALOGUE:
                source = home / cell.revision
            else:
                source = fetched = _fetch(cell)
        model = load_model(source, device="cpu")
        profile = profile_model(
            model,
            start_token="model" if cell.start_token else None,
            variants=not cell.quick,
            controls=0 if cell.quick else 3,
            cache=False,
        )
        path = cell_file(cell, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        profile.save(path)
    except HeadlabError as error:
        return str(error)
    except OSError as error:
        return f"the system refuses ({error.strerror or error}): look after the disk and try again."
    finally:
        if fetched is not None and delete_weights:
            shutil.rmtree(fetched, ignore_errors=True)
    return ""


def _fetch(cell: Cell) -> Path:
    """The folder of a revision from the hub, fetched where it is missing."""
    download = start_download(cell.model, cell.revision)
    download.wait()
    if download.error is not None:
        raise HeadlabError(download.error)
    assert download.folder is not None
    return download.folder
