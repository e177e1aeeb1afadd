"""What the file of a sheet may hold: keys, types and ranges, declared.

The description of a field ends the sentence "'minutes' must be ..." (``mistakes.py``). What ties
several keys together stands in ``sheet_reader.py`` and with the kinds of questions.
"""

from collections.abc import Callable, Collection
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from headlab.behaviours import behaviours
from headlab.behaviours.detector import PARTS, Detector
from headlab.errors import HeadlabError, unknown
from headlab.exercises.format import FIRST_PASSAGE, LEVELS, SHAPE_NAMES
from headlab.exercises.kinds import kinds
from headlab.exercises.mistakes import Schema, Words, one_line, short
from headlab.heads import Head
from headlab.languages import ENGLISH
from headlab.measuring.budget import SHARES

MAX_STEPS = 12
MAX_HINTS = 6
MAX_REMOVED = 12  # heads that one question takes away, or keeps
LAYER_NAMES = ("first", "middle", "last", "every")


def _one_of(what: str, known: Callable[[], Collection[str]]) -> BeforeValidator:
    """A name out of a list that may grow, such as that of the behaviours."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in known():
            raise unknown(what, short(value), known())
        return value

    return BeforeValidator(check)


def _head(value: Any) -> str:
    """A head by its number or by its role."""
    role, _, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if role in ("top", "here"):
        if name not in behaviours():
            raise unknown("behaviour", short(name), behaviours())
        return str(value)
    try:
        return str(Head.parse(value))
    except HeadlabError:
        raise HeadlabError(
            f'{one_line(short(value))} is no head: write one in quotes such as "L5.H10", or a '
            'role such as "top:induction".'
        ) from None


def _two_heads(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) != 2:
        raise HeadlabError("'heads' must be a list of two heads.")
    heads = [_head(name) for name in value]
    if heads[0] == heads[1]:
        raise HeadlabError("'heads' names the same head twice.")
    return heads


def _some_heads(key: str) -> BeforeValidator:
    """One head, or a list of several different ones."""

    def check(value: Any) -> list[str]:
        names = value if isinstance(value, list) else [value]
        if not 1 <= len(names) <= MAX_REMOVED:
            raise HeadlabError(f"{key!r} must be a head or a list of 1 to {MAX_REMOVED} heads.")
        heads = [_head(name) for name in names]
        if len(set(heads)) < len(heads):
            raise HeadlabError(f"{key!r} names the same head twice.")
        return heads

    return BeforeValidator(check)


def _rule(value: Any) -> Detector:
    """A rule such as { back = [3] } or { words = ["cat"], from_words = ["sat"] }."""
    parts = [field.name for field in fields(Detector) if field.name not in ("name", "example")]
    if not isinstance(value, dict) or not value:
        raise HeadlabError(f"'rule' must be a table with some of {', '.join(parts)}.")
    for key, part in value.items():
        if key not in parts:
            raise unknown("part of a rule", short(key), parts)
        wanted = int if key == "back" else str
        listed = isinstance(part, list) and all(type(each) is wanted for each in part)
        if not (listed if key in ("back", "words", "from_words") else isinstance(part, bool)):
            raise HeadlabError(
                f"{key!r} of 'rule' must be "
                + ("true or false." if key in PARTS else "a list, in brackets.")
            )
    return Detector("rule", **value)


def layer_or_error(value: Any, names: Collection[str] = LAYER_NAMES) -> int | str:
    """A layer by its number or by one of these names."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if (isinstance(value, str) and value in names) or (is_whole and 0 <= value < 1_000):
        return value
    raise HeadlabError(
        f"{one_line(short(value))} is no layer: give a number from 0, or one of {', '.join(names)}."
    )


def _some_steps(value: Any) -> Any:
    if not isinstance(value, list) or not value or not all(isinstance(x, dict) for x in value):
        raise HeadlabError("there is no step: a sheet needs at least one [[steps]].")
    if len(value) > MAX_STEPS:
        raise HeadlabError(f"{len(value)} steps are too many: a sheet may have {MAX_STEPS}.")
    return value


