"""Measure what the entrance asks about first, and keep it beside the component that draws it.

    python scripts/keep_first_look.py

The head is the one of `mini` that is best at induction; the question is where it looks from the
second *cat* of the first guided text. Run it again whenever `mini` changes.
"""

import json
from typing import Any

import numpy as np

from headlab import load_model, profile_model, read_text
from headlab.exercises.guided import guided_texts
from headlab.heads import Head
from headlab.ui.components.first_look import KEPT

WORD = "cat"


def measured() -> dict[str, Any]:
    """The question and one row of attention, as the browser gets them."""
    model = load_model("mini")
    text = next(iter(guided_texts().values())).text
    reading = read_text(model, text)
    head = Head.parse(profile_model(model).top_heads["induction"][0]["head"])
    places = [k for k, token in enumerate(reading.token_texts) if token.strip() == WORD]
    first, query = places[0], places[1]
    row = reading.pattern(*head)[query]
    best = int(row.argmax())
    options = sorted({first - 1, first, first + 1, query - 1, best})
    return {
        "model": model.name,
        "head": str(head),
        "tokens": reading.token_texts,
        "query": query,
        "options": options,
        "row": np.round(row[: query + 1].astype(float), 4).tolist(),
        "asks": f"{head} is one of the {model.n_layers * model.n_heads} attention heads of the "
        f"small model here. From the second “{WORD}”, where does it look? Press a word.",
        "says": "Rows like this one make the pictures of the laboratory.",
    }


if __name__ == "__main__":
    KEPT.write_text(json.dumps(measured(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
