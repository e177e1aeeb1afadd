"""Longer prefix: of several earlier copies of a token, attention after the one that matches longer.

Source: after Olsson et al. 2022 (induction as a match of what came before) and Edelman et al. 2024
("The Evolution of Statistical Induction Heads"), who compare contexts of one and more tokens. Each
prompt says A B C X and, elsewhere, C Y, and ends in A B C: only a head that matches more than the
last token prefers X to Y.
"""

import random
from itertools import chain

import numpy as np

from headlab.behaviours.base import Behaviour, Prompt, Rung
from headlab.models.tokens import token_text

N_PROMPTS = 32
LONGEST = 3  # tokens that may match


def matched(tokens):
    """[query, key]: how many tokens before the key match those up to the query, 0 to LONGEST."""
    n = len(tokens)
    found = np.zeros((n, n), dtype=int)
    for length in range(1, LONGEST + 1):
        for q in range(length, n):
            for k in range(length, q):
                if all(tokens[k - 1 - i] == tokens[q - i] for i in range(length)):
                    found[q, k] = length
    return found


def longest(tokens):
    """Cells after the longest match of rows in which a shorter one would have done."""
    lengths = matched(tokens)
    most = lengths.max(-1, keepdims=True)
    shorter = ((lengths > 0) & (lengths < most)).any(-1, keepdims=True)
    return (lengths == most) & (most > 1) & shorter, (lengths > 0) & (most > 1) & shorter


def targets(tokens, token_texts=None, spans=None):
    """The keys after the longest match, where shorter ones lead elsewhere."""
    return longest(tokens)[0]


def chance_cells(tokens, token_texts=None, spans=None):
    """The attention after any match, shared out evenly."""
    best, every = longest(tokens)
    return every, best.sum() / every.sum()


def prompts(model, start, seed=0):
    """N_PROMPTS of random words: A B C X ... C Y ... B C Z ... A B C, the pieces in any order."""
    rng = random.Random(f"longer prefix {seed}")
    made = []
    for _ in range(N_PROMPTS):
        a, b, c, x, y, z, *rest = rng.sample(model.ordinary_tokens, 18)
        pieces = [[a, b, c, x], [c, y], [b, c, z], rest[:4], rest[4:8], rest[8:]]
        rng.shuffle(pieces)
        tokens = [*([] if start is None else [start]), *chain(*pieces), a, b, c]
        made.append(Prompt(tuple(tokens), tuple(token_text(model, token) for token in tokens)))
    return made


BEHAVIOUR = Behaviour(
    name="longer_prefix",
    title="Longer prefix",
    summary="Prefers the earlier copy whose neighbours before it match as well.",
    label_order=19,
    probes=("longer_prefix",),
    prompts=prompts,
    threshold=0.3,
    min_rows=1,
    reason="Provisional: an excess over sharing its attention among all copies alike.",
    rung3=Rung("what it writes is asked of it as an induction head", applies=False),
    rung4=Rung("nothing is known of which prediction the choice alone serves", applies=False),
    asks="a phrase that comes again, and its last word in other company",
    example="red old house stood. a house fell. my old house burned. the red old house",
    targets=targets,
    chance_cells=chance_cells,
)
