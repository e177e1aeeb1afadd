"""What a sheet holds: its parts as frozen dataclasses, the kinds of questions and measures.

The format is described in docs/EXERCISES.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from headlab.measuring.reading import SHAPES

MAX_TEXT_LENGTH = 2_000  # characters of one text
MAX_STEPS = 12
MAX_HINTS = 6
MAX_REMOVED = 12  # heads that one question takes away

LEVELS = ("first steps", "going on", "going deep")

WHICH_HEAD = "which head"
WHICH_LAYER = "which layer"
HOW_MANY = "how many heads"
WHICH_OF_TWO = "which of two heads"
WHICH_SHAPE = "which shape"
WHICH_TOKEN = "which token"
WHICH_MODEL = "which model"
CLAIM = "claim"
WHAT_IF = "what if removed"

SCORE = "score"  # a behaviour's score on the question's text
PROFILE = "profile"  # a behaviour's score in the model's profile
ATTENTION = "attention"  # attention from one token to another
SHAPE = "shape"  # the share of a picture's attention behind a shape
SHAPES_COUNT = "shapes"  # how many different shapes the pictures of a layer have
LOST = "lost"  # a behaviour's score in the profile, less that of the same head in a second model
GAINED = "gained"  # the other way round
PROBABILITY = "probability"  # of a token that comes next after the text

# What each kind may be answered by, and the keys that it needs and may have beside these.
KINDS: dict[str, tuple[tuple[str, ...], frozenset[str], frozenset[str]]] = {
    WHICH_HEAD: (
        (SCORE, PROFILE, ATTENTION, SHAPE, LOST, GAINED),
        frozenset(),
        frozenset({"layer", "among"}),
    ),
    WHICH_LAYER: (
        (SCORE, PROFILE, ATTENTION, SHAPE, LOST, GAINED),
        frozenset(),
        frozenset({"by", "passing", "among"}),
    ),
    HOW_MANY: (
        (SCORE, PROFILE, ATTENTION, SHAPE, LOST, GAINED),
        frozenset({"layer"}),
        frozenset({"passing", "among"}),
    ),
    WHICH_OF_TWO: (
        (SCORE, PROFILE, ATTENTION, SHAPE, LOST, GAINED),
        frozenset({"heads"}),
        frozenset(),
    ),
    WHICH_SHAPE: ((SHAPE,), frozenset({"head"}), frozenset()),
    WHICH_TOKEN: ((ATTENTION,), frozenset({"head", "from"}), frozenset({"without_first"})),
    WHICH_MODEL: ((PROFILE,), frozenset(), frozenset({"by"})),
    CLAIM: (
        (SCORE, PROFILE, ATTENTION, SHAPE, SHAPES_COUNT, LOST, GAINED),
        frozenset(),
        frozenset({"head", "layer", "passing", "among", "at_least", "at_most", "rises"}),
    ),
    WHAT_IF: ((PROBABILITY, SCORE), frozenset({"remove"}), frozenset({"watch"})),
}
# The keys that a measure needs.
MEASURES: dict[str, frozenset[str]] = {
    SCORE: frozenset({"behaviour"}),
    PROFILE: frozenset({"behaviour"}),
    ATTENTION: frozenset({"from", "to"}),
    SHAPE: frozenset({"shape"}),
    SHAPES_COUNT: frozenset(),
    LOST: frozenset({"behaviour"}),
    GAINED: frozenset({"behaviour"}),
    PROBABILITY: frozenset(),
}
BY = ("strongest", "mean", "count")
BY_OF_MODELS = ("strongest", "count", "share")
SHAPE_NAMES = (*SHAPES, "diffuse")

FORBIDDEN = frozenset(
    "answer answers key keys correct correct_answer right_answer solution solutions".split()
)
QUESTION_KEYS = (
    *("ask", "kind", "text", "measure", "behaviour", "shape", "from", "to", "head", "heads"),
    *("layer", "among", "by", "passing", "at_least", "at_most", "rises", "without_first"),
    *("remove", "watch", "generic"),
)
STEP_KEYS = (
    *("title", "look", "explore", "question", "observe", "hints", "explanation", "transfer"),
)
SHEET_KEYS = ("title", "level", "minutes", "order", "goal", "texts", "steps")

# What an explanation may ask for in braces, and what a question's own words may (no answers).
PLACEHOLDERS = (
    *("answer", "score", "second", "second_score", "margin", "head", "layer", "a", "a_score"),
    *("b", "b_score", "model", "n_layers", "n_heads", "passing", "claim", "second_model"),
    *("removed", "token", "watched", "before", "after", "ratio", "beyond"),
)
ASK_PLACEHOLDERS = (
    *("head", "layer", "a", "b", "model", "n_layers", "n_heads", "passing", "second_model"),
    *("removed", "token", "watched", "before"),
)
ROLE_PLACEHOLDERS = ("top", "top_score", "passed")  # each with a behaviour: {top:induction}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


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
    ``remove`` are heads taken away, ``watch`` the next token followed (None: that expected most).
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
    watch: str | None = None
    generic: "Question | None" = None

    @property
    def named_heads(self) -> tuple[str, ...]:
        """The heads that it names by their numbers, not by a role."""
        names = (self.head, *(self.heads or ()), *self.remove)
        return tuple(name for name in names if name and ":" not in name)

    @property
    def needs_second(self) -> bool:
        """Whether it compares the open model with a second one."""
        return self.kind == WHICH_MODEL or self.measure in (LOST, GAINED)


@dataclass(frozen=True)
class Step:
    """One round of predict, look, explain: in the order in which a learner meets its parts.

    ``explore`` is the text to look around in first, another than the question's; ``observe`` is
    asked after the reveal and before the verdict; ``explanation`` and the hints may hold
    placeholders; ``transfer`` is asked last, of another text, head or behaviour.
    """

    title: str
    look: str
    explore: Text
    question: Question
    observe: str
    hints: tuple[str, ...]
    explanation: str
    transfer: Question


@dataclass(frozen=True)
class Sheet:
    """An exercise sheet. ``content_hash`` tells versions of a sheet apart."""

    name: str
    title: str
    level: str
    minutes: int
    goal: str
    texts: tuple[Text, ...] = field(repr=False)
    steps: tuple[Step, ...] = field(repr=False)
    order: int = 100
    content_hash: str = ""

    @property
    def needs_second(self) -> bool:
        """Whether any of its questions compares the open model with a second one."""
        return any(q.needs_second for step in self.steps for q in (step.question, step.transfer))


def has_placeholder(question: Question, name: str) -> bool:
    """Whether a question of this kind has anything to put in place of ``{name}``."""
    if name in ("a", "b", "a_score", "b_score"):
        return question.kind in (WHICH_OF_TWO, WHICH_MODEL)
    if name == "second_model":
        return question.needs_second
    if name == "head":
        return question.head is not None
    if name == "layer":
        return question.layer is not None and question.layer != "every"
    if name in ("second", "second_score", "margin"):
        return question.kind in (WHICH_HEAD, WHICH_LAYER, WHICH_TOKEN, WHICH_OF_TWO, WHICH_MODEL)
    if name == "claim":
        return question.kind == CLAIM
    if name in ("removed", "before", "after", "ratio"):
        return question.kind == WHAT_IF
    if name in ("token", "beyond"):
        return question.measure == PROBABILITY
    if name == "watched":
        return question.kind == WHAT_IF and question.measure == SCORE
    if name == "passing":
        return question.kind in (HOW_MANY, CLAIM) and question.measure != SHAPES_COUNT
    return True


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
