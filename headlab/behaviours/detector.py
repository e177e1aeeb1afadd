"""A detector: a rule, put together from parts, that says where a head of your own kind looks."""

import re
from dataclasses import dataclass, field

import numpy as np

from headlab.behaviours.base import Behaviour, Rung, positions
from headlab.behaviours.punctuation import is_punctuation
from headlab.errors import HeadlabError

MOST_BACK = 20
MOST_WORDS = 40
THRESHOLD = 0.3
PARTS = {
    "same": "an earlier copy of the same token",
    "after_same": "the token after an earlier copy",
    "punctuation": "an earlier punctuation mark",
    "first": "the first token",
}


@dataclass(frozen=True)
class Detector:
    """Where a head is to look: a cell is asked for if any of the parts asks for it.

    ``back`` lists distances in tokens (0: the token itself), ``same``, ``after_same``,
    ``punctuation`` and ``first`` are places (``PARTS``), ``words`` are words looked at, as whole
    tokens, case and spaces left aside. With ``from_words`` only these words look. Except by
    ``back`` and ``first`` no cell in the first column is asked for.

    Raises HeadlabError for a rule without a part, a name that is none, or too many words.

    >>> Detector("three_back", back=(3,)).targets([5, 6, 7, 8]).nonzero()
    (array([3]), array([0]))
    """

    name: str
    back: tuple[int, ...] = ()
    same: bool = False
    after_same: bool = False
    punctuation: bool = False
    first: bool = False
    words: tuple[str, ...] = ()
    from_words: tuple[str, ...] = ()
    example: str = field(default="The cat sat on the mat. The cat sat on the", repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", self.name):
            raise HeadlabError(
                f"{self.name!r} is no name for a detector: use small letters, digits and "
                "underscores, such as three_back."
            )
        for part in ("back", "words", "from_words"):
            object.__setattr__(self, part, tuple(getattr(self, part)))
        if any(not 0 <= n <= MOST_BACK for n in self.back):
            raise HeadlabError(f"A detector looks 0 to {MOST_BACK} tokens back: choose another.")
        if len(self.words) > MOST_WORDS or len(self.from_words) > MOST_WORDS:
            raise HeadlabError(f"A list may hold {MOST_WORDS} words: leave some out.")
        if not self.parts:
            raise HeadlabError("A detector needs a part that says where to look: choose one.")

    @property
    def parts(self) -> list[str]:
        """Its parts in words."""
        back = [
            "the token itself" if n == 0 else f"{n} token{'s' * (n > 1)} back" for n in self.back
        ]
        places = [words for part, words in PARTS.items() if getattr(self, part)]
        listed = [f"one of the words {', '.join(self.words)}"] if self.words else []
        return [*back, *places, *listed]

    @property
    def sentence(self) -> str:
        """The rule as a sentence."""
        who = f"From {', '.join(self.from_words)}: looks" if self.from_words else "Looks"
        return f"{who} at {' or '.join(self.parts)}."

    def targets(self, tokens, token_texts=None, spans=None):
        """The cells [query, key] that are asked for; None where words are, and are not given."""
        listens = self.punctuation or self.words or self.from_words
        if listens and token_texts is None:
            return None
        tokens = np.asarray(tokens)
        q, k = positions(len(tokens))
        earlier = (k < q) & (k >= 1)
        same = tokens[:, None] == tokens[None, :]
        found = np.zeros(same.shape, dtype=bool)
        for n in self.back:
            found |= k == q - n
        if self.same:
            found |= same & earlier
        if self.after_same:
            after = np.zeros_like(same)
            after[:, 1:] = same[:, :-1]
            found |= after & earlier
        if self.punctuation:
            marks = np.array([is_punctuation(text) for text in token_texts], dtype=bool)
            found |= marks[None, :] & earlier
        if self.first:
            found |= (k == 0) & (q >= 1)
        if self.words:
            found |= _are(token_texts, self.words)[None, :] & earlier
        if self.from_words:
            found &= _are(token_texts, self.from_words)[:, None]
        return found

    def behaviour(self) -> Behaviour:
        """The detector as a behaviour that a profile, a sheet or a report can use."""
        title = self.name.replace("_", " ").capitalize()
        nothing = "a detector says where a head looks, not what it does"
        return Behaviour(
            name=self.name,
            title=title,
            summary=self.sentence,
            label_order=95,
            probes=("repeats", "sentences"),
            threshold=THRESHOLD,
            reason="Provisional, as for the other unspecific patterns: yours to say why.",
            rung3=Rung(nothing, applies=False),
            rung4=Rung(nothing, applies=False),
            asks="a text in which there is such a place",
            example=self.example,
            targets=self.targets,
        )

    def source(self) -> str:
        """The file of the behaviour, for the folder that HEADLAB_BEHAVIOURS names."""
        given = [
            f"{name}={getattr(self, name)!r}"
            for name in ("name", "back", *PARTS, "words", "from_words", "example")
            if getattr(self, name)
        ]
        lines = "".join(f"    {each},\n" for each in given)
        return (
            '"""A detector that was put together in headlab."""\n\n'
            "from headlab.behaviours.detector import Detector\n\n"
            f"BEHAVIOUR = Detector(\n{lines}).behaviour()\n"
        )


def _are(token_texts, words):
    """Which tokens are one of these words, case and spaces left aside."""
    wanted = {word.strip().casefold() for word in words}
    return np.array([text.strip().casefold() in wanted for text in token_texts], dtype=bool)


def fitting_parts(cells, tokens, token_texts) -> list[tuple[Detector, float, float]]:
    """Rules of one part that cover painted cells, the best first, at most five.

    With each the share of the painted cells that it asks for, and the share of what it asks for
    that was painted.
    """
    cells = np.asarray(cells, dtype=bool)
    rules = [Detector("rule", back=(n,)) for n in range(MOST_BACK + 1)]
    rules += [
        Detector("rule", same=True),
        Detector("rule", after_same=True),
        Detector("rule", punctuation=True),
        Detector("rule", first=True),
    ]
    found = []
    for rule in rules:
        asked = rule.targets(tokens, token_texts)
        hit = float((asked & cells).sum())
        if hit:
            found.append((rule, hit / cells.sum(), hit / asked.sum()))
    return sorted(found, key=lambda each: -(each[1] + each[2]))[:5]
