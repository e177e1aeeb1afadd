"""Successor: a head that reads an element of a series and writes the one that follows.

Source: Gould et al. 2023 ("Successor Heads"). They read the first MLP's output; here the head reads
what stands at that place when a series is listed in random order, and of the series' own elements
the successor must be the one that its output raises most.
"""

import random
from itertools import pairwise

import numpy as np

from headlab.behaviours.base import Behaviour, Prompt, Rung
from headlab.models.logit_lens import centred
from headlab.models.tokens import encode, token_text
from headlab.models.weights import final_norm, final_norm_weight, head_weights, unembedding

SERIES = (
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "January February March April May June July August September October November December",
    "one two three four five six seven eight nine ten",
    "first second third fourth fifth sixth seventh eighth ninth tenth",
    "1 2 3 4 5 6 7 8 9 10",
    "A B C D E F G H I J K L",
)
ORDERS = 4  # of each series
FEWEST = 4  # elements that are one token of the model


def prompts(model, start, seed=0):
    """Every series that the model has as single tokens, in several random orders."""
    rng = random.Random(f"successor {seed}")
    made = []
    for series in SERIES:
        ids = [encode(model, f" {word}") for word in series.split()]
        known = [each[0] for each in ids if len(each) == 1]
        for _ in range(ORDERS if len(known) >= FEWEST else 0):
            order = rng.sample(known, len(known))
            tokens = (*([] if start is None else [start]), *order)
            made.append(Prompt(tokens, tuple(token_text(model, token) for token in tokens)))
    return made


def followers(prompt):
    """For each place its successor's place, where both are there: {place: place}."""
    if prompt.token_texts is None:
        return {}
    at = {text.strip(): place for place, text in enumerate(prompt.token_texts)}
    pairs = (pair for series in SERIES for pair in pairwise(series.split()))
    return {at[one]: at[next_] for one, next_ in pairs if one in at and next_ in at}


def n_rows(prompt):
    """Elements whose successor stands in the list."""
    return len(followers(prompt))


def measure(run):
    """Score and chance [prompt, head] of one layer."""
    network = run.model.network
    weights = head_weights(network, run.layer).W_O  # [head, d_head, d_model]
    last, scale = final_norm(network), final_norm_weight(network)
    shape = (len(run.prompts), run.pattern.shape[1])
    score, chance = np.full(shape, np.nan), np.full(shape, np.nan)
    for index, prompt in enumerate(run.prompts):
        pairs = followers(prompt)
        if not pairs:
            continue
        places = sorted({*pairs, *pairs.values()})
        ids = run.model.as_batch([[prompt.tokens[place] for place in places]])[0]
        read = run.value[index][:, list(pairs)]  # [head, pair, d_head]
        written = centred(read @ weights, last) * scale
        logits = (written @ unembedding(network, ids)).float().cpu().numpy()
        own = np.array([places.index(place) for place in pairs])
        logits[:, np.arange(len(own)), own] = -np.inf  # itself does not follow itself
        right = np.array([places.index(place) for place in pairs.values()])
        score[index] = (logits.argmax(-1) == right).mean(-1)
        chance[index] = 1 / (len(places) - 1)
    return score, chance


BEHAVIOUR = Behaviour(
    name="successor",
    title="Successor",
    summary="Reads an element of a series, such as Monday, and writes the next one.",
    label_order=83,
    probes=("successor",),
    prompts=prompts,
    threshold=0.5,
    reason="Provisional: half of the elements, where chance is one of six to eleven.",
    rung3=Rung("the score is already measured on what the head writes", applies=False),
    rung4=Rung("nothing is known of which prediction it serves on other texts", applies=False),
    tag="counts on",
    measured_as=(
        "the share of elements of a series, read by this head, whose successor its output raises "
        "more than any other element; attention plays no part"
    ),
    asks="lists of days, months or numbers; a single text cannot tell",
    measure=measure,
    n_rows=n_rows,
    needs_model=True,
)
