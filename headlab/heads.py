"""How a head is named: ``L5.H10``, zero-based."""

import re
from typing import NamedTuple

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
