"""Numbers, heads and tokens as they stand in questions and answers."""

from collections.abc import Iterable, Sequence

from headlab.exercises.effects import Size
from headlab.heads import Head
from headlab.languages import gettext as _
from headlab.languages import ngettext
from headlab.measuring.reading import Reading
from headlab.models.tokens import visible


def heads_text(count: int) -> str:
    """Such as "no head", "1 head" or "3 heads"."""
    if count == 0:
        return _("no head")
    return ngettext("{n} head", "{n} heads", count).format(n=count)


def token_words(reading: Reading, position: int) -> str:
    """A token with its position, white space made visible."""
    return f"{position} {visible(reading.token_texts[position])}"


def heads_named(heads: Iterable[Head | str]) -> str:
    """These heads in a sentence: "L0.H0, L1.H2 and L3.H4"."""
    *first, last = map(str, heads)
    several = _("{others} and {last}")
    return several.format(others=", ".join(first), last=last) if first else last


def near_limit(sizes: Sequence[Size]) -> str:
    """What is said of a size that lies so near its limit that its neighbour counts too."""
    if len(sizes) < 2:
        return ""
    close = _("; so near its limit that “{other}” counts too")
    return close.format(other=_(sizes[1].name))


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
