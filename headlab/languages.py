"""The languages that the product speaks around an exercise sheet: gettext catalogues.

What is said is written in English, where it is said; a sheet's key ``language`` chooses the
catalogue. ``scripts/translations.py`` gathers the words and compiles ``locales``.
"""

import gettext as catalogues
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

ENGLISH = "en"
TRANSLATED = ("de", "es", "fr")
RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
LOCALES = Path(__file__).parent / "locales"

_SPOKEN: ContextVar[str] = ContextVar("headlab_language", default=ENGLISH)


def speak(language: str) -> None:
    """Say what follows in this language; in English where no catalogue has it."""
    _SPOKEN.set(language)


def spoken() -> str:
    """The language that is spoken now, such as "en" or "de-AT"."""
    return _SPOKEN.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Say what is said inside in this language."""
    before = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(before)


def is_right_to_left(language: str) -> bool:
    """Whether the language is written from right to left."""
    return language.partition("-")[0] in RIGHT_TO_LEFT


def gettext(words: str) -> str:
    """``words`` in the language that is spoken now.

    >>> with speaking("de"):
    ...     gettext("Lock my answer")
    'Meine Antwort festlegen'
    """
    return _catalogue(spoken().partition("-")[0]).gettext(words)


def ngettext(one: str, many: str, n: int) -> str:
    """The form for ``n`` things, in the language that is spoken now."""
    return _catalogue(spoken().partition("-")[0]).ngettext(one, many, n)


def N_(words: str) -> str:
    """Words to be translated where they are said; the name is what gettext's tools look for."""
    return words


@cache
def _catalogue(language: str) -> catalogues.NullTranslations:
    path = LOCALES / f"{language}.mo"
    if language not in TRANSLATED:
        return catalogues.NullTranslations()
    with path.open("rb") as file:
        return catalogues.GNUTranslations(file)
