"""Profile, bare forward pass and TransformerLens `detect_head` on the same prompts, in one run.

    PYTHONPATH=. python benchmarks/detect_head_speed.py [--repeat 3] [--processor-time]

GPT-2 small's shape (124 M parameters, vocabulary of 50,257) with random weights, the tokenizer of
`mini`, and the profile's 50 repeated sequences and 20 sentences. `detect_head` takes strings:
prompts that do not come back from it as the same ids are left out on all sides. It scores its three
behaviours, the profile all that patterns can show. --processor-time counts the processor's seconds
on one thread instead of the clock's, for a machine that others use at the same time.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import torch
from transformers import AutoModelForCausalLM, GPT2Config

from benchmarks.bare import bare_pass, eager_twin, on_patterns
from headlab import LoadedModel, load_model
from headlab.behaviours import Prompt
from headlab.measuring import probes
from headlab.models.proof import examine
from headlab.profiles.probing import measure

THEIRS = ("previous_token_head", "duplicate_token_head", "induction_head")


def bridge_of(network, tokenizer):
    """TransformerLens 4.3 around an eager network, its weights as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformer_lens.model_bridge import TransformerBridge

        return TransformerBridge.boot_transformers(
            "gpt2", hf_model=network, tokenizer=tokenizer, device="cpu", dtype=torch.float32
        )


def same_ids(model: LoadedModel, bridge, prompts: list[Prompt]) -> tuple[list[Prompt], list[str]]:
    """The prompts that TransformerLens reads as the same ids, and their texts."""
    kept, texts = [], []
    for prompt in prompts:
        text = model.tokenizer.decode(prompt.tokens[1:], clean_up_tokenization_spaces=False)
        if bridge.to_tokens(text)[0].tolist() == list(prompt.tokens):
            kept.append(prompt)
            texts.append(text)
    return kept, texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--processor-time", action="store_true")
    options = parser.parse_args()
    clock: Callable[[], float] = time.perf_counter
    if options.processor_time:
        torch.set_num_threads(1)
        clock = time.process_time

    mini = load_model("mini")
    network = AutoModelForCausalLM.from_config(GPT2Config(), attn_implementation="eager").eval()
    examine(network)
    model = replace(mini, network=network, name="gpt2, random weights", folder=None)
    eager = eager_twin(network)
    from transformer_lens.head_detector import detect_head

    bridge = bridge_of(eager, mini.tokenizer)
    made = {
        "repeats": probes.repeats(model, model.start_token),
        "sentences": probes.sentences(model, model.start_token),
    }
    prompts, texts = {}, []
    for probe, sequences in made.items():
        prompts[probe], strings = same_ids(model, bridge, sequences)
        texts += strings
        print(f"{probe}: {len(strings)} of {len(sequences)} prompts are read as the same ids")
    chosen = on_patterns()
    bare = bare_pass(model, eager, prompts.values())

    def profile() -> None:
        measure(model, prompts, chosen)

    @torch.inference_mode()
    def detect() -> None:
        for pattern in THEIRS:
            detect_head(bridge, texts, pattern)

    ways = {"bare eager forward": bare, "profile": profile, "detect_head": detect}
    bare()  # what is made once
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.repeat):
        for name, work in ways.items():
            begin = clock()
            work()
            seconds[name].append(clock() - begin)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    n_tokens = sum(len(p.tokens) for sequences in prompts.values() for p in sequences)
    print(f"{n_tokens} tokens, {options.repeat} runs, medians")
    for name, value in median.items():
        runs = ", ".join(f"{run:.1f}" for run in seconds[name])
        print(f"{name:>20} {value:8.2f} s ({runs})")
    plain, ours, theirs = median.values()
    print(f"profile of {len(chosen)} behaviours / bare eager forward: {ours / plain:.3f}")
    print(f"detect_head of {len(THEIRS)} behaviours / profile: {theirs / ours:.2f}")


if __name__ == "__main__":
    main()
