"""Duplicate token: attention from a token to earlier copies of the same token.

Source: Wang et al. 2022 (duplicate token heads of the indirect-object circuit).
"""

from headlab.behaviours.base import Behaviour, Rung, positions


def targets(tokens, token_texts=None, spans=None):
    """Every 1 <= k < q with t[k] = t[q]."""
    q, k = positions(len(tokens))
    return (tokens[:, None] == tokens[None, :]) & (k < q) & (k >= 1)


def text_targets(tokens, token_texts=None, spans=None):
    """The same without k = q - 1, which a previous-token head would hit as well."""
    q, k = positions(len(tokens))
    return targets(tokens) & (k != q - 1)


BEHAVIOUR = Behaviour(
    name="duplicate_token",
    title="Duplicate token",
    summary="Looks back at an earlier copy of the current token.",
    label_order=30,
    probes=("repeats",),
    threshold=0.3,
    min_rows=1,
    reason="Published GPT-2 small scores leave a gap from .66 to .13.",
    rung3=Rung(
        "it writes for later heads that a token came before; no token need become likelier",
        applies=False,
    ),
    rung4=Rung(
        "On repeated random tokens, removing the head raises the loss of the second copy more than "
        "removing a nearby head that does not show it does.",
        probe="repeats",
        rises=True,
    ),
    sources=("Wang et al. 2022",),
    cited="after",
    asks="a token that occurs twice",
    example="The cat sat on the mat. The cat sat on the",
    targets=targets,
    text_targets=text_targets,
)
