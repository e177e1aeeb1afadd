"""Model work of many learners in one process: one piece at a time, the same piece once, kept.

:class:`ModelQueue` lets one piece of work at the model go on at a time, in the order of asking: on
few cores two at once are slower than one after the other, and nobody's turn is taken by a crowd.
:class:`ResultCache` keeps what was worked out, bounded in entries, in bytes and in time, and lets
learners who ask for the same thing at the same time wait for one piece of work.
"""

import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

NOTICE_AFTER_S = 1.0  # seconds after which who waits is told so, and told again
TTL_S = 3600.0  # seconds after which what nobody asked for is dropped

Tell = Callable[[int], None]  # hears how many are ahead; may raise to leave the queue


def tell_nobody(ahead: int) -> None:
    """For work whose wait is shown in another way."""


class ModelQueue:
    """One at a time, in the order of asking. A turn within a turn is the same turn."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[int] = deque()  # threads: the first one works, the others wait
        self.seconds = 0.0  # worked in all

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return max(len(self._queue) - 1, 0)

    @contextmanager
    def turn(self, tell: Tell = tell_nobody) -> Iterator[None]:
        """Wait for the turn, hold it for the body, and pass it on whatever happens."""
        me = threading.get_ident()
        if self._queue and self._queue[0] == me:
            yield
            return
        self._wait(me, tell)
        begin = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - begin
            self._leave(me)

    def give_way(self, tell: Tell = tell_nobody) -> None:
        """In the midst of long work: let all who wait now go first, then go on."""
        me = threading.get_ident()
        if self.waiting and self._queue[0] == me:
            with self._changed:
                self._queue.rotate(-1)
                self._changed.notify_all()
            begin = time.monotonic()
            try:
                self._stay(me, tell)
            finally:
                self.seconds -= time.monotonic() - begin

    def _wait(self, me: int, tell: Tell) -> None:
        with self._changed:
            self._queue.append(me)
        try:
            self._stay(me, tell)
        except BaseException:  # who leaves while waiting does not hold up the others
            self._leave(me)
            raise

    def _stay(self, me: int, tell: Tell) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._queue[0] == me, NOTICE_AFTER_S):
                    return
                ahead = self._queue.index(me)
            tell(ahead)

    def _leave(self, me: int) -> None:
        with self._changed:
            self._queue.remove(me)
            self._changed.notify_all()


@dataclass
class _Kept:
    value: Any
    size: int
    used: float


@dataclass
class _Pending:
    """Work under way; ``value`` or ``error`` is set when ``done`` is, neither if it was left."""

    done: threading.Event = field(default_factory=threading.Event)
    value: Any = None
    error: Exception | None = None
    finished: bool = False


class ResultCache:
    """What was worked out, least recently used first out; the same work is done once."""

    def __init__(self, turns: ModelQueue, max_bytes: int, max_entries: int = 512) -> None:
        self.turns, self.max_bytes, self.max_entries = turns, max_bytes, max_entries
        self.hits = self.misses = self.bytes = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._pending: dict[Hashable, _Pending] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Hashable) -> Any:
        """What is kept under ``key``, or None."""
        with self._lock:
            return self._find(key)

    def get(self, key: Hashable, make: Callable[[], Any], tell: Tell = tell_nobody) -> Any:
        """What is kept under ``key``, else what ``make`` gives in its turn; never None.

        An error of ``make`` reaches all who wait for it. If whoever makes it leaves (the learner
        went to another page), the next one who waits takes over.
        """
        while True:
            with self._lock:
                value = self._find(key)
                if value is not None:
                    self.hits += 1
                    return value
                pending = self._pending.get(key)
                mine = pending is None
                if pending is None:
                    self.misses += 1
                    pending = self._pending[key] = _Pending()
            if mine:
                return self._make(key, make, pending, tell)
            while not pending.done.wait(NOTICE_AFTER_S):
                tell(0)
            if pending.error is not None:
                raise pending.error
            if pending.finished:
                self.hits += 1
                return pending.value

    def put(self, key: Hashable, value: Any) -> None:
        """Keep ``value``, unless it alone is larger than everything may be."""
        size = size_of(value)
        with self._lock:
            self._drop(key)
            if size > self.max_bytes:
                return
            self._kept[key] = _Kept(value, size, time.monotonic())
            self.bytes += size
            while self.bytes > self.max_bytes or len(self._kept) > self.max_entries:
                self._drop(next(iter(self._kept)))

    def _make(self, key: Hashable, make: Callable[[], Any], pending: _Pending, tell: Tell) -> Any:
        try:
            with self.turns.turn(tell):
                pending.value = make()
            pending.finished = True
            self.put(key, pending.value)
            return pending.value
        except Exception as error:
            pending.error = error
            raise
        finally:
            with self._lock:
                del self._pending[key]
            pending.done.set()

    def _find(self, key: Hashable) -> Any:
        now = time.monotonic()
        while self._kept and now - next(iter(self._kept.values())).used > TTL_S:
            self._drop(next(iter(self._kept)))
        kept = self._kept.get(key)
        if kept is None:
            return None
        kept.used = now
        self._kept.move_to_end(key)
        return kept.value

    def _drop(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.bytes -= kept.size


def size_of(value: Any) -> int:
    """About how many bytes a value takes: arrays exactly, what holds them by its parts."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if is_dataclass(value):
        return sum(size_of(getattr(value, part.name)) for part in fields(value))
    if isinstance(value, dict):
        return sum(size_of(key) + size_of(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sys.getsizeof(value) + sum(size_of(item) for item in value)
    return sys.getsizeof(value)
