"""Profiles made from others, as the profile of a further trained model would be."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headlab import Profile
from headlab.measuring.confidence import UNCLASSIFIED, excess


def weakened(profile: Profile, names: Sequence[str] = ("induction",), by: float = 0.4) -> Profile:
    """The profile of a model whose heads all lost ``by`` of these scores, or what they had."""
    changed: dict[str, dict] = {
        field: dict(getattr(profile, field))
        for field in ("score", "low", "high", "excess", "probe_scores", "prompt_scores")
    }
    for name in names:
        prompts = {
            probe: np.maximum(scores - by, 0)
            for probe, scores in profile.prompt_scores[name].items()
        }
        means = {probe: np.nanmean(scores, axis=0) for probe, scores in prompts.items()}
        score = np.min(list(means.values()), axis=0)
        changed["prompt_scores"][name], changed["probe_scores"][name] = prompts, means
        changed["score"][name] = score
        changed["low"][name] = np.minimum(np.maximum(profile.low[name] - by, 0), score)
        changed["high"][name] = np.maximum(np.maximum(profile.high[name] - by, 0), score)
        changed["excess"][name] = excess(score, profile.chance[name])
    label = np.full(profile.label.shape, UNCLASSIFIED, dtype="<U20")
    for name, rule in reversed(profile.provenance["thresholds"].items()):
        value = changed["score" if rule["scale"] == "raw" else "excess"][name]
        label[value >= rule["threshold"]] = name
    name = f"{profile.model_name}-weak"
    return replace(profile, model_name=name, content_hash="weak", label=label, **changed)
