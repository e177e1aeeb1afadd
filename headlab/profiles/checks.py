"""Whether the figures of a profile that was read belong to each other."""

from typing import TYPE_CHECKING

import numpy as np

from headlab.behaviours import behaviours
from headlab.heads import Head
from headlab.measuring.confidence import UNCLASSIFIED, naming_values

if TYPE_CHECKING:
    from headlab.profiles.profile import Profile


def check_facts(profile: "Profile") -> None:
    """Raise ValueError for facts of the wrong kind; they end up in sentences and links."""
    texts = [profile.model_name, profile.content_hash, profile.start_text or ""]
    texts += [*profile.untested, *profile.untested.values()]
    counts = [profile.n_variants, profile.controls, profile.start_token or 0]
    for numbers in (profile.n_prompts, profile.n_rows, profile.false_positives):
        counts += numbers.values()
    if not all(isinstance(text, str) and len(text) <= 1_000 for text in texts):
        raise ValueError("a name is no text, or very long")
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise ValueError("a number that counts something is none")
    if (profile.start_token is None) != (profile.start_text is None):
        raise ValueError("the start token has an id or a text, not both")


def check_figures(profile: "Profile") -> None:
    """Raise ValueError for figures that do not belong to each other, or could not be measured."""
    shape = (profile.n_layers, profile.n_heads)
    for name, score in profile.score.items():
        shares = [score, profile.low[name], profile.high[name], profile.role_confidence[name]]
        if any((figures < -1e-5).any() or (figures > 1 + 1e-5).any() for figures in shares):
            raise ValueError(f"a figure of {name} is no share")
        means = np.stack(list(profile.probe_scores[name].values()))
        if not np.isclose(means, score, atol=1e-5, equal_nan=True).any(axis=0).all():
            raise ValueError(f"scores of {name} are not those of its probes")
        for probe, scores in profile.prompt_scores.get(name, {}).items():
            if scores.ndim != 3 or scores.shape[1:] != shape:
                raise ValueError(f"the scores of {name} on {probe} have the wrong shape")
            kept = np.isfinite(scores)
            sums, counts = np.where(kept, scores, 0).sum(axis=0), kept.sum(axis=0)
            mean = np.divide(sums, counts, out=np.full(shape, np.nan), where=counts > 0)
            if not np.allclose(mean, profile.probe_scores[name][probe], atol=1e-4, equal_nan=True):
                raise ValueError(f"scores of {name} on {probe} are not those of its prompts")
    _check_labels(profile)


def _check_labels(profile: "Profile") -> None:
    """Raise ValueError for labels that do not follow from the scores by the profile's thresholds.

    A value that lies on its threshold may have been rounded to either side of it. Profiles from
    before that rule name heads that pass a behaviour though its rung 3 fails.
    """
    rules, passed, near = profile.provenance["thresholds"], {}, np.zeros_like(profile.label, bool)
    for name, rule in rules.items():
        value = (profile.score if rule["scale"] == "raw" else profile.excess)[name]
        passed[name] = value >= rule["threshold"]
        near |= np.isclose(value, rule["threshold"], atol=1e-5)
    by_pattern = np.select(list(passed.values()), list(rules), UNCLASSIFIED)
    known = {name: about for name, about in behaviours().items() if name in rules}
    ones = {name: passed[name].astype(float) for name in known}
    for name, value in naming_values(ones, profile.evidence, known).items():
        passed[name] = value == 1
    expected = np.select(list(passed.values()), list(rules), UNCLASSIFIED)
    wrong = (profile.label != expected) & (profile.label != by_pattern) & ~near
    if wrong.any():
        head = Head(*map(int, np.argwhere(wrong)[0]))
        raise ValueError(f"the label of {head} is not what its scores give")
