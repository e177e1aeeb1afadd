"""What others have published about the heads of GPT-2 small: one table, each with its source.

None of these figures is this project's own. ``headlab.evidence.verify`` measures some of them again
on loaded weights; :func:`marks` tells what is known of one head.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from headlab.heads import Head

NAMES = ("gpt2", "openai-community/gpt2")  # GPT-2 small, as the hub calls it

IOI_PAPER = (
    "Wang et al. 2022, Interpretability in the Wild; heads as listed in Redwood Research's code"
)
MAIN_DEMO = "TransformerLens, demos/Main_Demo.ipynb"
EXPLORATORY_DEMO = "TransformerLens, demos/Exploratory_Analysis_Demo.ipynb"


@dataclass(frozen=True)
class Mark:
    """One thing published about one head: a plain sentence, and who says so."""

    head: Head
    text: str
    source: str


@dataclass(frozen=True)
class Input:
    """Token sequences that a publisher measured on: in words, and as ids [sequence, position]."""

    words: str
    tokens: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Question:
    """A text, the token that answers it, and the one that would be wrong."""

    text: str
    answer: str
    wrong: str


@dataclass(frozen=True)
class Questions:
    """Texts that a publisher measured on, in words and one by one; each with a start token."""

    words: str
    asked: tuple[Question, ...]


@dataclass(frozen=True)
class Measurement:
    """A published figure of some heads.

    ``definition`` says how it is computed and ``sentence`` what it means for one head, with
    ``{value}`` for the figure. One that can be measured again names its ``input`` and the
    ``tolerance`` within which a second measurement on the same weights must lie. On token sequences
    it is the mean attention on the diagonal at the ``distance`` query - key, without a start token;
    on questions a head's direct effect on the answer, or its change when ``removed`` is.
    """

    name: str
    title: str
    definition: str
    sentence: str
    source: str
    values: Mapping[Head, float]
    input: Input | Questions | None = None
    distance: int | None = None
    removed: Head | None = None
    tolerance: float | None = None


def _values(text: str) -> dict[Head, float]:
    """``"5.10 0.5, 6.9 0.4"`` as {Head(5, 10): 0.5, Head(6, 9): 0.4}."""
    pairs = [pair.split() for pair in text.split(", ")]
    return {Head.parse(name): float(value) for name, value in pairs}


def _counted() -> np.ndarray:
    rows = np.arange(1, 501).reshape(10, 50)
    return np.hstack([rows, rows])


def _random(n_sequences: int, length: int, low: int, high: int) -> np.ndarray:
    """Random ids low <= id < high, each row repeated once; the same at every call."""
    rows = np.random.default_rng(0).integers(low, high, size=(n_sequences, length))
    return np.hstack([rows, rows])


COUNTED = Input(
    "token ids 1 to 500 as 10 rows of 50, each row repeated once, no start token", _counted
)
RANDOM_50 = Input(
    "100 rows of 50 random token ids from 1000 to 9999, each row repeated once, no start token",
    lambda: _random(100, 50, 1_000, 10_000),
)
RANDOM_100 = Input(
    "20 rows of 100 random token ids from 100 to 19999, each row repeated once, no start token",
    lambda: _random(20, 100, 100, 20_000),
)


def _both_ways(text: str, one: str, other: str) -> tuple[Question, Question]:
    """Either of two people gives; the answer is the other."""
    return Question(text.format(other), one, other), Question(text.format(one), other, one)


TWO_NAMES = Questions(
    "8 texts such as 'When John and Mary went to the shops, John gave the bag to', either name "
    "giving, with a start token",
    (
        *_both_ways("When John and Mary went to the shops,{} gave the bag to", " Mary", " John"),
        *_both_ways("When Tom and James went to the park,{} gave the ball to", " Tom", " James"),
        *_both_ways("When Dan and Sid went to the shops,{} gave an apple to", " Dan", " Sid"),
        *_both_ways("After Martin and Amy went to the park,{} gave a drink to", " Martin", " Amy"),
    ),
)

MEASUREMENTS: tuple[Measurement, ...] = (
    Measurement(
        name="induction_counted",
        title="Induction on the token ids 1 to 500",
        definition="mean attention at query - key = 49, queries 49 to 99",
        sentence="Induction score {value:.3f} on the token ids 1 to 500, repeated in rows of 50",
        source=f"{MAIN_DEMO}, the deterministic run kept with the notebook",
        values=_values(
            "5.1 0.811, 7.10 0.787, 5.5 0.782, 6.9 0.776, 7.2 0.720, "
            "5.0 0.320, 8.1 0.273, 10.1 0.236"
        ),
        input=COUNTED,
        distance=49,
        tolerance=0.005,
    ),
    Measurement(
        name="induction",
        title="Induction on repeated random tokens",
        definition="mean attention at query - key = 49, queries 49 to 99",
        sentence="Induction score {value:.3f} on repeated random tokens",
        source=f"{MAIN_DEMO}, mean of 143 published runs",
        values=_values(
            "5.5 0.928, 6.9 0.916, 7.10 0.915, 5.1 0.907, 7.2 0.848, "
            "10.1 0.503, 10.7 0.487, 9.9 0.474, 5.8 0.029, 5.9 0.028"
        ),
        input=RANDOM_50,
        distance=49,
        tolerance=0.03,
    ),
    Measurement(
        name="previous_token",
        title="Previous token on random tokens",
        definition="mean attention at query - key = 1, every query but the first",
        sentence="Previous-token score {value:.3f} on random tokens",
        source=EXPLORATORY_DEMO,
        values=_values("4.11 0.992, 3.7 0.529, 6.8 0.499, 2.2 0.482, 3.2 0.419"),
        input=RANDOM_100,
        distance=1,
        tolerance=0.05,
    ),
    Measurement(
        name="duplicate_token",
        title="Duplicate token on repeated random tokens",
        definition="mean attention at query - key = 100, queries 100 to 199",
        sentence="Duplicate-token score {value:.3f} on repeated random tokens",
        source=EXPLORATORY_DEMO,
        values=_values("0.5 0.703, 3.0 0.678, 0.1 0.132, 0.10 0.019"),
        input=RANDOM_100,
        distance=100,
        tolerance=0.05,
    ),
    Measurement(
        name="attribution",
        title="Direct effect on the answer of the indirect-object task",
        definition="logit of the right name minus the other name, from the head's output alone, "
        "without its value bias; mean of 8 prompts, final LayerNorm scale kept",
        sentence="Moves the answer of the indirect-object task by {value:+.2f} logits towards the "
        "right name",
        source=EXPLORATORY_DEMO,
        values=_values("9.9 2.9854, 9.6 1.3845, 10.0 0.5609, 11.10 -0.9702, 10.7 -1.8986"),
        input=TWO_NAMES,
        tolerance=0.01,
    ),
    Measurement(
        name="self_repair",
        title="Change of that effect when L9.H9 is removed",
        definition="the direct effect on the indirect-object task with L9.H9 removed at the last "
        "token, down to its value bias, minus the effect with L9.H9 in place",
        sentence="Makes up for L9.H9 on the indirect-object task: {value:+.2f} logits towards the "
        "right name once L9.H9 is removed",
        source=EXPLORATORY_DEMO,
        values=_values("10.7 1.19, 10.10 0.75"),
        input=TWO_NAMES,
        removed=Head(9, 9),
        tolerance=0.02,
    ),
)

# Roles on one task ("When Mary and John went to the store, John gave a drink to"), not scores:
# on random repeats L5.H8, L5.H9 and L0.H10 hardly score at all.
_TASK = "on the indirect-object task"
ROLES: dict[str, tuple[str, str]] = {
    "previous_token": (
        f"Previous-token head {_TASK}: it tells each token what stood before it",
        "2.2 4.11",
    ),
    "duplicate_token": (
        f"Duplicate-token head {_TASK}: it notices that a name was said before",
        "0.1 0.10 3.0",
    ),
    "induction": (
        f"Induction head {_TASK}: it notices the repeated name by what followed it before",
        "5.5 5.8 5.9 6.9",
    ),
    "s_inhibition": (
        f"S-inhibition head {_TASK}: it keeps later heads from the name that was said twice",
        "7.3 7.9 8.6 8.10",
    ),
    "name_mover": (
        f"Name mover {_TASK}: it copies the name it looks at to the answer",
        "9.9 10.0 9.6",
    ),
    "negative_name_mover": (
        f"Negative name mover {_TASK}: it suppresses the name it looks at",
        "10.7 11.10",
    ),
    "backup_name_mover": (
        f"Backup name mover {_TASK}: it moves names once the name movers are removed",
        "9.0 9.7 10.1 10.2 10.6 10.10 11.2 11.9",
    ),
}


def heads_with_role(role: str) -> list[Head]:
    """The heads that the indirect-object paper gives ``role`` (a key of ``ROLES``)."""
    return [Head.parse(name) for name in ROLES[role][1].split()]


def name_map_classes(model_name: str, behaviour: str) -> dict[str, list[Head]]:
    """The published classes to mark on a map of name copying or its suppression.

    By name, the main class first; empty for all but GPT-2 small. Source: ``IOI_PAPER``.
    """
    classes = {
        "name_copying": {"Name movers": "name_mover", "Backup name movers": "backup_name_mover"},
        "name_suppression": {"Negative name movers": "negative_name_mover"},
    }
    if model_name not in NAMES:
        return {}
    return {words: heads_with_role(role) for words, role in classes.get(behaviour, {}).items()}


def marks(model_name: str, head: Head) -> list[Mark]:
    """What has been published about one head, roles first; empty for all but GPT-2 small.

    ``model_name`` as ``LoadedModel.name`` gives it. The figures belong to their sources and were
    not measured here.

    >>> [mark.text for mark in marks("gpt2", Head(7, 2))][1]
    'Induction score 0.848 on repeated random tokens'
    """
    if model_name not in NAMES:
        return []
    found = [
        Mark(head, text, IOI_PAPER)
        for role, (text, _) in ROLES.items()
        if head in heads_with_role(role)
    ]
    return found + [
        Mark(head, m.sentence.format(value=m.values[head]), m.source)
        for m in MEASUREMENTS
        if head in m.values
    ]
