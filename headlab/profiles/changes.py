"""How every score changed from one profile to another, with its interval."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headlab.measuring import confidence
from headlab.measuring.scoring import MIN_CHANGE
from headlab.profiles.profile import Profile

SEED = 0
UP, DOWN, SAME, OPEN, UNMEASURED = "up", "down", "same", "cannot tell", "not measured"


@dataclass(frozen=True, eq=False)
class Change:
    """The change of one behaviour's score, after minus before, [layer, head], -1 to 1.

    ``low`` and ``high`` are its 95 % interval; they are NaN where it cannot be had, and ``why``
    says so.
    """

    change: np.ndarray
    low: np.ndarray
    high: np.ndarray
    why: str = ""

    @cached_property
    def verdict(self) -> np.ndarray:
        """Per head: up, down, same, cannot tell, not measured.

        Up or down where the whole interval lies beyond ``MIN_CHANGE``, same where it lies
        within; anything else cannot be told.
        """
        with np.errstate(invalid="ignore"):
            conditions = {
                UNMEASURED: np.isnan(self.change),
                UP: self.low >= MIN_CHANGE,
                DOWN: self.high <= -MIN_CHANGE,
                SAME: (self.low > -MIN_CHANGE) & (self.high < MIN_CHANGE),
            }
        return np.select(list(conditions.values()), list(conditions), OPEN)

    @cached_property
    def sure(self) -> np.ndarray:
        """The least change that the interval allows, signed, [layer, head]; 0 if it holds zero."""
        with np.errstate(invalid="ignore"):
            return np.where(self.low > 0, self.low, np.where(self.high < 0, self.high, 0.0))


def changes(before: Profile, after: Profile) -> dict[str, Change]:
    """The change of every score with its interval, for two profiles on the same probe texts.

    Paired bootstrap: the same 1,000 draws of the prompts for both models, so what a prompt does to
    both cancels. Of a behaviour with several probes each score is the lower one's, and its draws
    are those of that probe. Source: Efron and Tibshirani 1993, chapter 8.
    """
    draws: dict[int, np.ndarray] = {}
    found = {}
    for name in before.behaviours:
        if name not in after.score:
            continue
        change = after.score[name] - before.score[name]
        why = _no_interval(before, after, name)
        low = high = np.full(change.shape, np.nan)
        if not why:
            for n in (len(scores) for scores in before.prompt_scores[name].values()):
                draws.setdefault(n, confidence.bootstrap_weights(n, SEED))
            resampled = _resampled(after, name, draws) - _resampled(before, name, draws)
            low, high = _interval(resampled)
        found[name] = Change(change, low, high, why)
    return found


def _no_interval(before: Profile, after: Profile, name: str) -> str:
    """Why a change has no interval; "" where it has one."""
    for profile in (before, after):
        if not profile.prompt_scores.get(name):
            return f"the profile of {profile.model_name} does not hold the scores of single prompts"
    shapes = [
        {probe: len(scores) for probe, scores in profile.prompt_scores[name].items()}
        for profile in (before, after)
    ]
    return "" if shapes[0] == shapes[1] else "the two profiles hold different numbers of prompts"


def _resampled(profile: Profile, name: str, draws: dict[int, np.ndarray]) -> np.ndarray:
    """The score [resample, layer, head] under the same draws for every profile."""
    chosen = None
    for probe, scores in profile.prompt_scores[name].items():
        means = confidence.means(scores, np.isfinite(scores), draws[len(scores)])
        if chosen is None:
            chosen = means
        else:
            here = np.isclose(profile.probe_scores[name][probe], profile.score[name])
            chosen = np.where(here, means, chosen)
    assert chosen is not None
    return chosen


def _interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval [layer, head] of resampled values; NaN where one of them is NaN."""
    low, high = np.percentile(resampled, confidence.INTERVAL, axis=0)
    return low, high
