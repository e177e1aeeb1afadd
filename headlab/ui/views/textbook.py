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
    """The pattern as a table, with its words on both axes."""
    pattern = textbook_pattern(name)
    words = ["start", *WORDS]
    heads = "".join(f'<b class="across">{word}</b>' for word in words)
    rows = "".join(
        f"<b>{word}</b>"
        + "".join(
            f'<i style="--share:{pattern[query, key]:.0%}"></i>' if key <= query else "<u></u>"
            for key in range(len(words))
        )
        for query, word in enumerate(words)
    )
    says = escape(f"A hand-drawn pattern: {get_behaviour(name).summary}")
    return f'<div class="shape" role="img" aria-label="{says}"><b></b>{heads}{rows}</div>'
