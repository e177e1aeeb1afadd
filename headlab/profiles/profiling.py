"""Profiling a model: run the probes, resample, vary, and compare with random weights.

Profiles are kept under the model's content hash in the folder named by ``HEADLAB_CACHE``, else in
the platform's cache folder; a model folder may carry its own as ``profile*.json``.
"""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from headlab import log
from headlab.__version__ import __version__
from headlab.behaviours import Behaviour, Evidence, Prompt, behaviours
from headlab.errors import HeadlabError
from headlab.measuring import budget, confidence, probes
from headlab.measuring.given import given_prompts
from headlab.measuring.scoring import Measured
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, resolve_start_token, token_text
from headlab.models.weights import has_weights
from headlab.profiles.controls import Controls, controls_key, kept_controls, save_controls
from headlab.profiles.kept import SEED, keep, kept, measures, profile_key, thresholds
from headlab.profiles.looks import Looks
from headlab.profiles.probing import SENTENCES, Measurements, measure, measure_in_stages, n_tokens
from headlab.profiles.profile import BY_BEHAVIOUR, Profile
from headlab.profiles.work import Progress, Work

EARLY_DRAWS = 50  # behind the intervals of what is told before everything is measured

Partial = Callable[[float, Profile], None]


@dataclass(frozen=True)
class _Resampled:
    """One behaviour under each resample, [resample, layer, head]: the lower of its probes."""

    score: np.ndarray
    chance: np.ndarray

    def on_scale(self, behaviour: Behaviour) -> np.ndarray:
        return confidence.on_scale(behaviour, self.score, self.chance)


def _combine(
    behaviour: Behaviour, by_probe: Mapping[str, Measured], weights: Mapping[str, np.ndarray]
) -> _Resampled:
    """Weighted means of a behaviour; of several probes, the one on which the head does worse."""
    means = [confidence.weighted_means(m, weights[probe]) for probe, m in by_probe.items()]
    score, chance = means[0]
    for other_score, other_chance in means[1:]:
        ours = confidence.on_scale(behaviour, score, chance)
        theirs = confidence.on_scale(behaviour, other_score, other_chance)
        lower = (theirs < ours) | np.isnan(theirs)
        score = np.where(lower, other_score, score)
        chance = np.where(lower, other_chance, chance)
    return _Resampled(score, chance)


