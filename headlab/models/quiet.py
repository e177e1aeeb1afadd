"""transformers says nothing while headlab opens a model; afterwards it is as its user set it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headlab.models.hf import logging

_LOCK = threading.Lock()
_INSIDE: list[None] = []  # one for each model that is being opened
_BEFORE: list[Any] = []  # verbosity and hook that the first of them found


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and no warnings of transformers inside; several threads may be."""
    with _LOCK:
        if not _INSIDE:
            _BEFORE[:] = [logging.get_verbosity(), logging.set_tqdm_hook(_without_bar)]
            logging.set_verbosity_error()
        _INSIDE.append(None)
    try:
        yield
    finally:
        with _LOCK:
            _INSIDE.pop()
            if not _INSIDE:
                logging.set_verbosity(_BEFORE[0])
                logging.set_tqdm_hook(_BEFORE[1])


def _without_bar(factory: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return factory(*arguments, **{**named, "disable": True})
