"""Two votes on one question: alone, and after talking to neighbours, before the answer is shown.

The method is Mazur's peer instruction; the normalised gain is Hake's (1998).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headlab.exercises.prepared import RIGHT, WRONG
from headlab.exercises.record import SURENESS, Entry


@dataclass(frozen=True)
class Shift:
    """Learners with one sureness at their first vote, and how many were right then and after."""

    sureness: int
    learners: int
    changed: int
    right_before: int
    right_after: int


@dataclass(frozen=True)
class Votes:
    """Learners who voted twice on a graded question, by whether they were right each time."""

    stayed_right: int
    became_right: int
    became_wrong: int
    stayed_wrong: int
    shifts: tuple[Shift, ...]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> "Votes":
        """The votes of these entries; those without a second one or a graded key count nowhere."""
        both = [e for e in entries if e.second and e.verdicts["first"] in (RIGHT, WRONG)]
        pairs = [(e.verdicts["first"] == RIGHT, e.verdicts["second"] == RIGHT) for e in both]
        shifts = []
        for sureness in SURENESS:
            mine = [e for e in both if e.first and e.first.sureness == sureness]
            values = [(e.first.value, e.second.value) for e in mine if e.first and e.second]
            shifts.append(
                Shift(
                    sureness,
                    learners=len(mine),
                    changed=sum(before != after for before, after in values),
                    right_before=sum(e.verdicts["first"] == RIGHT for e in mine),
                    right_after=sum(e.verdicts["second"] == RIGHT for e in mine),
                )
            )
        return cls(
            stayed_right=pairs.count((True, True)),
            became_right=pairs.count((False, True)),
            became_wrong=pairs.count((True, False)),
            stayed_wrong=pairs.count((False, False)),
            shifts=tuple(shifts),
        )

    @property
    def learners(self) -> int:
        """How many voted twice."""
        return self.stayed_right + self.became_right + self.became_wrong + self.stayed_wrong

    @property
    def gain(self) -> float:
        """What was gained of what could be: (after - before) / (1 - before), at most 1.

        NaN where nobody voted twice or all were right before.
        """
        could = self.became_right + self.stayed_wrong
        return (self.became_right - self.became_wrong) / could if could else math.nan