def _labels(
    measured: Measurements,
    order: Mapping[str, Behaviour],
    evidence: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Label indices [layer, head] from all prompts counted once.

    Without ``evidence`` no label asks for any: what would be named at most.
    """
    values = {
        name: _combine(b, measured[name], _once(measured[name])).on_scale(b)[0]
        for name, b in order.items()
    }
    if evidence is not None:
        values = confidence.naming_values(values, evidence, order)
    return confidence.decide_labels(values, order)


def _once(by_probe: Mapping[str, Measured]) -> dict[str, np.ndarray]:
    """Weights that count every prompt once."""
    return {probe: np.ones((1, len(m.rows))) for probe, m in by_probe.items()}


def profile_model(
    model: LoadedModel,
    *,
    start_token: StartToken = "model",
    variants: bool = True,
    controls: int = 3,
    progress: Progress | None = None,
    partial: Partial | None = None,
    cache: bool = True,
    prompts: Mapping[str, Sequence[Prompt | str]] | None = None,
) -> Profile:
    """Score every head on every behaviour, with intervals, labels and confidences.

    Parameters
    ----------
    start_token : "model" for the model's own policy, a token id, or None for no start token.
    variants : also measure the four variants that a label must hold in (start token toggled,
        second sentence set, short texts, long texts).
    controls : number of random-weight models of the same shape whose specific labels are counted
        as false positives.
    progress : called with the share done, 0 to 1, and what is being done and how long the rest
        will take.
    partial : called with a share of the probes and the profile that they give, before any variant
        or control: after 4 %, after more, and after all of them. The intervals of the first are
        rough.
    cache : take a profile of the same content from the cache folder, and keep this one there; so
        too what random weights of this shape show, which belongs to every model of the shape.
    prompts : what some probes are made of in place of ours, by the probe's name ("sentences",
        "repeats", "facts", "names"): texts, or ``Prompt`` objects. Such a profile is not kept and
        has no variants.

    Raises
    ------
    HeadlabError : a probe that there is not, or one without a prompt.

    Returns
    -------
    Profile. Its scores are means over seeded, versioned probes (``headlab.measuring.probes``).
    """
    start = resolve_start_token(model, start_token)
    order = behaviours()
    if prompts is not None:
        variants = cache = False
    key = profile_key(model, start, variants, controls, order)
    if cache and (ready := kept(model, key)) is not None:
        return ready

    asked = probes.probe_prompts(model, start) | given_prompts(model, start, prompts or {})
    replaced = probes.variant_prompts(model, start) if variants else {}
    untested = _untested(model, order, asked)
    order = {name: b for name, b in order.items() if name not in untested}
    chosen = list(order.values())
    gathered: dict[str, list[Evidence]] = {}
    for b in chosen:
        if b.evidence is not None:
            probe = b.probes[0]
            gathered.setdefault(probe, []).append(b.evidence(model, asked[probe]))
    sets = [asked] * (1 + controls) + list(replaced.values())
    all_prompts = [p for by_probe in sets for probe in by_probe.values() for p in probe]
    work = Work(n_tokens(all_prompts), progress)
    places = budget.Places(asked[SENTENCES])
    sums = budget.Sums(places, model.n_layers, model.n_heads, model.network)

    def as_profile(statistics: _Statistics, **checks: Any) -> Profile:
        return _as_profile(model, key, start, order, untested, statistics, sums, **checks)

    work.start("measuring the probes")
    for share, measured in measure_in_stages(model, asked, chosen, work.did, sums, gathered):
        if share == 1 or partial is not None:
            evidence = _figures(gathered)
            n_draws = None if share == 1 else EARLY_DRAWS
            statistics = _statistics(measured, order, evidence, n_draws)
        if partial is not None:
            partial(share, as_profile(statistics))

    label = statistics.label
    holds_in = np.zeros(label.shape, dtype=int)
    for name, changed in replaced.items():
        work.start(f"variant: {name}")
        again = measure(model, changed, chosen, work.did)
        merged = {name: measured[name] | again[name] for name in measured}
        holds_in += _labels(merged, order, evidence) == label

    found = None
    if controls:
        shows = statistics.shows
        found = _controls(model, asked, order, sums, shows, start, controls, work, cache)

    profile = as_profile(
        statistics,
        holds_in=holds_in,
        n_variants=len(replaced),
        evidence=evidence,
        controls=found,
        final=True,
    )
    if cache:
        keep(profile, key)
    work.start("done")
    return profile


def _controls(
    model: LoadedModel,
    prompts: Mapping[str, Sequence[Prompt]],
    order: Mapping[str, Behaviour],
    sums: budget.Sums,
    shows: Mapping[str, np.ndarray],
    start: int | None,
    n: int,
    work: Work,
    cache: bool,
) -> Controls:
    """What networks of this shape with random weights show; measured where it is not kept."""
    key = controls_key(model, prompts, [start, n, *measures(order)])
    shape = (model.n_layers, model.n_heads, len(sums.places.places))
    ready = kept_controls(key, shape) if cache else None
    if ready is not None:
        work.did(n * sum(n_tokens(sequences) for sequences in prompts.values()))
        return ready
    found = []
    specific = [name for name, b in order.items() if not b.resting]
    for seed in range(n):
        work.start(f"random weights {seed + 1} of {n}")
        network = model.with_random_weights(seed)
        its_sums = budget.Sums(sums.places, model.n_layers, model.n_heads, network.network)
        measured = measure(network, prompts, list(order.values()), work.did, its_sums)
        label = _labels(measured, order)
        counts = {name: int((label == list(order).index(name)).sum()) for name in specific}
        found.append((counts, its_sums))
    controls = Controls.of(found, shows)
    if cache:
        try:
            save_controls(controls, key)
        except HeadlabError as error:
            log.LOG.warning(f"what random weights show is not kept for next time: {error}")
    return controls


def _untested(
    model: LoadedModel,
    order: Mapping[str, Behaviour],
    prompts: Mapping[str, Sequence[Prompt]],
) -> dict[str, str]:
    """The behaviours that this model cannot be tested on, and why."""
    untested = {}
    for behaviour in order.values():
        if behaviour.needs_model and not has_weights(model.network):
            untested[behaviour.name] = "headlab cannot yet read this architecture's weights"
        elif model.n_layers <= behaviour.first_layer:
            untested[behaviour.name] = "it needs a model of more layers"
        elif empty := [probe for probe in behaviour.probes if not prompts[probe]]:
            untested[behaviour.name] = probes.missing(model, empty[0])
    return untested


def _as_profile(
    model: LoadedModel,
    key: str,
    start: int | None,
    order: Mapping[str, Behaviour],
    untested: Mapping[str, str],
    statistics: "_Statistics",
    sums: budget.Sums,
    holds_in: np.ndarray | None = None,
    n_variants: int = 0,
    evidence: Mapping[str, np.ndarray] | None = None,
    controls: Controls | None = None,
    final: bool = False,
) -> Profile:
    """What has been measured as a profile; without the last five nothing was checked yet."""
    label, stability = statistics.label, statistics.stability
    holds_in = np.zeros(label.shape, dtype=int) if holds_in is None else holds_in
    draws = _draws(len(sums.rows))
    looks = Looks.of(sums, statistics.shows, draws if final else draws[:EARLY_DRAWS], controls)
    return Profile(
        model_name=model.name,
        content_hash=model.content_hash,
        start_token=start,
        start_text=None if start is None else token_text(model, start),
        n_layers=model.n_layers,
        n_heads=model.n_heads,
        **statistics.figures,
        label=confidence.label_names(label, order),
        label_confidence=np.minimum(stability, holds_in / n_variants) if n_variants else stability,
        stability=stability,
        holds_in=holds_in,
        n_variants=n_variants,
        false_positives={} if controls is None else dict(controls.false_positives),
        controls=0 if controls is None else controls.n,
        evidence=dict(evidence or {}),
        untested=dict(untested),
        provenance=_provenance(model, key, order),
        looks=looks,
    )


@dataclass(frozen=True)
class _Statistics:
    """What resampling gives: figures, label indices, stability and roles [layer, head]."""

    figures: dict[str, Any]
    label: np.ndarray
    stability: np.ndarray
    shows: dict[str, np.ndarray]


def _draws(n_prompts: int) -> np.ndarray:
    return confidence.bootstrap_weights(n_prompts, SEED)


def _figures(gathered: Mapping[str, Sequence[Evidence]]) -> dict[str, np.ndarray]:
    """All figures of evidence by name, as far as their probes have been read."""
    found: dict[str, np.ndarray] = {}
    for each in (each for of_probe in gathered.values() for each in of_probe):
        found |= each.figures()
    return found


def _statistics(
    measured: Measurements,
    order: Mapping[str, Behaviour],
    evidence: Mapping[str, np.ndarray],
    n_draws: int | None = None,
) -> _Statistics:
    """Figures and labels, with ``n_draws`` resamples instead of all where less will do."""
    n_prompts = {
        probe: len(m.rows) for by_probe in measured.values() for probe, m in by_probe.items()
    }
    draws = {probe: _draws(n)[:n_draws] for probe, n in n_prompts.items()}
    figures: dict[str, Any] = {
        name: {} for name in (*BY_BEHAVIOUR, "n_prompts", "n_rows", "probe_scores")
    }
    values, resampled_values = {}, {}
    for name, behaviour in order.items():
        by_probe = measured[name]
        plain = _combine(behaviour, by_probe, _once(by_probe))
        resampled = _combine(behaviour, by_probe, draws)
        score, chance = plain.score[0], plain.chance[0]
        figures["score"][name], figures["chance"][name] = score, chance
        figures["excess"][name] = confidence.excess(score, chance)
        tested = ~np.isnan(score)
        bounds = np.full((2, *score.shape), np.nan)
        if tested.any():
            bounds[:, tested] = confidence.interval(resampled.score[:, tested])
        figures["low"][name], figures["high"][name] = bounds
        values[name] = plain.on_scale(behaviour)[0]
        resampled_values[name] = resampled.on_scale(behaviour)
        passes = (resampled_values[name] >= behaviour.threshold).mean(axis=0)
        figures["role_confidence"][name] = np.where(tested, passes, np.nan)
        figures["n_prompts"][name] = sum(int((m.rows > 0).sum()) for m in by_probe.values())
        figures["n_rows"][name] = sum(int(m.rows.sum()) for m in by_probe.values())
        figures["probe_scores"][name] = {
            probe: confidence.weighted_means(m, np.ones((1, len(m.rows))))[0][0]
            for probe, m in by_probe.items()
        }
    naming = confidence.naming_values(values, evidence, order)
    label = confidence.decide_labels(naming, order)
    figures["margin"] = confidence.margins(naming, label, order)
    figures["prompt_scores"] = {
        name: {probe: m.score for probe, m in by_probe.items()}
        for name, by_probe in measured.items()
    }
    again = confidence.naming_values(resampled_values, evidence, order)
    stability = (confidence.decide_labels(again, order) == label).mean(axis=0)
    few = [n_prompts[b.probes[0]] < confidence.MIN_PROMPTS for b in order.values()]
    stability[np.array([*few, any(few)])[label]] = np.nan
    shows = {name: values[name] >= b.shown_from for name, b in order.items()}
    return _Statistics(figures, label, stability, shows)


def _provenance(model: LoadedModel, key: str, order: Mapping[str, Behaviour]) -> dict[str, Any]:
    packages = ("torch", "transformers", "numpy")
    return {
        "key": key,
        "seed": SEED,
        "probe_version": probes.VERSION,
        "resamples": confidence.N_RESAMPLES,
        "dtype": str(model.network.dtype).removeprefix("torch."),
        "device": model.device.type,
        "thresholds": thresholds(order),
        "versions": {
            "headlab": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
    }
