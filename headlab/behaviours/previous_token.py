"""Previous token: attention from each position to the one just before it.

Source: Elhage et al. 2021, Olsson et al. 2022 (the first half of the induction circuit). Measured
on sentences and on random tokens; the score is the lower of the two, so that a head which only
follows frequent word pairs does not count.
"""

from headlab.behaviours.base import Behaviour, Rung, positions


def targets(tokens, token_texts=None, spans=None):
    """k = q - 1 for q >= 2 (at q = 1 the previous token is also the first)."""
    q, k = positions(len(tokens))
    return (k == q - 1) & (q >= 2)


BEHAVIOUR = Behaviour(
    name="previous_token",
    title="Previous token",
    summary="Looks at the token just before the current one.",
    label_order=50,
    probes=("sentences", "repeats"),
    threshold=0.4,
    reason=(
        "On the lower of two probes; published GPT-2 small scores of L4.H11 and L2.H2 pass, "
        "L3.H7 and L3.H2 at .37 to .39 stay unsure."
    ),
    rung3=Rung(
        "it tells each token what stood before it, for later heads to read; no token need become "
        "likelier",
        applies=False,
    ),
    rung4=Rung(
        "On repeated random tokens, removing the head raises the loss of the second copy more than "
        "removing a nearby head that does not show it does: induction heads read what it writes.",
        probe="repeats",
        rises=True,
    ),
    sources=("Elhage et al. 2021", "Olsson et al. 2022"),
    cited="after",
    asks="three tokens or more",
    example="The quick brown fox jumps over the lazy dog.",
    targets=targets,
)
