"""Name copying: a head that reads a name and writes that same name.

Source: Wang et al. 2022 (public `check_copy_circuit`). The residual stream after block 0, at the
names of indirect-object prompts, goes through the norm of block 1, then this head's W_V + b_V and
W_O, the final norm and the unembedding. Score: the share of names that come out among the five
first tokens of the vocabulary. Heads of layer 0 read nothing that block 0 wrote: NaN.
"""

import numpy as np

from headlab.behaviours.base import Behaviour, Rung
from headlab.models.logit_lens import NAMES_AMONG, unembedding_size


def measure(run):
    """Share of names written and chance [prompt, head] of one layer."""
    score, _ = run.names_written
    return score, np.full_like(score, chance(run))


def chance(run):
    """What any five tokens of the vocabulary would give."""
    return NAMES_AMONG / unembedding_size(run.model.network)


def n_rows(prompt):
    """Names in the prompt."""
    return len(prompt.names)


BEHAVIOUR = Behaviour(
    name="name_copying",
    title="Name copying",
    summary="Writes the very name that it reads, so that the name is said again.",
    label_order=82,
    probes=("names",),
    threshold=0.5,
    reason=(
        "Half of the names: Wang et al. 2022 report more than .95 for the name movers of GPT-2 "
        "small, and chance is five tokens of the whole vocabulary."
    ),
    rung3=Rung("the score is already measured on what the head writes", applies=False),
    rung4=Rung(
        "On indirect-object prompts, removing the head lowers the probability of the right name "
        "more than removing a nearby head that does not show it does.",
        probe="names",
    ),
    tag="copies names",
    measured_as=(
        "the share of given names that, read by this head in sentences of two names, are among the "
        "five tokens that its output raises most; attention plays no part"
    ),
    sources=("Wang et al. 2022",),
    cited="after",
    asks="probes with given names and a head from layer 1 on; a single text cannot tell",
    measure=measure,
    n_rows=n_rows,
    needs_model=True,
    first_layer=1,
)
