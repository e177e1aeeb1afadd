"""The one kind of error that is written for the person who caused it."""

import difflib
from collections.abc import Iterable


class HeadlabError(ValueError):
    """One plain sentence: what was wrong and what to do about it."""


def unknown(kind: str, name: str, available: Iterable[str]) -> HeadlabError:
    """The error for a name that does not exist, with the nearest existing one.

    >>> str(unknown("behaviour", "inducton", ["induction", "copying"]))
    "Unknown behaviour 'inducton'. Did you mean 'induction'? Available: induction, copying."
    """
    names = list(available)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return HeadlabError(f"Unknown {kind} '{name}'.{hint} Available: {', '.join(names)}.")
