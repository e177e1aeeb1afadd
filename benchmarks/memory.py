"""How much memory reading a text takes above the model's weights, over length and layers.

    PYTHONPATH=. python benchmarks/memory.py [--layers 12 48] [--tokens 128 512 1024]

GPT-2's width and heads with random weights, each case in a process of its own (Linux only). Peaks
are of the whole process above where it stood before the reading, in layers' attention: 12 heads x
tokens x tokens x 4 bytes. `measure` is what a profile does with one prompt; `one layer` and `all`
are `read_text` keeping the patterns of one layer and of all.
"""

import argparse
import gc
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GPT2Config

from headlab import LoadedModel, load_model, read_text
from headlab.behaviours import Prompt, behaviours
from headlab.models.proof import examine
from headlab.profiles.probing import measure

N_HEADS, WIDTH = 12, 768
WAYS = ("bare eager", "measure", "one layer", "all")
STATUS = Path("/proc/self/status")
# freed tensors go back to the system at once, so that a peak is what was needed at one time
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "262144"}


def memory(field: str) -> int:
    """Bytes of this process: "VmRSS" now, "VmHWM" at the peak since `forget_peak`."""
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def random_model(n_layers: int, n_tokens: int, ours: bool) -> LoadedModel:
    mini = load_model("mini")
    config = GPT2Config(
        n_embd=WIDTH,
        n_layer=n_layers,
        n_head=N_HEADS,
        n_positions=n_tokens,
        vocab_size=len(mini.tokenizer),
        bos_token_id=0,
        eos_token_id=0,
    )
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    if ours:
        examine(network)
    return replace(
        mini, network=network, name="random", folder=None, n_layers=n_layers, max_tokens=n_tokens
    )


def peak(way: str, n_layers: int, n_tokens: int) -> None:
    """Print the peak in layers' attention, in this process."""
    model = random_model(n_layers, n_tokens, ours=way != WAYS[0])
    words = (" The cat sat on the mat." * n_tokens)[: 6 * n_tokens]
    text = model.tokenizer.decode(model.tokenizer(words).input_ids[: n_tokens - 1])
    pattern_behaviours = [b for b in behaviours().values() if not b.needs_model]

    def work(text: str) -> int:
        tokens = [model.start_token, *model.tokenizer(text).input_ids]
        if way == "bare eager":
            with torch.inference_mode():
                model.network.base_model(torch.tensor([tokens]), use_cache=False)
        elif way == "measure":
            texts = tuple(model.tokenizer.convert_ids_to_tokens(tokens))
            prompt = Prompt(tuple(tokens), texts)
            measure(model, {"sentences": [prompt], "repeats": [prompt]}, pattern_behaviours)
        else:
            read_text(model, text, layers=[n_layers // 2] if way == "one layer" else None)
        return len(tokens)

    work("The cat sat on the mat.")  # what is made once
    gc.collect()
    before = memory("VmRSS")
    forget_peak()
    n = work(text)
    layer = N_HEADS * n * n * 4
    above = memory("VmHWM") - before
    print(f"{n} {above / layer:.2f} {above / 1e6:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, nargs="+", default=[12, 48])
    parser.add_argument("--tokens", type=int, nargs="+", default=[128, 256, 512, 1024])
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        way, n_layers, n_tokens = options.case
        peak(way, int(n_layers), int(n_tokens))
        return
    print(f"{'way':>10} {'layers':>6} {'tokens':>6} {'peak in layers':>14} {'MB':>6}")
    for n_layers in options.layers:
        for n_tokens in options.tokens:
            for way in WAYS:
                command = [sys.executable, __file__, "--case", way, str(n_layers), str(n_tokens)]
                environment = os.environ | ALLOCATOR
                done = subprocess.run(command, env=environment, capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(done.stderr)
                n, layers, megabytes = done.stdout.split()
                print(f"{way:>10} {n_layers:>6} {n:>6} {layers:>14} {megabytes:>6}", flush=True)


if __name__ == "__main__":
    main()
