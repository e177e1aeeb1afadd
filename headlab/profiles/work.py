"""How far long work has come, and how long the rest will take."""

import time
from collections.abc import Callable

from headlab.units import duration

Progress = Callable[[float, str], None]


class Work:
    """How much of the work is done, in tokens measured, and how long the rest will take."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.progress = total, progress
        self.done, self.what = 0, ""
        self.begin = time.monotonic()

    def start(self, what: str) -> None:
        """Say what is being done from now on."""
        self.what = what
        self._report()

    def did(self, n_tokens: int) -> None:
        """Count tokens that have been measured."""
        self.done += n_tokens
        self._report()

    def _report(self) -> None:
        if self.progress is not None:
            share = min(self.done / self.total, 1.0)
            left = time_left(time.monotonic() - self.begin, share)
            self.progress(share, f"{self.what}, {left}" if left else self.what)


def time_left(elapsed: float, share: float) -> str:
    """The time left in words, from the seconds elapsed and the share done; "" while unknown.

    >>> time_left(30, 0.5), time_left(60, 0.1), time_left(0.1, 0.5)
    ('about 30 s left', 'about 9 min left', '')
    """
    if elapsed < 2 or not 0.02 <= share < 1:
        return ""
    seconds = elapsed * (1 - share) / share
    return f"about {duration(seconds)} left"
