"""How a head is named: ``L5.H10``, zero-based."""

import re
from numbers import Integral
from typing import Any, NamedTuple

from headlab.errors import HeadlabError

_NAME = re.compile(r"^\s*[Ll]?(\d{1,4})\s*\.\s*[Hh]?(\d{1,4})\s*$")


class Head(NamedTuple):
    """One attention head: zero-based layer and head index."""

    layer: int
    head: int

    def __str__(self) -> str:
        return f"L{self.layer}.H{self.head}"

    @classmethod
    def parse(cls, name: str) -> "Head":
        """Read ``"L5.H10"`` or ``"5.10"``.

        Numbers are refused: 5.10 without quotes is the number 5.1.

        >>> Head.parse("5.10")
        Head(layer=5, head=10)
        """
        match = _NAME.match(name) if isinstance(name, str) else None
        if match is None:
            raise HeadlabError(
                f"{name!r} is no head: write a layer and a head in quotes, such as 'L5.H10' "
                "or '5.10'."
            )
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, name: "HeadName") -> "Head":
        """A head however it is given: ``"L5.H10"``, ``"5.10"``, ``Head(5, 10)`` or ``(5, 10)``.

        >>> Head.of((5, 10)) == Head.of("L5.H10") == Head(5, 10)
        True
        """
        if isinstance(name, tuple) and is_head_name(name):
            return cls(int(name[0]), int(name[1]))
        return cls.parse(name)  # type: ignore[arg-type]


HeadName = Head | str | tuple[int, int]


def is_head_name(given: object) -> bool:
    """Whether this names one head, and not several."""
    if isinstance(given, str):
        return True
    return isinstance(given, tuple) and len(given) == 2 and all(map(_is_index, given))


def _is_index(part: Any) -> bool:
    return type(part) is not bool and isinstance(part, Integral) and int(part) >= 0
