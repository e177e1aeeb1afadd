"""Data to plotly figures.

Layer x head maps have layers across and heads down, patterns keys across and queries down.
"""

from headlab.figures.circuits import circuit_figure
from headlab.figures.comparisons import (
    compared_map_figure,
    depth_figure,
    flow_figure,
    label_shares_figure,
    pair_policy,
    similarity_map_figure,
)
from headlab.figures.effects import (
    control_figure,
    effect_map_figure,
    losses_figure,
    position_effect_figure,
    score_effect_figure,
)
from headlab.figures.exercises import (
    answers_figure,
    calibration_figure,
    prediction_figure,
    removal_figure,
)
from headlab.figures.layout import NO_TOOLBAR, model_policy, position_names
from headlab.figures.patterns import (
    difference_figure,
    pattern_figure,
)
from headlab.figures.profiles import (
    behaviour_map_figure,
    label_counts_figure,
    ranking_figure,
    role_counts_figure,
    scatter_figure,
)
from headlab.figures.training import history_figure, history_labels_figure, sweep_figure

__all__ = [
    "NO_TOOLBAR",
    "answers_figure",
    "behaviour_map_figure",
    "calibration_figure",
    "circuit_figure",
    "compared_map_figure",
    "control_figure",
    "depth_figure",
    "difference_figure",
    "effect_map_figure",
    "flow_figure",
    "history_figure",
    "history_labels_figure",
    "label_counts_figure",
    "label_shares_figure",
    "losses_figure",
    "model_policy",
    "pair_policy",
    "pattern_figure",
    "position_effect_figure",
    "position_names",
    "prediction_figure",
    "ranking_figure",
    "removal_figure",
    "role_counts_figure",
    "scatter_figure",
    "score_effect_figure",
    "similarity_map_figure",
    "sweep_figure",
]
