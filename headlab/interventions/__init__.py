"""Cause and effect: what changes when a head is removed, or is given what it did on another text.

``ablate`` removes heads, ``ablation_sweep`` every head in turn, ``patch`` carries what heads did on
one text over to another, ``attribute`` splits a logit difference into what each part wrote.
"""

from headlab.interventions.attributing import Attribution, SelfRepair, attribute
from headlab.interventions.effects import Control, Intervention, Prediction, Sweep
from headlab.interventions.patching import DIRECTIONS, METRICS, WHATS, Patching, patch
from headlab.interventions.removing import ablate
from headlab.interventions.replacing import MODES, Reference, mean_reference
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
    "SelfRepair",
    "Sweep",
    "ablate",
    "ablation_sweep",
    "attribute",
    "mean_reference",
    "patch",
]
