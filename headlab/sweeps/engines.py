"""Who measures the cells of a sweep: processes of this machine, or a Ray cluster.

An engine takes cells and gives each back with what came of it, None where its process ended without
a word. It writes nothing and remembers nothing, so a sweep does not depend on which one ran it.
"""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from headlab.errors import HeadlabError
from headlab.models.kernels import use_one_thread
from headlab.sweeps.measure import Measured, measure
from headlab.sweeps.plan import Cell

Results = Iterator[tuple[Cell, Measured | None]]
Engine = Callable[[Sequence[Cell], bool], Results]


@dataclass(frozen=True)
class Local:
    """Processes of this machine, each with one thread: figures do not depend on how many."""

    workers: int = 1

    def __call__(self, cells: Sequence[Cell], delete_weights: bool) -> Results:
        """Measure the cells; gives each with what came of it, in the order in which they end."""
        waiting = list(cells)
        running: dict[Future[Measured], Cell] = {}
        with _no_main(), _pool(self.workers) as pool:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    cell = waiting.pop(0)
                    running[pool.submit(measure, cell, cell.key, delete_weights)] = cell
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    cell = running.pop(future)
                    try:
                        found = future.result()
                    except BrokenProcessPool:
                        waiting.clear()  # this pool takes no more work
                        yield cell, None
                    else:
                        yield cell, found


@dataclass(frozen=True)
class Ray:
    """Actors of Ray, each with one core and ``gpus`` of a GPU; they keep what they imported.

    ``address`` of a cluster ("auto": the one this machine belongs to, "HOST:6379"); None begins one
    on this machine, which ends with the sweep.
    """

    workers: int = 1
    address: str | None = None
    gpus: float = 0.0

    def __call__(self, cells: Sequence[Cell], delete_weights: bool) -> Results:
        """Measure the cells; gives each with what came of it, in the order in which they end.

        HeadlabError without Ray, without the cluster, or where it has no room for one actor.
        """
        ray = _ray()
        dead = (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError)
        self._join(ray)
        try:
            actor = ray.remote(num_cpus=1, num_gpus=self.gpus)(_Worker)
            device = "cuda" if self.gpus else "cpu"
            idle = [actor.remote() for _ in range(min(self._room(ray), len(cells)))]
            waiting = list(cells)
            running: dict[Any, tuple[Any, Cell]] = {}
            while waiting or running:
                while waiting and idle:
                    worker, cell = idle.pop(), waiting.pop(0)
                    job = worker.measure.remote(cell, cell.key, delete_weights, device)
                    running[job] = (worker, cell)
                for job in ray.wait(list(running))[0]:
                    worker, cell = running.pop(job)
                    try:
                        found = ray.get(job)
                    except dead:
                        idle.append(actor.remote())
                        yield cell, None
                    else:
                        idle.append(worker)
                        yield cell, found
        finally:
            ray.shutdown()

    def _join(self, ray: Any) -> None:
        own = {} if self.address else {"num_cpus": self.workers, "include_dashboard": False}
        try:
            ray.init(
                address=self.address or "local", log_to_driver=False, logging_level="error", **own
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise HeadlabError(
                f"There is no Ray cluster at {self.address}: start one (`ray start --head`), or "
                "leave --address out."
            ) from error

    def _room(self, ray: Any) -> int:
        """How many actors the cluster has room for, of those that are asked for."""
        has = ray.cluster_resources()
        room = int(has.get("CPU", 0))
        if self.gpus:
            room = min(room, int(has.get("GPU", 0) / self.gpus))
        if not room:
            raise HeadlabError(
                f"The Ray cluster has {has.get('CPU', 0):g} cores and {has.get('GPU', 0):g} GPUs, "
                "which is no room for one worker: ask for less, or start more nodes."
            )
        return min(room, self.workers)


class _Worker:
    """A process of Ray's that measures one cell after the other."""

    def __init__(self) -> None:
        use_one_thread()

    def measure(self, cell: Cell, key: str, delete_weights: bool, device: str) -> Measured:
        return measure(cell, key, delete_weights, device)


def _ray() -> Any:
    """Ray, which sends nothing to anybody; a sentence where it is not installed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read while it is imported
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # hides no GPU from others
    try:
        import ray
    except ImportError as error:
        raise HeadlabError(
            "Ray is not installed: pip install 'headlab[sweep]', or leave out --engine ray."
        ) from error
    return ray


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
    """Processes that share nothing with this one, with one thread each, and end with it."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)


def _begin() -> None:
    use_one_thread()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, however that was."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
