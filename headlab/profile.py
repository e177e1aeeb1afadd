"""A model's profile: every head on every behaviour, with what the numbers are worth.

Profiles are kept under the model's content hash in the folder named by ``HEADLAB_CACHE``, else in
the platform's cache folder; a model folder may carry its own as ``profile.json``.
"""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import headlab
from headlab import confidence, probes
from headlab.behaviours import Behaviour, Prompt, behaviours, get_behaviour
from headlab.confidence import UNCLASSIFIED
from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.models.attention import Tap, run
from headlab.models.loading import LoadedModel
from headlab.models.tokens import StartToken, resolve_start_token, token_text
from headlab.models.weights import has_weights
from headlab.scoring import Batch, Measured

SCHEMA = "headlab.profile/1"
BATCH_SIZE = 16
SEED = 0
TOP_CAP = 8

Progress = Callable[[float, str], None]
Measurements = dict[str, dict[str, Measured]]  # behaviour -> probe -> measured


def measure(
    model: LoadedModel, prompts: Mapping[str, Sequence[Prompt]], chosen: Sequence[Behaviour]
) -> Measurements:
    """Every head on the chosen behaviours, one forward pass for each prompt.

    One layer of attention exists at a time; scores of [prompt, layer, head] are what is kept.
    """
    measured: Measurements = {behaviour.name: {} for behaviour in chosen}
    for probe, sequences in prompts.items():
        here = [behaviour for behaviour in chosen if probe in behaviour.probes]
        if here and sequences:
            for name, result in _measure_probe(model, sequences, here).items():
                measured[name][probe] = result
    return measured


def _measure_probe(
    model: LoadedModel, prompts: Sequence[Prompt], chosen: Sequence[Behaviour]
) -> dict[str, Measured]:
    shape = (len(prompts), model.n_layers, model.n_heads)
    score = {b.name: np.full(shape, np.nan) for b in chosen}
    chance = {b.name: np.full(shape, np.nan) for b in chosen}
    rows = {b.name: np.zeros(len(prompts), dtype=int) for b in chosen}
    # prompts of one length together, so that little of a batch is padding
    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index].tokens))
    for begin in range(0, len(by_length), BATCH_SIZE):
        indices = by_length[begin : begin + BATCH_SIZE]
        batch = Batch([prompts[index] for index in indices], chosen, model=model)

        def read(layer, pattern, value, batch=batch, indices=indices):
            scores, chances = batch.score_layer(layer, pattern, value)
            for behaviour in chosen:
                score[behaviour.name][indices, layer] = scores[behaviour.name]
                chance[behaviour.name][indices, layer] = chances[behaviour.name]

        tokens = model.as_batch([prompt.tokens for prompt in batch.prompts])
        run(model.network, tokens, Tap(read=read, last_layer=model.n_layers - 1))
        for behaviour in chosen:
            rows[behaviour.name][indices] = batch.rows[behaviour.name]
    return {b.name: Measured(score[b.name], chance[b.name], rows[b.name]) for b in chosen}


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


def _labels(measured: Measurements, order: Mapping[str, Behaviour]) -> np.ndarray:
    """Label indices [layer, head] from all prompts counted once."""
    return confidence.decide_labels(
        {
            name: _combine(b, measured[name], _once(measured[name])).on_scale(b)[0]
            for name, b in order.items()
        },
        order,
    )


def _once(by_probe: Mapping[str, Measured]) -> dict[str, np.ndarray]:
    """Weights that count every prompt once."""
    return {probe: np.ones((1, len(m.rows))) for probe, m in by_probe.items()}


