"""Name suppression: a head that reads a name and writes against it.

Source: Wang et al. 2022 (negative name movers); McDougall et al. 2023 (copy suppression). Measured
as name copying is, with minus W_O: the share of names that are among the five tokens of the
vocabulary which the head's output lowers most.
"""

import numpy as np

from headlab.behaviours.base import Behaviour, Rung
from headlab.behaviours.name_copying import chance, n_rows


def measure(run):
    """Share of names written against and chance [prompt, head] of one layer."""
    _, score = run.names_written
    return score, np.full_like(score, chance(run))


BEHAVIOUR = Behaviour(
    name="name_suppression",
    title="Name suppression",
    summary="Writes against the very name that it reads, so that the name is less likely said.",
    label_order=84,
    probes=("names",),
    threshold=0.5,
    reason="Half of the names, as for name copying.",
    rung3=Rung("the score is already measured on what the head writes", applies=False),
    rung4=Rung(
        "On indirect-object prompts, removing the head raises the probability of the right name "
        "more than removing a nearby head that does not show it does.",
        probe="names",
        rises=True,
    ),
    tag="suppresses names",
    contrary=True,
    measured_as=(
        "the share of given names that, read by this head in sentences of two names, are among the "
        "five tokens that its output lowers most; attention plays no part"
    ),
    sources=("Wang et al. 2022", "McDougall et al. 2023"),
    cited="after",
    asks="probes with given names and a head from layer 1 on; a single text cannot tell",
    measure=measure,
    n_rows=n_rows,
    needs_model=True,
    first_layer=1,
)
