"""Bracket matching: from a closing bracket or quotation mark, attention to the one it closes.

Source: after Ebrahimi et al. 2020 ("How Can Self-Attention Networks Recognize Dyck-n Languages?"),
who trained small networks on brackets alone; here on sentences and code, quotation marks too.
"""

import numpy as np

from headlab.behaviours.base import Behaviour, Rung

PAIRS = {")": "(", "]": "[", "}": "{", "”": "“", "»": "«"}
STRAIGHT = '"'  # opens and closes alike
SENTENCES = (
    "The old mill (built in 1802) still grinds wheat (and rye) every autumn.",
    'She said "it is late" and he said "then let us go" before the rain came.',
    "Sum the list [1, 2, [3, 4], 5] and print the result (it should be 15).",
    "print(max(len(name), len(title)) + round(price * (1 + rate)))",
    'The sign read "Mind the gap (please)" in white letters on a blue board.',
    "Our train (the one from Lima [the capital]) was late again (by an hour).",
    "if (a[i] > b[j]) { swap(a[i], b[j]); count = count + (i - j); }",
    "The recipe (for four people) asks for butter (soft), sugar and two eggs (large).",
    'He wrote "see you soon" on the card (with a small drawing) and posted it.',
    "f(x) = (x + 1) * (x - 1) and g(x) = f(f(x)) for every x in [0, 1].",
    "The committee (three members [two new]) met on Monday (in the small hall).",
    'Call it "the plan" or "the dream (of a fool)", but do not call it finished.',
    "values = {key: [row[0] for row in rows] for key in (first, second)}",
    "Birds (mostly swallows) nest under the roof (where it is dry) until September.",
    "The results [Table 2] differ from those reported (see above) by one percent.",
    'Mother asked "who left the door open?" and nobody (not even the dog) moved.',
)


def matches(texts):
    """Pairs (closing, opening) of positions; a token may hold several signs."""
    waiting, found = [], []  # opening signs with their places
    for place, text in enumerate(texts):
        for sign in text:
            is_open = any(sign == each for each, _ in waiting)
            if sign in PAIRS.values() or (sign == STRAIGHT and not is_open):
                waiting.append((sign, place))
            elif waiting and waiting[-1][0] == PAIRS.get(sign, STRAIGHT if is_open else None):
                found.append((place, waiting.pop()[1]))
    return [(q, k) for q, k in found if k < q]


def targets(tokens, token_texts=None, spans=None):
    """The opening sign of each closing one; needs the tokens' texts."""
    if token_texts is None:
        return None
    cells = np.zeros((len(tokens), len(tokens)), dtype=bool)
    for q, k in matches(token_texts):
        cells[q, k] = True
    return cells


BEHAVIOUR = Behaviour(
    name="bracket_matching",
    title="Bracket matching",
    summary="Looks from a closing bracket or quotation mark at the one that it closes.",
    label_order=45,
    probes=("bracket_matching",),
    sentences=SENTENCES,
    threshold=0.4,
    min_rows=1,
    reason="Provisional: the value used for the other unspecific patterns.",
    rung3=Rung("it may write anything that tells how deep a text is nested", applies=False),
    rung4=Rung("nothing is known of which prediction such a head serves", applies=False),
    asks="a bracket or quotation mark that is closed again",
    example='The mill (built in 1802) still stands, "for now".',
    targets=targets,
)
