"""Readings and profiles made of random numbers, so that reports of any shape are made at once."""

import numpy as np

from headlab import Profile, Reading
from headlab.behaviours import behaviours
from headlab.heads import Head
from headlab.interventions import Control, Intervention, Prediction, Sweep
from headlab.measuring.confidence import UNCLASSIFIED
from headlab.measuring.reading import SHAPES
from headlab.profiles.profile import BY_BEHAVIOUR

NAMES = list(behaviours())


def made_up_reading(n_layers=2, n_heads=2, n_tokens=4, seed=0, **changes) -> Reading:
    """A reading of tokens "a0", "a1" ... whose patterns are random."""
    rng = np.random.default_rng(seed)
    shape = (n_layers, n_heads)
    patterns = rng.dirichlet(np.full(n_tokens, 0.1), (*shape, n_tokens)).astype(np.float32)
    patterns = np.tril(patterns) + 1e-6 * np.tri(n_tokens, dtype=np.float32)
    patterns /= patterns.sum(-1, keepdims=True)
    seen = [name for name, about in behaviours().items() if not about.needs_model]
    values = {
        "model_name": "made-up",
        "start_token": 0,
        "start_text": "<|endoftext|>",
        "text": " ".join(f"a{i}" for i in range(n_tokens - 1)),
        "tokens": list(range(n_tokens)),
        "token_texts": ["<|endoftext|>", *(f"a{i}" for i in range(n_tokens - 1))],
        "layers": tuple(range(n_layers)),
        "patterns": patterns,
        "scores": {name: rng.random(shape) for name in seen},
        "chance": {name: rng.random(shape) / 4 for name in seen},
        "rows": dict.fromkeys(seen, n_tokens),
        "shares": {name: np.full(shape, 0.2) for name in SHAPES},
        "entropy": np.full(shape, 0.5),
    }
    return Reading(**(values | changes))


def made_up_profile(n_layers=2, n_heads=2, seed=1, **changes) -> Profile:
    """A profile with a random number in every place, and the labels that follow from them."""
    rng = np.random.default_rng(seed)
    shape = (n_layers, n_heads)
    values = {
        "model_name": "made-up",
        "content_hash": "0" * 64,
        "start_token": 0,
        "start_text": "<|endoftext|>",
        "n_layers": n_layers,
        "n_heads": n_heads,
        **{part: {name: rng.random(shape) for name in NAMES} for part in BY_BEHAVIOUR},
        "n_prompts": dict.fromkeys(NAMES, 20),
        "n_rows": dict.fromkeys(NAMES, 400),
        "label_confidence": rng.random(shape),
        "stability": rng.random(shape),
        "holds_in": rng.integers(0, 5, shape),
        "n_variants": 4,
        "margin": rng.random(shape),
        "false_positives": {},
        "controls": 3,
        "evidence": {},
        "untested": {},
        "prompt_scores": {},
        "provenance": {
            **{"key": "", "seed": 0, "probe_version": 2, "resamples": 1000, "dtype": "float32"},
            **{"device": "cpu", "thresholds": {}, "versions": {"headlab": "0.1.0"}},
        },
    }
    values |= changes
    known = [behaviours()[name] for name in values["score"]]
    values["provenance"]["thresholds"] = {
        b.name: {"threshold": b.threshold, "scale": b.scale, "shown_from": b.shown_from}
        for b in known
    }
    passed = [
        values["score" if b.scale == "raw" else "excess"][b.name] >= b.threshold for b in known
    ]
    values["label"] = np.select(passed, [b.name for b in known], UNCLASSIFIED)
    values["probe_scores"] = {name: {"sentences": each} for name, each in values["score"].items()}
    return Profile(**values)


def made_up_removal(reading, mode="mean", word="a1", seed=2, **changes) -> Intervention:
    """A removal of the first head from a made-up reading; ``word`` is watched and expected."""
    rng = np.random.default_rng(seed)
    losses = np.concatenate([[np.nan], rng.random(len(reading.tokens) - 1)])
    expected = [Prediction(1, word, 0.5), Prediction(2, "b", 0.25)]
    values = {
        **_on(reading),
        **{"text": reading.text, "tokens": reading.tokens, "token_texts": reading.token_texts},
        **{"heads": (Head(0, 0),), "mode": mode, "replaced_by": mode},
        "position": len(reading.tokens) - 1,
        **{"losses_before": losses, "losses_after": losses + rng.random()},
        **{"watched": (1,), "watched_texts": (word,)},
        **{"logprobs_before": np.log([0.5]), "logprobs_after": np.log([0.25])},
        **{"top_before": expected, "top_after": expected[::-1]},
        **{"scores_before": {}, "scores_after": {}},
        "control": Control(((Head(0, 1),),), rng.random(1), rng.random((1, 1)), True),
    }
    return Intervention(**(values | changes))


def made_up_sweep(reading, seed=3, **changes) -> Sweep:
    """Random effects of every head of a made-up reading."""
    values = {
        **_on(reading),
        **{"texts": (reading.text,), "mode": "mean", "replaced_by": "its mean"},
        **{"metric": "loss", "watched_text": None, "before": 1.5, "position_effect": None},
        "effect": np.random.default_rng(seed).normal(size=(reading.n_layers, reading.n_heads)),
    }
    return Sweep(**(values | changes))


def _on(reading):
    facts = ("model_name", "start_token", "start_text")
    return {name: getattr(reading, name) for name in facts}
