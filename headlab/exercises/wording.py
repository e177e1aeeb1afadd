"""Numbers, heads and tokens as they stand in questions and answers."""

from collections.abc import Iterable

from headlab.heads import Head
from headlab.measuring.reading import Reading
from headlab.models.tokens import visible


def heads_text(count: int) -> str:
    """Such as "no head", "1 head" or "3 heads"."""
    return "no head" if count == 0 else "1 head" if count == 1 else f"{count} heads"


def token_words(reading: Reading, position: int) -> str:
    """A token with its position, white space made visible."""
    return f"{position} {visible(reading.token_texts[position])}"


def heads_named(heads: Iterable[Head | str]) -> str:
    """These heads in a sentence: "L0.H0, L1.H2 and L3.H4"."""
    *first, last = map(str, heads)
    return f"{', '.join(first)} and {last}" if first else last


def quoted(token: str) -> str:
    """A token in quotation marks, without the space before it."""
    return f"“{token.strip() or token}”"


def percent(value: float) -> str:
    """A probability."""
    return f"{value:.1%}"


def whole(value: float) -> str:
    """A count."""
    return str(int(value))


def number(value: float) -> str:
    """A score, a share or a ratio."""
    return f"{value:.2f}"
