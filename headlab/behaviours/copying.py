"""Copying: attention to tokens whose own logit the head's output raises.

Source: after Elhage et al. 2021 and Olsson et al. 2022. c[k] = 1 if, among the prompt's own
distinct tokens, the token at k is the one that the head's output, reading position k, raises
most: (LN1(resid_k) W_V + b_V) W_O, times the final LayerNorm's weight, times W_U. Score: mean
over the second half of repeated random tokens of sum over 1 <= k < q of A[q, k] c[k].
"""

import numpy as np

from headlab.behaviours.base import Behaviour, Rung


def measure(run):
    """Score and chance [prompt, head] of one layer."""
    copied = run.raised_and_lowered[0].clone()  # [prompt, head, key]
    copied[..., 0] = 0
    n = copied.shape[-1]
    rows = np.zeros((len(run.prompts), n), dtype=np.float32)  # 1/rows on the second half
    for row, prompt in zip(rows, run.prompts, strict=True):
        if prompt.half is not None:
            row[prompt.half : len(prompt.tokens)] = 1 / n_rows(prompt)
    rows_, pattern = run.as_tensor(rows), run.pattern.float()
    # attention received by k from the rows after it: [prompt, head, key]
    received = (rows_[:, None, None, :] @ pattern)[:, :, 0]
    received = received - rows_[:, None, :] * pattern.diagonal(dim1=-2, dim2=-1)
    # a uniform head's: sum over q > k of rows[q] / (q + 1)
    even = rows / np.arange(1, n + 1)
    even = np.flip(np.cumsum(np.flip(even, 1), 1), 1) - even
    chance = (copied * run.as_tensor(even.astype(np.float32))[:, None]).sum(-1)
    return (copied * received).sum(-1), chance


def n_rows(prompt):
    """Queries of the second half; none in a prompt that repeats nothing."""
    return 0 if prompt.half is None else len(prompt.tokens) - prompt.half


BEHAVIOUR = Behaviour(
    name="copying",
    title="Copying",
    summary="Raises the odds of the tokens it looks at, so that they are said again.",
    label_order=80,
    probes=("repeats",),
    threshold=0.4,
    reason="Provisional: the value used for the other unspecific measures.",
    rung3=Rung("the score is already measured on what the head writes", applies=False),
    rung4=Rung(
        "which tokens it copies depends on where it looks, so see the behaviour that says where",
        applies=False,
    ),
    tag="copies",
    measured_as=(
        "the mean share of its attention on tokens that its own output makes likelier than any "
        "other token of the text"
    ),
    sources=("Elhage et al. 2021", "Olsson et al. 2022"),
    cited="after",
    asks="a probe of repeated random tokens; a single text cannot tell",
    measure=measure,
    n_rows=n_rows,
    needs_model=True,
)
