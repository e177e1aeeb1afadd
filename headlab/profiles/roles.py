"""Where in the depth of a model its roles lie, and which heads come first in them."""

from typing import Any

import numpy as np

from headlab.behaviours import get_behaviour
from headlab.heads import Head
from headlab.profiles.profile import Profile

THIRDS = ("first third", "middle third", "last third")


def relative_depth(layer: int, n_layers: int) -> float:
    """Where a layer lies, 0 the first and 1 the last.

    >>> relative_depth(3, 13)
    0.25
    """
    return layer / (n_layers - 1) if n_layers > 1 else 0.0


def depth_shares(profile: Profile, behaviour: str) -> tuple[np.ndarray, np.ndarray]:
    """Relative depth of every layer, and the share of its heads that pass a threshold [layer]."""
    passed = profile.value(behaviour) >= get_behaviour(behaviour).threshold
    depth = [relative_depth(layer, profile.n_layers) for layer in range(profile.n_layers)]
    return np.array(depth), passed.mean(axis=1)


def label_share(profile: Profile, label: str, part: str) -> float:
    """The share of heads with a label, in a third of the depth or in "all" of it."""
    rows = np.ones(profile.n_layers, dtype=bool)
    if part in THIRDS:
        depth = (np.arange(profile.n_layers) + 0.5) / profile.n_layers
        rows = (depth * len(THIRDS)).astype(int) == THIRDS.index(part)
    return float((profile.label[rows] == label).mean()) if rows.any() else float("nan")


NOBODY = {"head": "", "score": np.nan, "depth": np.nan, "shows": False, "confidence": np.nan}


def strongest_heads(profile: Profile, behaviour: str, top: int) -> list[dict[str, Any]]:
    """The heads that come first by a behaviour, with score, relative depth and confidence."""
    score, value = profile.score[behaviour], profile.value(behaviour)
    shown = get_behaviour(behaviour).shown_from
    order = np.argsort(-score, axis=None, kind="stable")  # NaN comes last
    heads = [Head(*map(int, np.unravel_index(i, score.shape))) for i in order[:top]]
    return [
        {
            "head": str(head),
            "score": float(score[head]),
            "depth": relative_depth(head.layer, profile.n_layers),
            "shows": bool(value[head] >= shown),
            "confidence": float(profile.role_confidence[behaviour][head]),
        }
        for head in heads
        if not np.isnan(score[head])
    ]
