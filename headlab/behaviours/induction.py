"""Induction: after "A B ... A", attention to B, the token after the earlier copy.

Source: Elhage et al. 2021; Olsson et al. 2022. The token looked at is the one after the earlier
copy, since that is what comes next if the text repeats itself.
"""

import numpy as np

from headlab.behaviours.base import Behaviour, ReadsAndWrites, Rung, positions

N_EVIDENCE_PROMPTS = 10  # each of many tokens


def targets(tokens, token_texts=None, spans=None):
    """Every k = j + 1 < q with t[j] = t[q], j < q."""
    q, k = positions(len(tokens))
    same = tokens[:, None] == tokens[None, :]  # [query, j]
    after = np.zeros_like(same)
    after[:, 1:] = same[:, :-1]
    return after & (k < q)


def text_targets(tokens, token_texts=None, spans=None):
    """The same without k = q - 1 and without copies of the current token.

    Those cells are also targets of previous-token and duplicate-token heads.
    """
    q, k = positions(len(tokens))
    return targets(tokens) & (k != q - 1) & (tokens[:, None] != tokens[None, :])


class ReadWords:
    """How often a head raises, and lowers, the token that it reads most, [layer, head], 0 to 1.

    Whatever it looks at: every token but the first of ``N_EVIDENCE_PROMPTS`` prompts, some hundred
    tokens.
    """

    def __init__(self, model, prompts):
        read = prompts[:N_EVIDENCE_PROMPTS]
        self._found = ReadsAndWrites(model, {id(p): range(1, len(p.tokens)) for p in read})
        self.read = self._found.read

    def end(self, batch, hidden):
        """What comes out of the last layer does not matter here."""

    def figures(self):
        """By name."""
        raised, lowered = self._found.shares()
        return {"raises_what_it_reads": raised, "lowers_what_it_reads": lowered}


BEHAVIOUR = Behaviour(
    name="induction",
    title="Induction",
    summary='Continues a pattern: after "A B ... A" it looks at B.',
    label_order=20,
    probes=("repeats",),
    threshold=0.6,
    role_from=0.3,
    min_rows=1,
    reason=(
        "Published GPT-2 small scores have one gap, from .848 to .503; between .3 and .6 lie heads "
        "that suppress what they look at."
    ),
    rung3=Rung(
        "On repeated random tokens, at least half of the tokens that it reads are made likelier by "
        "what it writes than any other token of the prompt.",
        figure="raises_what_it_reads",
        least=0.5,
        contrary="lowers_what_it_reads",
    ),
    rung4=Rung(
        "On repeated random tokens, removing the head raises the loss of the second copy more than "
        "removing a nearby head that does not show it does.",
        probe="repeats",
        rises=True,
    ),
    sources=("Elhage et al. 2021", "Olsson et al. 2022"),
    cited="after",
    asks="a passage that repeats itself",
    example="The cat sat on the mat. The cat sat on the",
    targets=targets,
    text_targets=text_targets,
    evidence=ReadWords,
)
