"""Anti-induction: looks where an induction head looks, and makes that token less likely.

Source: McDougall et al. 2023 ("Copy Suppression"); Olsson et al. 2022 mention such heads. On random
tokens said twice: the share of the second half's attention that lies on the token after the
earlier copy, counted only where the head's output, reading it, lowers it more than any other token
of the prompt.
"""

import numpy as np

from headlab.behaviours.base import Behaviour, Rung


def n_rows(prompt):
    """Queries of the second half; none in a prompt that repeats nothing."""
    return 0 if prompt.half is None else len(prompt.tokens) - prompt.half


def measure(run):
    """Score and chance [prompt, head] of one layer."""
    lowered = run.raised_and_lowered[1].float().cpu().numpy()  # [prompt, head, key]
    pattern = run.pattern.float().cpu().numpy()
    shape = pattern.shape[:2]
    score, chance = np.full(shape, np.nan), np.full(shape, np.nan)
    for index, prompt in enumerate(run.prompts):
        if prompt.half is None:
            continue
        rows = np.arange(prompt.half, len(prompt.tokens))
        period = prompt.half - (len(prompt.tokens) - 2 * n_rows(prompt))
        keys = rows - period + 1
        against = lowered[index][:, keys]
        score[index] = (pattern[index][:, rows, keys] * against).mean(-1)
        chance[index] = (against / (rows + 1)).mean(-1)
    return score, chance


BEHAVIOUR = Behaviour(
    name="anti_induction",
    title="Anti-induction",
    summary="Looks where a passage went on before, and makes that token less likely.",
    label_order=18,
    probes=("repeats",),
    threshold=0.3,
    reason="Provisional: the excess from which induction counts as a role.",
    rung3=Rung("the score is already measured on what the head writes", applies=False),
    rung4=Rung("removing it should lower the loss of the second copy", applies=False),
    contrary=True,
    measured_as=(
        "the mean share of attention on the token after the earlier copy, counted where the "
        "head's output makes that token less likely than any other of the text"
    ),
    asks="a probe of repeated random tokens; a single text cannot tell",
    measure=measure,
    n_rows=n_rows,
    needs_model=True,
)
