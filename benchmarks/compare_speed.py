"""How long a comparison of two profiles takes, and how much of it is the paired bootstrap.

    PYTHONPATH=. python benchmarks/compare_speed.py [--behaviours 12] [--repeat 5]

Two made-up profiles of GPT-2 small's shape, 144 heads: every behaviour on 50 prompts, which is as
many as any probe has, and 1,000 resamples. Prints seconds, and the ratio to the same bootstrap done
head by head in a plain loop over the resamples of one behaviour.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from headlab import Profile, load_model
from headlab.measuring import confidence
from headlab.profiles.changes import changes
from headlab.profiles.compare import compare_profiles
from headlab.profiles.kept import kept_profile

N_PROMPTS = 50


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def made_up(profile: Profile, n_behaviours: int, seed: int) -> Profile:
    """A profile of the same shape with random scores for this many behaviours."""
    rng = np.random.default_rng(seed)
    names = [f"behaviour {i}" for i in range(n_behaviours)]
    shape = (N_PROMPTS, profile.n_layers, profile.n_heads)
    scores = {name: rng.random(shape) for name in names}
    return replace(
        profile,
        score={name: s.mean(axis=0) for name, s in scores.items()},
        probe_scores={name: {"repeats": s.mean(axis=0)} for name, s in scores.items()},
        prompt_scores={name: {"repeats": s} for name, s in scores.items()},
    )


def plain_bootstrap(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Interval [2, layer, head] of one behaviour, one resample after the other."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(confidence.N_RESAMPLES):
        prompts = rng.integers(len(before), size=len(before))
        drawn.append(after[prompts].mean(axis=0) - before[prompts].mean(axis=0))
    return np.percentile(drawn, confidence.INTERVAL, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--behaviours", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    profile = kept_profile(load_model("mini"))
    assert profile is not None
    one, two = (made_up(profile, options.behaviours, seed) for seed in (1, 2))
    name = next(iter(one.score))
    before, after = (p.prompt_scores[name]["repeats"] for p in (one, two))
    ours = statistics.median(seconds(lambda: changes(one, two)) for _ in range(options.repeat))
    plain = statistics.median(
        seconds(lambda: plain_bootstrap(before, after)) for _ in range(options.repeat)
    )
    whole = statistics.median(
        seconds(lambda: compare_profiles(profile, profile)) for _ in range(options.repeat)
    )
    heads = profile.n_layers * profile.n_heads
    print(
        f"paired bootstrap of {heads} heads x {options.behaviours} behaviours x "
        f"{confidence.N_RESAMPLES:,} resamples of {N_PROMPTS} prompts: {ours:.3f} s; "
        f"a plain loop: {options.behaviours * plain:.3f} s, ratio "
        f"{ours / (options.behaviours * plain):.3f}"
    )
    print(f"mini's whole profile compared with itself: {whole:.3f} s")


if __name__ == "__main__":
    main()