@dataclass(frozen=True, eq=False)
class Profile:
    """All heads of a model on all behaviours.

    ``score``, ``low``, ``high``, ``chance``, ``excess`` and ``role_confidence`` map a behaviour to
    an array [layer, head]; NaN means "cannot be measured", and ``untested`` says why. ``label``,
    ``label_confidence``, ``stability``, ``holds_in`` and ``margin`` are [layer, head].
    ``prompt_scores`` keeps every prompt's own scores, behaviour -> probe -> [prompt, layer, head].
    """

    model_name: str
    content_hash: str
    start_token: int | None
    start_text: str | None
    n_layers: int
    n_heads: int
    score: dict[str, np.ndarray]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    chance: dict[str, np.ndarray]
    excess: dict[str, np.ndarray]
    role_confidence: dict[str, np.ndarray]
    n_prompts: dict[str, int]
    n_rows: dict[str, int]
    label: np.ndarray
    label_confidence: np.ndarray
    stability: np.ndarray
    holds_in: np.ndarray
    n_variants: int
    margin: np.ndarray
    false_positives: dict[str, int]
    controls: int
    probe_scores: dict[str, dict[str, np.ndarray]]
    evidence: dict[str, np.ndarray]
    untested: dict[str, str]
    prompt_scores: dict[str, dict[str, np.ndarray]] = field(repr=False)
    provenance: dict[str, Any] = field(repr=False)

    @property
    def behaviours(self) -> tuple[str, ...]:
        """Names of the behaviours measured, in label order."""
        return tuple(self.score)

    def value(self, behaviour: str) -> np.ndarray:
        """What is held against the threshold, [layer, head]: excess, or the raw score."""
        raw = get_behaviour(behaviour).scale == "raw"
        return (self.score if raw else self.excess)[behaviour]

    def roles(self, layer: int, head: int) -> list[str]:
        """Behaviours that the head shows at least from the value on at which they are shown."""
        return [
            name
            for name in self.behaviours
            if self.value(name)[layer, head] >= get_behaviour(name).shown_from
        ]

    def tags(self, layer: int, head: int) -> list[str]:
        """What the head does beside its label, such as "copies"."""
        passed = [name for name in self.behaviours if self._passes(name, layer, head)]
        tags = [(name, get_behaviour(name).tag) for name in passed]
        return [tag for name, tag in tags if tag and name != self.label[layer, head]]

    def _passes(self, behaviour: str, layer: int, head: int) -> bool:
        return bool(self.value(behaviour)[layer, head] >= get_behaviour(behaviour).threshold)

    def label_text(self, layer: int, head: int) -> str:
        """The label with its tags: "induction · copies"."""
        return " · ".join([self.title(layer, head).lower(), *self.tags(layer, head)])

    def title(self, layer: int, head: int) -> str:
        """The label as learners read it."""
        name = str(self.label[layer, head])
        return "Unclassified" if name == UNCLASSIFIED else get_behaviour(name).title

    def confidence_text(self, layer: int, head: int) -> str:
        """The label's confidence in words: "stable 97 %, holds in 3 of 4"."""
        stability = self.stability[layer, head]
        if np.isnan(stability):
            stable = f"fewer than {confidence.FEWEST_PROMPTS} prompts, stability unknown"
        else:
            stable = f"stable {'>99' if stability > 0.99 else round(100 * stability)} %"
        if not self.n_variants:
            return stable
        return f"{stable}, holds in {int(self.holds_in[layer, head])} of {self.n_variants}"

    def label_counts(self) -> dict[str, int]:
        """How many heads carry each label, in label order; labels nobody carries are 0."""
        return {name: int((self.label == name).sum()) for name in (*self.behaviours, UNCLASSIFIED)}

    def ranking(
        self,
        behaviour: str,
        top: int | None = None,
        layers: Iterable[int] | None = None,
        minimum: float | None = None,
    ) -> pd.DataFrame:
        """Heads ranked by a behaviour's score, best first; heads it could not test are left out."""
        get_behaviour(behaviour)
        if behaviour not in self.score:
            raise HeadlabError(
                f"The profile of {self.model_name} does not hold {behaviour!r}: profile it again."
            )
        table = self.table()
        table = table[(table["behaviour"] == behaviour) & table["score"].notna()]
        if layers is not None:
            table = table[table["layer"].isin(list(layers))]
        if minimum is not None:
            table = table[table["score"] >= minimum]
        table = table.sort_values("score", ascending=False, kind="stable").head(top)
        names = [str(Head(row.layer, row.head)) for row in table.itertuples()]
        table.insert(0, "name", names)
        return table.drop(columns="behaviour").reset_index(drop=True)

    def table(self) -> pd.DataFrame:
        """Tidy table, one row for each head and behaviour."""
        columns = ("score", "low", "high", "chance", "excess", "role_confidence")
        layer, head = np.indices((self.n_layers, self.n_heads)).reshape(2, -1)
        parts = [
            pd.DataFrame(
                {"layer": layer, "head": head, "behaviour": name}
                | {column: getattr(self, column)[name].reshape(-1) for column in columns}
                | {"n_prompts": self.n_prompts[name], "n_rows": self.n_rows[name]}
            )
            for name in self.behaviours
        ]
        return pd.concat(parts, ignore_index=True)

    def heads_table(self) -> pd.DataFrame:
        """One row for each head: label, confidence, stability, variants, margin, roles, tags."""
        layer, head = np.indices((self.n_layers, self.n_heads)).reshape(2, -1)
        columns = ("label", "label_confidence", "stability", "holds_in", "margin")
        return pd.DataFrame(
            {"name": [str(Head(int(a), int(b))) for a, b in zip(layer, head, strict=True)]}
            | {"layer": layer, "head": head}
            | {column: getattr(self, column).reshape(-1) for column in columns}
            | {"roles": [self.roles(a, b) for a, b in zip(layer, head, strict=True)]}
            | {"tags": [self.tags(a, b) for a, b in zip(layer, head, strict=True)]}
        )

    @property
    def top_heads(self) -> dict[str, list[dict[str, Any]]]:
        """Per behaviour at most 8 heads that show it, from several layers where possible.

        Heads past the threshold come first. Where they all lie in one layer, the best head of each
        other layer above the lower threshold is added.
        """
        found: dict[str, list[dict[str, Any]]] = {}
        for name in self.behaviours:
            behaviour, value = get_behaviour(name), self.value(name)
            lower = min(behaviour.shown_from, behaviour.threshold * 0.625)
            filled = np.where(np.isnan(value), -np.inf, value)
            order = np.argsort(-filled, axis=None, kind="stable")
            ranked = [Head(*map(int, np.unravel_index(i, value.shape))) for i in order]
            chosen = [head for head in ranked if filled[head] >= behaviour.threshold]
            best_of_layer = {head.layer: head for head in reversed(ranked)}
            if len({head.layer for head in chosen}) == 1:
                others = [
                    head
                    for layer, head in best_of_layer.items()
                    if layer != chosen[0].layer and filled[head] >= lower
                ]
                others.sort(key=lambda head: -filled[head])
                chosen = chosen[: max(1, TOP_CAP - len(others))] + others
            found[name] = [
                {"head": str(head), "score": round(float(self.score[name][head]), 4)}
                for head in chosen[:TOP_CAP]
            ]
        return found

    def save(self, path: str | Path) -> None:
        """Write the profile as JSON, schema ``headlab.profile/1``."""
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self.as_json(), allow_nan=False), encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            raise HeadlabError(
                f"{path} cannot be written ({error.strerror}): choose another place."
            ) from error

    def as_json(self) -> dict[str, Any]:
        """The profile as JSON types; NaN becomes null."""
        arrays = {
            name: _plain(getattr(self, name), 6)
            for name in (*_BY_BEHAVIOUR, "label_confidence", "stability", "margin", "evidence")
        }
        return {
            "schema": SCHEMA,
            "model": self.model_name,
            "content_hash": self.content_hash,
            "start_token": self.start_token,
            "start_text": self.start_text,
            "n_layers": self.n_layers,
            "n_heads": self.n_heads,
            "provenance": self.provenance,
            **arrays,
            "n_prompts": self.n_prompts,
            "n_rows": self.n_rows,
            "label": self.label.tolist(),
            "holds_in": self.holds_in.tolist(),
            "n_variants": self.n_variants,
            "top_heads": self.top_heads,
            "false_positives": self.false_positives,
            "controls": self.controls,
            "untested": self.untested,
            "probe_scores": _plain(self.probe_scores, 6),
            "prompt_scores": _plain(self.prompt_scores, 4),
        }

    @classmethod
    def load(cls, path: str | Path) -> "Profile":
        """Read a profile written by :meth:`save`."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise HeadlabError(
                f"{path} cannot be read ({error.strerror}): check the path."
            ) from error
        except ValueError as error:
            raise HeadlabError(f"{path} is damaged: make the profile again.") from error
        return cls.from_json(data)

    @classmethod
    def from_json(cls, data: Any) -> "Profile":
        """A profile from its JSON types; a sentence for anything that is none."""
        schema = data.get("schema") if isinstance(data, dict) else None
        if schema != SCHEMA:
            raise HeadlabError(
                f"This is no profile that this version reads (its schema is {schema!r}, not "
                f"{SCHEMA!r}): make it again with `python -m headlab profile`."
            )
        try:
            shape = (data["n_layers"], data["n_heads"])
            arrays = {
                name: {key: _array(value, shape) for key, value in data[name].items()}
                for name in _BY_BEHAVIOUR
            }
            for name in arrays["score"]:
                get_behaviour(name)
            return cls(
                model_name=data["model"],
                **{
                    name: data[name]
                    for name in (
                        *("content_hash", "start_token", "start_text", "n_layers", "n_heads"),
                        *("n_prompts", "n_rows", "n_variants", "false_positives", "controls"),
                        *("untested", "provenance"),
                    )
                },
                **arrays,
                **{
                    name: _array(data[name], shape)
                    for name in ("label_confidence", "stability", "margin", "holds_in")
                },
                label=np.array(data["label"], dtype=str).reshape(shape),
                evidence={key: _array(value) for key, value in data["evidence"].items()},
                probe_scores=_arrays_by_probe(data["probe_scores"]),
                prompt_scores=_arrays_by_probe(data["prompt_scores"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise HeadlabError(
                f"The profile is incomplete or was changed by hand ({error}): make it again."
            ) from error


_BY_BEHAVIOUR = ("score", "low", "high", "chance", "excess", "role_confidence")


def _plain(value: Any, digits: int) -> Any:
    """Arrays, and dicts of them, as nested lists of rounded numbers and None for NaN."""
    if isinstance(value, dict):
        return {key: _plain(item, digits) for key, item in value.items()}
    rounded = np.round(np.asarray(value, dtype=float), digits)
    return np.where(np.isnan(rounded), None, rounded.astype(object)).tolist()


def _array(value: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    array = np.array(value, dtype=float)
    return array if shape is None else array.reshape(shape)


def _arrays_by_probe(data: Any) -> dict[str, dict[str, np.ndarray]]:
    return {
        name: {probe: _array(value) for probe, value in by_probe.items()}
        for name, by_probe in data.items()
    }


def profile_model(
    model: LoadedModel,
    *,
    start_token: StartToken = "model",
    variants: bool = True,
    controls: int = 3,
    progress: Progress | None = None,
    cache: bool = True,
) -> Profile:
    """Score every head on every behaviour, with intervals, labels and confidences.

    Parameters
    ----------
    start_token : "model" for the model's own policy, a token id, or None for no start token.
    variants : also measure the four variants that a label must hold in (start token toggled,
        second sentence set, short texts, long texts).
    controls : number of random-weight models of the same shape whose specific labels are counted
        as false positives.
    progress : called with the share done, 0 to 1, and what is being done.
    cache : take a profile of the same content from the cache folder, and keep this one there.

    Returns
    -------
    Profile. Its scores are means over seeded, versioned probes (``headlab.probes``).
    """
    start = resolve_start_token(model, start_token)
    order = behaviours()
    key = _cache_key(model, start, variants, controls, order)
    if cache and (kept := _cached(model, key)) is not None:
        return kept
    report = progress or (lambda done, what: None)

    untested = {}
    if not has_weights(model.network):
        for behaviour in order.values():
            if behaviour.needs_model:
                untested[behaviour.name] = "headlab cannot yet read this architecture's weights"
    chosen = [b for b in order.values() if b.name not in untested]
    order = {b.name: b for b in chosen}

    steps = 2 + 4 * variants + controls
    report(0.0, "measuring the probes")
    prompts = probes.probe_prompts(model, start)
    measured = measure(model, prompts, chosen)
    evidence = {}
    for behaviour in chosen:
        if behaviour.evidence is not None and prompts[behaviour.probes[0]]:
            evidence |= behaviour.evidence(model, prompts[behaviour.probes[0]])
    report(1 / steps, "resampling")
    figures, label, resampled_label = _statistics(measured, order, prompts)
    stability = (resampled_label == label).mean(axis=0)
    few = [len(prompts[b.probes[0]]) < confidence.FEWEST_PROMPTS for b in chosen]
    stability[np.array([*few, any(few)])[label]] = np.nan

    holds_in, n_variants = np.zeros(label.shape, dtype=int), 0
    if variants:
        for name, replaced in probes.variant_prompts(model, start).items():
            report((2 + n_variants) / steps, f"variant: {name}")
            again = measure(model, replaced, chosen)
            merged = {name: measured[name] | again[name] for name in measured}
            holds_in += _labels(merged, order) == label
            n_variants += 1
    share = holds_in / n_variants if n_variants else np.full(label.shape, np.nan)

    specific = [b.name for b in chosen if not b.resting]
    false_positives = dict.fromkeys(specific, 0)
    for seed in range(controls):
        report((steps - controls + seed) / steps, f"random weights {seed + 1} of {controls}")
        found = _labels(measure(model.with_random_weights(seed), prompts, chosen), order)
        for name in specific:
            false_positives[name] += int((found == list(order).index(name)).sum())

    profile = Profile(
        model_name=model.name,
        content_hash=model.content_hash,
        start_token=start,
        start_text=None if start is None else token_text(model, start),
        n_layers=model.n_layers,
        n_heads=model.n_heads,
        **figures,
        label=confidence.label_names(label, order),
        label_confidence=np.minimum(stability, share) if n_variants else stability,
        stability=stability,
        holds_in=holds_in,
        n_variants=n_variants,
        false_positives=false_positives,
        controls=controls,
        evidence=evidence,
        untested=untested,
        prompt_scores={
            name: {probe: m.score for probe, m in by_probe.items()}
            for name, by_probe in measured.items()
        },
        provenance=_provenance(model, key, order),
    )
    if cache:
        _keep(profile, key)
    report(1.0, "done")
    return profile


def _statistics(
    measured: Measurements,
    order: Mapping[str, Behaviour],
    prompts: Mapping[str, Sequence[Prompt]],
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Every figure of a profile that resampling gives; labels [layer, head] and per resample."""
    draws = {
        probe: confidence.bootstrap_weights(len(sequences), SEED)
        for probe, sequences in prompts.items()
        if sequences
    }
    figures: dict[str, Any] = {
        name: {} for name in (*_BY_BEHAVIOUR, "n_prompts", "n_rows", "probe_scores")
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
            bounds[:, tested] = np.nanpercentile(resampled.score[:, tested], [2.5, 97.5], axis=0)
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
    label = confidence.decide_labels(values, order)
    figures["margin"] = confidence.margins(values, label, order)
    return figures, label, confidence.decide_labels(resampled_values, order)


def _provenance(model: LoadedModel, key: str, order: Mapping[str, Behaviour]) -> dict[str, Any]:
    packages = ("torch", "transformers", "numpy")
    return {
        "key": key,
        "seed": SEED,
        "probe_version": probes.VERSION,
        "resamples": confidence.N_RESAMPLES,
        "dtype": str(model.network.dtype).removeprefix("torch."),
        "device": model.device.type,
        "thresholds": _thresholds(order),
        "versions": {
            "headlab": headlab.__version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
    }


def _thresholds(order: Mapping[str, Behaviour]) -> dict[str, dict[str, Any]]:
    return {
        name: {"threshold": b.threshold, "scale": b.scale, "shown_from": b.shown_from}
        for name, b in order.items()
    }


def _cache_key(
    model: LoadedModel,
    start: int | None,
    variants: bool,
    controls: int,
    order: Mapping[str, Behaviour],
) -> str:
    """Everything that a profile's figures depend on, hashed."""
    facts = [
        *(SCHEMA, model.content_hash, str(model.network.dtype), start, variants, controls),
        *(SEED, probes.VERSION, confidence.N_RESAMPLES, _thresholds(order)),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def cache_folder() -> Path:
    """Where profiles are kept: ``HEADLAB_CACHE``, else the platform's cache folder."""
    if named := os.environ.get("HEADLAB_CACHE"):
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "headlab"


def _cached(model: LoadedModel, key: str) -> Profile | None:
    """The kept profile with this key; a damaged or foreign file counts as none."""
    places = [cache_folder() / "profiles" / f"{key}.json"]
    if model.folder is not None:
        places.append(model.folder / "profile.json")
    for place in places:
        if place.is_file():
            try:
                profile = Profile.load(place)
            except HeadlabError:
                continue
            if profile.provenance.get("key") == key:
                return profile
    return None


def _keep(profile: Profile, key: str) -> None:
    """Keep a profile in the cache folder, where that can be written; it is only a cache."""
    try:
        profile.save(cache_folder() / "profiles" / f"{key}.json")
    except HeadlabError as error:
        print(f"headlab: the profile is not kept for next time: {error}", file=sys.stderr)
