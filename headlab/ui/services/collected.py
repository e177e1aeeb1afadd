"""The circuit that a learner has collected, as it stands in the address."""

import re
import zlib
from dataclasses import dataclass

from headlab.heads import Head

MAX_WORD = 60
_SHAPE = re.compile(r"([0-9a-f]{8})~(\d{1,6})~(\d{1,6})~(\d{1,6})~([^~]+)~(.+)", re.DOTALL)


@dataclass(frozen=True)
class Collected:
    """Heads that are said to make the last of them look from ``query`` to ``key``.

    That they do is tested with the token at ``changed`` become ``word``. ``where`` tells the text,
    model and start token on which they were collected (:func:`place`).
    """

    where: str
    query: int
    key: int
    changed: int
    word: str
    heads: tuple[Head, ...]

    @property
    def end(self) -> Head:
        """The head whose look it is: the last one, since heads speak to later ones only."""
        return max(self.heads)

    def __str__(self) -> str:
        names = "-".join(map(str, self.heads))
        return "~".join(
            (self.where, str(self.query), str(self.key), str(self.changed), names, self.word)
        )

    @classmethod
    def parse(cls, word: str) -> "Collected":
        """The circuit that an address holds; ValueError for what is none."""
        found = _SHAPE.fullmatch(word)
        if found is None or len(found[6]) > MAX_WORD:
            raise ValueError
        query, key, changed = (int(found[at]) for at in (2, 3, 4))
        if max(key, changed) > query:
            raise ValueError  # a head looks at earlier tokens only, and is told by them
        heads = tuple(sorted({Head.parse(name) for name in found[5].split("-")}))
        return cls(found[1], query, key, changed, found[6], heads)


def place(model: str, start_token: bool, reads: str, text: str) -> str:
    """What tells a circuit's text, model and how it is read, without holding the text."""
    how = (model, start_token, text) if reads == "text" else (model, start_token, text, reads)
    return f"{zlib.crc32(repr(how).encode()):08x}"