NameOfText = Annotated[str, Field(description="the name of a text of yours or of a guided text")]
Table = dict[str, Any]
HeadName = Annotated[str, BeforeValidator(_head)]
BehaviourName = Annotated[str, _one_of("behaviour", behaviours)]
Bound = Annotated[float, Field(ge=0, le=10_000)] | Literal["all", "threshold"]
_BOUND = 'a number from 0 to 10000, "all" or "threshold"'
Flag = Annotated[bool, Field(description="true or false")]


class QuestionFile(Schema):
    """A table [steps.question], [steps.transfer] or their ``generic``."""

    ask: Words
    kind: Annotated[str, _one_of("kind", kinds), Field(description="a kind of question")]
    text: NameOfText
    measure: Any = None
    behaviour: BehaviourName | None = None
    shape: Annotated[str, _one_of("shape", lambda: SHAPE_NAMES)] | None = None
    from_word: Words | None = Field(default=None, alias="from", description="words of the text")
    to_word: Words | None = Field(default=None, alias="to", description="words of the text")
    head: HeadName | None = None
    heads: Annotated[list[str], BeforeValidator(_two_heads)] | None = None
    layer: Annotated[int | str, BeforeValidator(layer_or_error)] | None = None
    among: BehaviourName | None = None
    by: Any = "strongest"
    passing: float | None = Field(default=None, ge=0, le=1, description="a number from 0 to 1")
    at_least: Bound | None = Field(default=None, description=_BOUND)
    at_most: Bound | None = Field(default=None, description=_BOUND)
    rises: Flag = False
    without_first: Flag = False
    remove: Annotated[list[str], _some_heads("remove")] = Field(default=[])
    keep: Annotated[list[str], _some_heads("keep")] = Field(default=[])
    watch: Words | None = Field(default=None, description="a text in quotes: one word")
    share: Annotated[str, _one_of("share", lambda: tuple(SHARES))] | None = None
    change: Words | None = Field(default=None, description="a word of the text")
    becomes: Words | None = Field(default=None, description="a text in quotes: one word")
    rule: Annotated[Any, BeforeValidator(_rule)] = None
    passage: int = Field(
        default=FIRST_PASSAGE,
        ge=FIRST_PASSAGE,
        le=20,
        description=f"a whole number from {FIRST_PASSAGE} to 20",
    )
    generic: Any = None


class StepFile(Schema):
    """A table [[steps]]; its questions are checked by themselves."""

    title: Words
    look: Words
    explore: NameOfText
    question: Annotated[Table, Field(min_length=1, description="a table [steps.question]")]
    observe: Words
    hints: Annotated[
        list[Words],
        Field(
            min_length=1,
            max_length=MAX_HINTS,
            description=f"a list of 1 to {MAX_HINTS} texts in quotes, each not empty",
        ),
    ]
    explanation: Words
    transfer_explanation: Words | None = None
    transfer: Annotated[Table, Field(min_length=1, description="a table [steps.transfer]")]


class SheetFile(Schema):
    """A whole sheet; its texts and steps are checked by themselves."""

    title: Words
    level: Annotated[
        str, _one_of("level", lambda: LEVELS), Field(description=f"one of {', '.join(LEVELS)}")
    ]
    minutes: Annotated[int, Field(ge=1, le=120, description="a whole number from 1 to 120")]
    order: Annotated[int, Field(ge=0, le=10_000, description="a whole number from 0 to 10000")] = (
        100
    )
    goal: Words
    language: str = Field(
        default=ENGLISH,
        pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,8})?$",
        description='the code of a language, such as "de" or "pt-BR"',
    )
    texts: Table = Field(default={}, description="a table [texts]")
    steps: Annotated[list[Any], BeforeValidator(_some_steps)] = Field(
        default=[], validate_default=True, description="tables [[steps]]"
    )
