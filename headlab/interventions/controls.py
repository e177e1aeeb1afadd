"""Which other heads a control removes: equally many of the same layers, drawn at random."""

import random
from collections.abc import Sequence
from itertools import combinations, product
from math import comb, prod

from headlab.heads import Head
from headlab.interventions.replacing import edit_of


def drawn_heads(
    n_heads: int, removed: Sequence[Head], draws: int, seed: int
) -> tuple[list[tuple[Head, ...]], str, bool]:
    """Draws of as many other heads of the same layers, all different; why none; whether all."""
    if not removed or draws < 1:
        return [], "No control was asked for." if removed else "No head was removed.", False
    by_layer = edit_of(removed, 0).heads
    pools = []
    for layer, gone in by_layer.items():
        others = [Head(layer, head) for head in range(n_heads) if head not in gone]
        if len(others) < len(gone):
            why = (
                f"Layer {layer} has {len(others)} other heads, too few to draw {len(gone)} from as "
                "a control."
            )
            return [], why, False
        pools.append((others, len(gone)))
    if prod(comb(len(others), k) for others, k in pools) <= draws:
        every = product(*(combinations(others, k) for others, k in pools))
        return [tuple(head for part in draw for head in part) for draw in every], "", True
    rng = random.Random(seed)
    found: dict[tuple[Head, ...], None] = {}  # an ordered set
    while len(found) < draws:
        draw = [head for others, k in pools for head in rng.sample(others, k)]
        found[tuple(sorted(draw))] = None
    return list(found), "", False
