"""A question as it is asked on one model, its computed key, and what becomes of an answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headlab.errors import HeadlabError
from headlab.exercises.format import Question
from headlab.heads import Head
from headlab.languages import N_
from headlab.languages import gettext as _
from headlab.profiles.corpus import Row

RIGHT, WRONG, NOT_GRADED, SKIPPED = "right", "wrong", "not graded", "skipped"
SUPPORTED, NOT_SUPPORTED, CANNOT = (
    N_("supported"),
    N_("not supported"),
    N_("cannot be tested here"),
)
MAX_ACCEPTED = 5  # answers accepted side by side; never more than a third of those offered


@dataclass(frozen=True)
class Option:
    """One answer offered: its value, as records keep it, and its words."""

    value: str
    text: str


@dataclass(frozen=True)
class Key:
    """The computed answer. ``accepted`` holds the best answer first, then those too close to it.

    ``margin`` is the distance to the best answer that is not accepted, on the measure's scale;
    ``figures`` are the values of placeholders, as text. An ungraded key says ``why``.
    """

    accepted: tuple[str, ...]
    text: str
    graded: bool
    why: str = ""
    score: float | None = None
    margin: float | None = None
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PreparedQuestion:
    """A question on the loaded model, ready to be asked.

    ``hidden`` heads' pictures must not be sent before the learner has committed. ``posable`` is
    False where the model lacks what the question names: ``why`` says so, and ``generic`` is the
    form to ask instead (None: there is none). ``passages`` of the corpus are shown with the
    question; what is looked at in the one ``covered`` only after the answer. For the reveal:
    ``heads`` the answer is read off, ``query`` and ``keys`` the row and columns asked about,
    ``measured`` the value and its bounds
    for each option or head by its name (of what heads were removed from: "before" and "after"),
    ``counted`` the heads that made the answer where it is a count or a layer's count, and
    ``framed`` the head whose picture shows the measured answer (None where that is no single
    head's).
    """

    question: Question
    ask: str = ""
    posable: bool = True
    why: str = ""
    options: tuple[Option, ...] = ()
    key: Key | None = None
    hidden: tuple[Head, ...] = ()
    heads: tuple[Head, ...] = ()
    counted: tuple[Head, ...] = ()
    framed: Head | None = None
    query: int | None = None
    keys: tuple[int, ...] = ()
    passages: tuple[Row, ...] = ()
    covered: int | None = None
    measured: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    generic: "PreparedQuestion | None" = None

    @property
    def askable(self) -> "PreparedQuestion":
        """The form to ask here: the generic one if the model lacks what this one names."""
        return self if self.posable or self.generic is None else self.generic.askable

    def option(self, value: str) -> Option:
        """The option with this value; an error if it is not offered."""
        for option in self.options:
            if option.value == value:
                return option
        raise HeadlabError(f"{value!r} is not one of the answers offered: choose one of them.")


@dataclass(frozen=True)
class Verdict:
    """What became of an answer, with a sentence that gives the measured figure."""

    outcome: str
    sentence: str


def grade(key: Key, answer: str | None) -> Verdict:
    """Right, wrong, not graded, or skipped (``answer`` None)."""
    if answer is None:
        return Verdict(SKIPPED, _("You skipped this one."))
    if not key.graded:
        return Verdict(NOT_GRADED, _("Not graded: {why}").format(why=key.why))
    if answer == key.accepted[0]:
        return Verdict(RIGHT, _("Right. Measured: {answer}.").format(answer=key.text))
    if answer in key.accepted:
        tied = _("Counts as right: practically tied. Measured: {answer}.")
        return Verdict(RIGHT, tied.format(answer=key.text))
    other = _("It came out otherwise. Measured: {answer}.")
    return Verdict(WRONG, other.format(answer=key.text))


def outcome(key: Key, answer: str | None) -> str:
    """The outcome alone, as records keep it."""
    return grade(key, answer).outcome
