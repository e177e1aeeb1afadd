"""What a sheet holds, as frozen dataclasses, and the names of what is measured.

The format is described in docs/EXERCISES.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from headlab.behaviours.detector import Detector
from headlab.languages import ENGLISH, N_
from headlab.measuring.reading import SHAPES

MAX_TEXT_LENGTH = 2_000  # characters of one text

LEVELS = (N_("first steps"), N_("going on"), N_("going deep"))

SCORE = "score"  # a behaviour's score on the question's text
PROFILE = "profile"  # a behaviour's score in the model's profile
ATTENTION = "attention"  # attention from one token to another
SHAPE = "shape"  # the share of a picture's attention behind a shape
SHAPES_COUNT = "shapes"  # how many different shapes the pictures of a layer have
LOST = "lost"  # a behaviour's score in the profile, less that of the same head in a second model
GAINED = "gained"  # the other way round
PROBABILITY = "probability"  # of a token that comes next after the text
BUDGET = "budget"  # the share of a head's attention that goes to a place, in the profile
EXPLAINED = "explained"  # the share of it that the head's roles explain, in the profile
REACH = "reach"  # how many tokens back a head looks, in the profile
RULE = "rule"  # attention on the cells that a rule of the sheet's own asks for
ALONE, WITHOUT = "alone", "without"  # what of a look is left with only some heads, or all others
CORPUS = "corpus"  # what a head looks at in passages
TOLD = "told"  # how far an earlier head moves a head's score of one token from another

SHAPE_NAMES = (*SHAPES, "diffuse")

ROLE_PLACEHOLDERS = ("top", "top_score", "passed")  # each with a behaviour: {top:induction}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

FIRST_PASSAGE = 3  # of a head's passages the first that may be asked about: two stand before it


@dataclass(frozen=True)
class Text:
    """A text of a sheet: a guided text by its name, or words of the sheet's own."""

    name: str
    words: str
    facts: tuple[tuple[str, str], ...] = ()
    guided: bool = False


@dataclass(frozen=True)
class Question:
    """One question as a query over measurements; fields that its kind does not use stay None.

    ``from_word`` and ``to_word`` are the keys ``from`` and ``to`` of the file. ``layer`` is a
    number, "first", "middle", "last", "every" (claims), or None for the whole model. A head is
    "L5.H1" or a role: "top:induction" (best in the profile) or "here:induction" (on the text).
    ``share`` is a place that attention goes to, of ``measuring.budget.SHARES``; ``change`` a word
    of the text, the last before ``to_word``, that ``becomes`` another. ``remove`` are heads taken
    away, ``watch`` the next token followed (None: that expected most).
    ``rule`` says where a head is to look, as on the page Detector.
    ``generic`` is asked instead of a question that names a head or layer which the model lacks.
    """

    ask: str
    kind: str
    text: Text
    measure: str
    behaviour: str | None = None
    shape: str | None = None
    from_word: str | None = None
    to_word: str | None = None
    head: str | None = None
    heads: tuple[str, str] | None = None
    layer: int | str | None = None
    among: str | None = None
    by: str = "strongest"
    passing: float | None = None
    at_least: float | str | None = None
    at_most: float | str | None = None
    rises: bool = False
    without_first: bool = False
    remove: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    watch: str | None = None
    share: str | None = None
    change: str | None = None
    becomes: str | None = None
    rule: Detector | None = None
    passage: int = FIRST_PASSAGE
    generic: "Question | None" = None

    @property
    def named_heads(self) -> tuple[str, ...]:
        """The heads that it names by their numbers, not by a role."""
        names = (self.head, *(self.heads or ()), *self.remove, *self.keep)
        return tuple(name for name in names if name and ":" not in name)


@dataclass(frozen=True)
class Step:
    """One round of predict, look, explain: in the order in which a learner meets its parts.

    ``explore`` is the text to look around in first, another than the question's; ``observe`` is
    asked after the reveal and before the verdict; ``explanation`` and the hints may hold
    placeholders; ``transfer`` is asked last, of another text, head or behaviour, and
    ``transfer_explanation`` said after it.
    """

    title: str
    look: str
    explore: Text
    question: Question
    observe: str
    hints: tuple[str, ...]
    explanation: str
    transfer: Question
    transfer_explanation: str = ""


@dataclass(frozen=True)
class Sheet:
    """An exercise sheet. ``content_hash`` tells versions of a sheet apart.

    ``language`` is that of its words, and what the product says around them.

    ``needs_second``: any of its questions compares the open model with a second one.
    """

    name: str
    title: str
    level: str
    minutes: int
    goal: str
    texts: tuple[Text, ...] = field(repr=False)
    steps: tuple[Step, ...] = field(repr=False)
    order: int = 100
    language: str = ENGLISH
    content_hash: str = ""
    needs_second: bool = False


def whole_words(words: str, text: str) -> list[int]:
    """Where ``words`` begin in ``text``, as whole words.

    >>> whole_words("the", "the cat and the other")
    [0, 12]
    """
    pattern = rf"(?<!\w){re.escape(words)}(?!\w)"
    return [match.start() for match in re.finditer(pattern, text)] if words.strip() else []


def fill(words: str, values: Mapping[str, str]) -> str:
    """``words`` with every placeholder replaced by its value."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), words)


def placeholders(words: str) -> list[str]:
    """The names in braces, in order."""
    return _PLACEHOLDER.findall(words)


def lone_brace(words: str) -> str:
    """The first brace that opens or closes no placeholder, "" if there is none.

    >>> lone_brace("{answer: {score}")
    '{'
    """
    found = re.search(r"[{}]", _PLACEHOLDER.sub("", words))
    return found[0] if found else ""
