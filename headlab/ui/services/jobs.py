"""Long work of the server: it outlives the page that began it, and whoever asks for it joins.

A :class:`Job` has a thread of its own, which takes its turn at the model and lets all others go
first whenever it tells how far it is. What it gives lies in the result cache under the job's key.
A page only watches: when it is closed, reloaded or left, the job goes on.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from headlab.models.attention import pausing
from headlab.models.memory import enough_memory
from headlab.profiles.work import time_left
from headlab.ui.services.queue import ResultCache

UNWATCHED = 4  # jobs that nobody watches; one more ends the oldest, or a class could pile them up


class Stopped(BaseException):
    """Raised in the midst of a job that is to end; ``except Exception`` does not hold it."""


class Job:
    """Long work under way: how far it is, who watches it, and in the end its value or its error."""

    def __init__(self, owner: str, give_way: Callable[[], None]) -> None:
        self.owner, self.watchers = owner, [owner]
        self.share, self.words = 0.0, ""
        self.early = ""  # what can be said before the end
        self.ahead = 0  # whose turn at the model comes before
        self.stopping = False
        self.done = threading.Event()
        self._give_way = give_way
        self._value: Any = None
        self._error: BaseException | None = None
        self._begin = time.monotonic()

    def progress(self, share: float, what: str) -> None:
        """Tell the share done and what is being done; all who wait for the model go first."""
        left = time_left(time.monotonic() - self._begin, share)
        told = what.endswith("left") or not left  # some work says itself how long it takes
        self.share, self.words = share, what if told else f"{what}, {left}"
        self.pause()

    def pause(self, layer: int = 0) -> None:
        """Let all who wait for the model go first; the end of a job that is to end."""
        if self.stopping:
            raise Stopped
        self._give_way()

    def result(self) -> Any:
        """What a job that is done gave; its error, if it failed."""
        if self._error is not None:
            raise self._error
        return self._value

    def wait(self, ahead: int) -> None:
        """Hear how many are ahead in the queue, as :class:`ModelQueue` tells it."""
        self.ahead = ahead
        if self.stopping:
            raise Stopped

    def run(self, work: Callable[[], Any]) -> None:
        """Do the work in this thread and keep what it gives, or its error, for all who watch."""
        try:
            with enough_memory(), pausing(self.pause):
                self._value = work()
        except BaseException as error:  # Stopped too: nobody is left to hear it
            self._error = error


class Jobs:
    """The long work of a server: one job for each key."""

    def __init__(self, cache: ResultCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._running: dict[Hashable, Job] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._running)

    def find(self, key: Hashable) -> Job | None:
        """The job under way for ``key``."""
        return self._running.get(key)

    @contextmanager
    def watched(self, key: Hashable, make: Callable[[Job], Any], who: str) -> Iterator[Job]:
        """The job for ``key``, begun unless it is under way, with ``who`` watching in the body.

        ``make`` is called with the job, to whose ``progress`` it tells how far it is.
        """
        with self._lock:
            job = self._running.get(key)
            if job is None or job.stopping:
                job = self._running[key] = self._begin(key, make, who)
            else:
                job.watchers.append(who)
        try:
            yield job
        finally:
            with self._lock:
                job.watchers.remove(who)
                self._end_oldest()

    def stop(self, key: Hashable, who: str) -> bool:
        """End a job for who began it, unless somebody else watches; whether it ends."""
        with self._lock:
            job = self._running.get(key)
            if job is not None and job.owner == who and not set(job.watchers) - {who}:
                job.stopping = True
            return job is not None and job.stopping

    def _begin(self, key: Hashable, make: Callable[[Job], Any], who: str) -> Job:
        job = Job(who, self._cache.turns.give_way)

        def work() -> None:
            job.run(lambda: self._cache.get(key, lambda: make(job), job.wait))
            with self._lock:
                if self._running.get(key) is job:
                    del self._running[key]
            job.done.set()

        threading.Thread(target=work, name="job", daemon=True).start()
        return job

    def _end_oldest(self) -> None:
        alone = [job for job in self._running.values() if not job.watchers and not job.stopping]
        for job in alone[: max(len(alone) - UNWATCHED, 0)]:
            job.stopping = True
