"""How large an effect is, in four steps that a learner can predict.

An effect is told by a ratio: what a probability or a score has become over what it was, or what
some heads carry alone over what all do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headlab.languages import N_


@dataclass(frozen=True)
class Size:
    """One step: its name, and the ratios from ``least`` up to but not including ``limit``."""

    name: str
    least: float
    limit: float


SIZES = (
    Size(N_("rises"), 1.1, math.inf),
    Size(N_("hardly changes"), 0.9, 1.1),
    Size(N_("falls, to no less than half"), 0.5, 0.9),
    Size(N_("falls to less than half"), 0.0, 0.5),
)

# How much of a behaviour some heads carry alone: less than nothing and more than all can be.
LEFT = (
    Size(N_("hardly anything"), -math.inf, 1 / 3),
    Size(N_("part of it"), 1 / 3, 2 / 3),
    Size(N_("nearly all of it"), 2 / 3, math.inf),
)


def size_of(ratio: float, sizes: Sequence[Size] = SIZES) -> Size:
    """The step in which a ratio lies; those of ``SIZES`` begin at 0.

    "Hardly changes" means: by at most a tenth. The step is our choice, made so that what it calls
    a change can be seen in a table of percentages.
    """
    return next(size for size in sizes if size.least <= ratio < size.limit)


def possible_sizes(ratio: float, margin: float, sizes: Sequence[Size] = SIZES) -> tuple[Size, ...]:
    """The steps that a ratio reaches if it moves by at most ``margin``, its own first."""
    own, lowest = size_of(ratio, sizes), max(ratio - margin, min(s.least for s in sizes))
    reached = (size_of(lowest, sizes), size_of(ratio + margin, sizes))
    return (own, *(size for size in reached if size != own))
