"""What a kind of question says of itself; each kind is one file beside this one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from headlab.exercises.context import MeasurementContext
from headlab.exercises.format import (
    ATTENTION,
    BUDGET,
    EXPLAINED,
    GAINED,
    LOST,
    PROFILE,
    REACH,
    RULE,
    SCORE,
    SHAPE,
    Question,
)
from headlab.exercises.measures import MEASURES
from headlab.exercises.prepared import PreparedQuestion

# What every head has a value of.
OF_HEADS = (SCORE, PROFILE, ATTENTION, SHAPE, LOST, GAINED, BUDGET, EXPLAINED, REACH, RULE)


class Keys(NamedTuple):
    """The keys that a question needs beside its words and text, and those it may have."""

    needs: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()


class Figures(NamedTuple):
    """The placeholders that a kind fills: in every text, and after the answer only."""

    ask: tuple[str, ...] = ()
    explanation: tuple[str, ...] = ()


NO_KEYS, NO_FIGURES = Keys(), Figures()


class Mistake(NamedTuple):
    """Something wrong under a key ("": with the question as a whole), and what to do."""

    key: str
    what: str


def _nothing_more(question: Question, lab: MeasurementContext) -> dict[str, str]:
    return {}


def _nothing_wrong(question: Question) -> Iterable[Mistake]:
    return ()


def _untested(question: Question, why: str) -> PreparedQuestion:
    return PreparedQuestion(question, posable=False, why=why)


@dataclass(frozen=True)
class Kind:
    """One kind of question: what a sheet may say of it, and how its answer is measured.

    ``answers`` says what the values of its options are, and with that what a reveal shows:
    "head" (the picture of the predicted one is marked), "token" (its cell is outlined), "size" (of
    an effect: before and after), or other "words".
    """

    name: str
    asks: str  # what the learner chooses, for teachers
    measures: tuple[str, ...]  # what it may be answered by
    prepare: Callable[[Question, MeasurementContext], PreparedQuestion]
    keys: Keys = NO_KEYS  # beside those that the measure needs
    keys_by: Mapping[str, Keys] = field(default_factory=dict)  # measure -> all keys, if others
    figures: Figures = NO_FIGURES
    figures_by: Mapping[str, Figures] = field(default_factory=dict)  # measure -> more of them
    by: tuple[str, ...] = ("strongest", "mean", "count")  # the values of the key "by"
    layers: tuple[str, ...] = ("first", "middle", "last")  # the names of the key "layer"
    answers: Literal["words", "head", "token", "size"] = "words"
    compares: bool = False  # the open model with a second one, whatever the measure
    check: Callable[[Question], Iterable[Mistake]] = _nothing_wrong  # rules between its keys
    # What its own words may name where the question cannot be measured.
    known: Callable[[Question, MeasurementContext], dict[str, str]] = _nothing_more
    # What becomes of a question that nothing measured here can answer.
    untested: Callable[[Question, str], PreparedQuestion] = _untested

    def keys_of(self, measure: str) -> Keys:
        """The keys that a question of this kind needs and may have by this measure."""
        usual = Keys(self.keys.needs | MEASURES[measure].needs, self.keys.may)
        return self.keys_by.get(measure, usual)

    def compares_by(self, measure: str) -> bool:
        """Whether such a question compares the open model with a second one."""
        return self.compares or MEASURES[measure].compares

    def figures_of(self, question: Question) -> Figures:
        """The names that may stand in braces in a question's own words, and in an explanation."""
        more = self.figures_by.get(question.measure, NO_FIGURES)
        ask = ("model", "n_layers", "n_heads", *self.figures.ask, *more.ask)
        if question.head is not None:
            ask += ("head",)
        if question.layer is not None and question.layer != "every":
            ask += ("layer",)
        if self.compares_by(question.measure):
            ask += ("second_model",)
        after = ("answer", "score", *ask, *self.figures.explanation, *more.explanation)
        return Figures(ask, after)
