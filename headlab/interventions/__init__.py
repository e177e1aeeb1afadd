"""Cause and effect: what changes when a head is removed, or is given what it did on another text.

``ablate`` removes heads, ``ablation_sweep`` every head in turn, ``patch`` carries what heads did on
one text over to another, ``attribute`` splits a logit difference into what each part wrote,
``why_word`` does so for a word of a text and what else was expected there,
``replace_word`` puts another word into a text and sees whose pattern moves.
"""

from headlab.interventions.attributing import Attribution, SelfRepair, attribute
from headlab.interventions.effects import Control, Intervention, Prediction, Sweep
from headlab.interventions.next_word import WhyWord, why_word
from headlab.interventions.patching import DIRECTIONS, METRICS, WHATS, Patching, patch
from headlab.interventions.removing import ablate
from headlab.interventions.replacing import MODES, Reference, mean_reference
from headlab.interventions.rewording import Rewording, next_tokens, replace_word, with_word
from headlab.interventions.sweeping import ablation_sweep

__all__ = [
    "DIRECTIONS",
    "METRICS",
    "MODES",
    "WHATS",
    "Attribution",
    "Control",
    "Intervention",
    "Patching",
    "Prediction",
    "Reference",
    "Rewording",
    "SelfRepair",
    "Sweep",
    "WhyWord",
    "ablate",
    "ablation_sweep",
    "attribute",
    "mean_reference",
    "next_tokens",
    "patch",
    "replace_word",
    "why_word",
    "with_word",
]
