"""Subword merging: from a later piece of a word, attention to the earlier pieces of that word.

Source: Ferrando and Voita 2024 ("Information Flow Routes"), who call such heads subword merging
heads. A head that looks one token back hits the earlier piece as well, so chance is position
matched: the head's own mean attention at the same distances where those tokens are of another word.
"""

import numpy as np

from headlab.behaviours.base import Behaviour, Rung

SENTENCES = (
    "The archaeologists rediscovered unbelievably well-preserved amphitheatres near Thessaloniki.",
    "Photosynthesis transforms electromagnetic energy into carbohydrates inside chloroplasts.",
    "The bioluminescent jellyfish drifted imperceptibly beneath the catamaran's hull.",
    "Counterintuitively, the overqualified apprentice misunderstood the straightforward blueprint.",
    "Antidisestablishmentarianism bewildered the otherwise unflappable schoolchildren.",
    "The ornithologist catalogued woodpeckers, kingfishers and nightingales meticulously.",
    "Hypothetically, decentralised microgrids outperform interconnected superstructures.",
    "The kaleidoscopic marketplace smelled of cardamom, turmeric and frankincense.",
    "Nevertheless, the unpredictability of thunderstorms disheartened the mountaineers.",
    "The philharmonic orchestra rehearsed Shostakovich's underappreciated symphonies.",
    "Electroencephalograms revealed asymmetrical hippocampal oscillations overnight.",
    "The blacksmith's granddaughter apprenticed with a glassblower in Gothenburg.",
    "Semiconductor manufacturers overestimated worldwide smartphone replacement rates.",
    "The crystallographer photographed hexagonal snowflakes in breathtaking resolution.",
    "Misinformation proliferates wherever factcheckers are chronically underfunded.",
    "The lighthouse keeper's handwritten logbooks were painstakingly transliterated.",
)


def same_word(texts):
    """[query, key]: both are pieces of one word, the key the earlier one."""
    starts, word = [], 0
    for place, text in enumerate(texts):
        goes_on = place > 0 and text[:1].isalpha() and texts[place - 1][-1:].isalpha()
        word += not goes_on
        starts.append(word)
    word_of = np.array(starts)
    return np.tril(word_of[:, None] == word_of[None, :], -1)


def n_rows(prompt):
    """Later pieces of words; none where the tokens' texts are not known."""
    if prompt.token_texts is None:
        return 0
    return int(same_word(prompt.token_texts).any(-1).sum())


def measure(run):
    """Score and chance [prompt, head] of one layer."""
    shape = (len(run.prompts), run.pattern.shape[1])
    score, chance = np.full(shape, np.nan), np.full(shape, np.nan)
    for index, prompt in enumerate(run.prompts):
        n = len(prompt.tokens)
        if not n_rows(prompt):
            continue
        cells = same_word(prompt.token_texts)
        rows = cells.any(-1).sum()
        pattern = run.pattern[index, :, :n, :n].float().cpu().numpy()
        score[index] = pattern[:, cells].sum(-1) / rows
        distance = np.arange(n)[:, None] - np.arange(n)[None, :]
        total = np.zeros(shape[1])
        for away in np.unique(distance[cells]):
            here = distance == away
            others = here & ~cells
            others[:, 0] = False  # a start token is looked at for reasons of its own
            elsewhere = pattern[:, others].mean(-1) if others.any() else 0.0
            total += (here & cells).sum() * elsewhere
        chance[index] = np.minimum(total / rows, 0.999)
    return score, chance


BEHAVIOUR = Behaviour(
    name="subword_merging",
    title="Subword merging",
    summary="Looks from a later piece of a word at its earlier pieces.",
    label_order=46,
    probes=("subword_merging",),
    sentences=SENTENCES,
    threshold=0.3,
    min_rows=2,
    reason="Provisional: an excess over what the head pays to tokens as near of other words.",
    rung3=Rung("what it gathers for a word may be anything", applies=False),
    rung4=Rung("nothing is known of which prediction such a head serves", applies=False),
    measured_as="the mean share of a later piece's attention on earlier pieces of its word",
    asks="words of several tokens",
    example="The archaeologists photographed unbelievably well-preserved amphitheatres.",
    measure=measure,
    n_rows=n_rows,
)
