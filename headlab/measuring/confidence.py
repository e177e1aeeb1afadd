"""What the numbers beside a score mean: bootstrap, labels, margins.

Everything here is plain numpy on arrays that end in [layer, head].
"""

from collections.abc import Mapping

import numpy as np

from headlab.behaviours import Behaviour, get_behaviour
from headlab.measuring.scoring import Measured

N_RESAMPLES = 1_000
INTERVAL = (2.5, 97.5)  # percentiles of the resamples
UNCLASSIFIED = "unclassified"
MIN_PROMPTS = 8


def interval(drawn: np.ndarray) -> np.ndarray:
    """The 95 % interval [2, column] of draws [draw, column], those without a value left out."""
    whole = ~np.isnan(drawn).any(axis=0)
    bounds = np.empty((2, drawn.shape[1]))
    bounds[:, whole] = np.percentile(drawn[:, whole], INTERVAL, axis=0)
    if not whole.all():  # this takes a hundred times as long
        bounds[:, ~whole] = np.nanpercentile(drawn[:, ~whole], INTERVAL, axis=0)
    return bounds


def label_title(name: str) -> str:
    """A label as people read it: a behaviour's title, or "Unclassified"."""
    return "Unclassified" if name == UNCLASSIFIED else get_behaviour(name).title


def bootstrap_weights(n_prompts: int, seed: int = 0, n_resamples: int = N_RESAMPLES) -> np.ndarray:
    """How often each prompt is drawn in each resample, [resample, prompt].

    >>> bootstrap_weights(4, n_resamples=3).sum(axis=1)
    array([4., 4., 4.])
    """
    rng = np.random.default_rng(seed)
    even = np.full(n_prompts, 1 / n_prompts)
    return rng.multinomial(n_prompts, even, size=n_resamples).astype(float)


def weighted_means(measured: Measured, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score and chance [resample, layer, head] under prompt weights [resample, prompt].

    sum(w s m) / sum(w m) with m = isfinite(s); chance is averaged with the same weights. NaN where
    no drawn prompt can test the behaviour.

    >>> score = np.array([0.2, np.nan, 0.6]).reshape(3, 1, 1)
    >>> measured = Measured(score, score, np.array([1, 0, 1]))
    >>> weighted_means(measured, np.array([[1.0, 1.0, 3.0]]))[0].round(3).item()
    0.5
    """
    finite = np.isfinite(measured.score)
    score = means(measured.score, finite, weights)
    return score, means(measured.chance, finite, weights)


def means(values: np.ndarray, counted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means [resample, layer, head] of the counted values [prompt, layer, head] under weights.

    ``weights`` are [resample, prompt]; NaN where no drawn prompt counts.
    """
    n_prompts, *heads = values.shape
    flat = counted.reshape(n_prompts, -1)
    filled = np.where(flat, values.reshape(n_prompts, -1), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (weights @ filled) / (weights @ flat.astype(float))
    return mean.reshape(len(weights), *heads)


def excess(score: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(score - chance) / (1 - chance): 0 at chance, 1 at a perfect score."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (score - chance) / (1 - chance)


def on_scale(behaviour: Behaviour, score: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """The value that is held against the behaviour's threshold: its excess, or its raw score."""
    return score if behaviour.scale == "raw" else excess(score, chance)


def naming_values(
    values: Mapping[str, np.ndarray],
    evidence: Mapping[str, np.ndarray],
    order: Mapping[str, Behaviour],
) -> dict[str, np.ndarray]:
    """The values that may name a head: NaN where a behaviour asks for rung 3 and it fails.

    ``evidence`` maps the rungs' figures to [layer, head]; one that is missing or NaN fails.
    """
    found = dict(values)
    for name, behaviour in order.items():
        if behaviour.names_with_rung3:
            rung = behaviour.rung3
            assert rung.figure is not None and rung.least is not None
            share = evidence.get(rung.figure, np.full(values[name].shape[-2:], np.nan))
            found[name] = np.where(share >= rung.least, values[name], np.nan)
    return found


def decide_labels(values: Mapping[str, np.ndarray], order: Mapping[str, Behaviour]) -> np.ndarray:
    """The label of each head as an index into ``order``; ``len(order)`` means unclassified.

    ``values`` are on the thresholds' scales. The first behaviour in label order that passes its
    threshold names the head; NaN passes nothing.
    """
    names = list(order)
    label = np.full(np.shape(values[names[0]]), len(names))
    for index in reversed(range(len(names))):
        label[values[names[index]] >= order[names[index]].threshold] = index
    return label


def margins(
    values: Mapping[str, np.ndarray], label: np.ndarray, order: Mapping[str, Behaviour]
) -> np.ndarray:
    """How far a head is from losing its label: value minus threshold.

    For an unclassified head, how far below the nearest threshold it lies.
    """
    above = np.stack([values[name] - behaviour.threshold for name, behaviour in order.items()])
    own = np.take_along_axis(above, np.minimum(label, len(order) - 1)[None], axis=0)[0]
    below = -np.max(np.where(np.isnan(above), -np.inf, above), axis=0)
    return np.where(label == len(order), below, own)


def label_names(label: np.ndarray, order: Mapping[str, Behaviour]) -> np.ndarray:
    """Label indices as names."""
    return np.array([*order, UNCLASSIFIED])[label]
