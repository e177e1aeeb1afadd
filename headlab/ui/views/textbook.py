"""Heads that do one thing only, drawn by hand: the shapes to know before real heads are seen."""

from html import escape

import numpy as np

from headlab.behaviours import get_behaviour

WORDS = "the cat sat on the mat the cat sat on the".split()
SHAPES = (
    "first_token",
    "current_token",
    "previous_token",
    "duplicate_token",
    "induction",
    "diffuse",
)
CELL, ROOM = 16, 38  # pixels: a cell, and the words beside the picture


def textbook_pattern(name: str) -> np.ndarray:
    """A head [query, key] that does nothing but one behaviour, on WORDS after a start token."""
    tokens = np.unique(["", *WORDS], return_inverse=True)[1]
    n = len(tokens)
    targets = get_behaviour(name).targets
    asked = None if targets is None else targets(tokens, None, None)
    cells = np.tri(n) if asked is None else asked.astype(float)
    resting = cells.sum(axis=1) == 0
    cells[resting, 0] = 1  # with nothing to look for, a head rests on the first token
    return cells / cells.sum(axis=1, keepdims=True)


def textbook_picture(name: str) -> str:
    """The pattern as SVG, with its words on both axes."""
    pattern = textbook_pattern(name)
    words = ["start", *WORDS]
    side = ROOM + CELL * len(words)
    parts = []
    for query, key in np.argwhere(np.tri(len(words), dtype=bool)):
        x, y = ROOM + CELL * key, ROOM + CELL * query
        dark = 0.06 + 0.94 * pattern[query, key]
        parts.append(
            f'<rect x="{x}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" fill="currentColor" '
            f'opacity="{dark:.2f}"/>'
        )
    for at, word in enumerate(words):
        middle = ROOM + CELL * at + CELL / 2
        parts.append(f'<text x="{ROOM - 4}" y="{middle + 4}" text-anchor="end">{word}</text>')
        parts.append(
            f'<text transform="translate({middle + 4} {ROOM - 4}) rotate(-90)">{word}</text>'
        )
    says = escape(f"A hand-drawn pattern: {get_behaviour(name).summary}")
    return (
        f'<svg viewBox="0 0 {side} {side}" width="{side}" role="img" aria-label="{says}" '
        'style="max-width:100%" font-size="11" font-family="sans-serif" fill="currentColor">'
        f"{''.join(parts)}</svg>"
    )
