"""How much scoring costs beside the forward pass it rides on.

    PYTHONPATH=. python benchmarks/profile_speed.py [MODEL ...] [--width 768] [--repeat 5]

Runs the profile's pattern behaviours over its probes (50 repeated sequences, 20 sentences) and a
bare eager forward pass of the same batches through the same base model, alternately, and prints
the ratio of the medians; then what whole profiles cost, in bare passes over all core probes, with
the random-weight controls kept from before, as they are for every later model of a shape.
--processor-time
counts the processor's seconds on one thread instead of the clock's, for a machine that others use
at the same time.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from transformers import AutoModelForCausalLM, GPT2Config

from benchmarks.bare import bare_pass, eager_twin, on_patterns
from headlab import LoadedModel, load_model, profile_model
from headlab.measuring import probes
from headlab.models.proof import examine
from headlab.profiles import profiling
from headlab.profiles.probing import STAGES, measure

clock: Callable[[], float] = time.perf_counter


def seconds(work: Callable[[], object]) -> float:
    begin = clock()
    work()
    return clock() - begin


def random_model(mini: LoadedModel, width: int) -> LoadedModel:
    """GPT-2's shape, 12 layers of 12 heads, with random weights and the tokenizer of `mini`."""
    sizes = {"n_embd": width, "n_layer": 12, "n_head": 12, "vocab_size": len(mini.tokenizer)}
    config = GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    examine(network)
    return replace(mini, network=network, name=f"random, width {width}", folder=None)


def compare(model: LoadedModel, repeat: int) -> None:
    """Print the ratio of scoring to bare forward passes over the same batches."""
    prompts = {
        "repeats": probes.repeats(model, model.start_token),
        "sentences": probes.sentences(model, model.start_token),
    }
    patterns_only = on_patterns()
    bare = bare_pass(model, eager_twin(model.network), prompts.values())

    def scored() -> None:
        measure(model, prompts, patterns_only)

    bare()
    scored()
    times = [(seconds(bare), seconds(scored)) for _ in range(repeat)]
    plain, with_scores = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted(ours / theirs for theirs, ours in times)
    n_tokens = sum(len(p.tokens) for sequences in prompts.values() for p in sequences)
    print(
        f"{model.name}: {n_tokens} tokens, {len(patterns_only)} behaviours: bare eager forward "
        f"{plain:.3f} s, profile's pattern behaviours {with_scores:.3f} s, ratio "
        f"{with_scores / plain:.3f} (runs {ratios[0]:.3f} to {ratios[-1]:.3f})"
    )


def whole(name: str, repeat: int) -> None:
    """Print what whole profiles of a model cost, in bare forward passes over its core probes."""
    model = load_model(name)
    prompts = probes.probe_prompts(model, model.start_token)
    core = [prompts[probe] for probe in ("repeats", "sentences", "facts", "names")]
    bare = bare_pass(model, eager_twin(model.network), core)
    first: list[float] = []

    def quick() -> None:
        begin = clock()
        profile_model(
            model,
            variants=False,
            controls=0,
            cache=False,
            partial=lambda share, _: first.append(clock() - begin) if share == STAGES[0] else None,
        )

    profiling.kept = lambda *_: None  # every profile is measured; only the controls are kept
    kinds: dict[str, Callable[[], object]] = {
        "whole, controls kept": lambda: profile_model(model),
        "without variants and controls": quick,
    }
    profile_model(model)  # keeps the controls
    bare()
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    passes = []
    for _ in range(repeat):
        passes.append(seconds(bare))
        for kind, work in kinds.items():
            times[kind].append(seconds(work))
    one = statistics.median(passes)
    n_tokens = sum(len(p.tokens) for sequences in core for p in sequences)
    print(f"{name}: {n_tokens} core tokens, a bare pass {one:.2f} s")
    for kind, found in (*times.items(), ("first labels", first)):
        middle = statistics.median(found)
        print(f"  {kind}: {middle:.2f} s, {middle / one:.2f} bare passes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["mini"])
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--processor-time", action="store_true")
    options = parser.parse_args()
    if options.processor_time:
        global clock
        torch.set_num_threads(1)
        clock = time.process_time
    mini = load_model("mini")
    compare(random_model(mini, options.width), options.repeat)
    compare(mini, options.repeat)
    for name in options.models:
        whole(name, options.repeat)


if __name__ == "__main__":
    main()
