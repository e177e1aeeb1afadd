"""How much removing and patching every head costs beside bare forward passes and TransformerLens.

    PYTHONPATH=. python benchmarks/intervention_speed.py [--repeat 3] [--theirs] [--peaks 30 256]
                                                         [--cpu]

On one text of 30 tokens: bare eager passes, unembedding included, one for each of the 144 heads;
`ablation_sweep` with the loss at all positions and with one token watched; `patch` of every head's
output. In turns, on random weights of GPT-2's shape and vocabulary, and on `mini`; medians of the
ratios. With `--theirs` TransformerLens does the same, a pass for each head, once. `--peaks` prints
how much memory a sweep takes above the model, for texts of so many tokens (Linux only).
"""

import argparse
import gc
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GPT2Config

from headlab import LoadedModel, ablation_sweep, load_model, patch
from headlab.behaviours import Prompt
from headlab.models.proof import examine
from headlab.models.tokens import tokenise

CLEAN = (
    "When Mary and John went down to the harbour in the morning, the sun was warm and the sea "
    "was still, so John gave a drink to"
)
CORRUPT = CLEAN.replace("so John", "so Mary")
STATUS = Path("/proc/self/status")


clock = time.perf_counter


def seconds(work: Callable[[], object]) -> float:
    begin = clock()
    work()
    return clock() - begin


def random_model(mini: LoadedModel, width: int, positions: int = 1024) -> LoadedModel:
    """GPT-2 small's shape and vocabulary with random weights; 124 M at width 768."""
    config = GPT2Config(n_embd=width, n_layer=12, n_head=12, n_positions=positions)
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    examine(network)
    size = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    name = f"random, {size:.0f} M"
    return replace(mini, network=network, name=name, folder=None, max_tokens=positions)


def eager(model: LoadedModel) -> torch.nn.Module:
    config = model.network.config.__class__(**model.network.config.to_dict())
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    network.load_state_dict(model.network.state_dict())
    return network.eval()


def compare(model: LoadedModel, repeat: int, theirs: bool) -> None:
    """Print what each way takes, and its ratio to as many bare passes."""
    tokens = torch.tensor([tokenise(model, CLEAN)[0]])
    corrupt = torch.tensor([tokenise(model, CORRUPT)[0]])
    network, n_heads = eager(model), model.n_layers * model.n_heads

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(n_heads):
            network(tokens, use_cache=False)

    watched = partial(ablation_sweep, metric="log-probability", watch=1)
    ways = {
        "bare passes": bare,
        "ablation, all positions": lambda: ablation_sweep(model, CLEAN),
        "ablation, one token watched": lambda: watched(model, CLEAN),
        "patching": lambda: patch(model, CLEAN, CORRUPT, 1, 2),
    }
    for work in list(ways.values())[1:]:
        work()
    runs = [{way: seconds(work) for way, work in ways.items()} for _ in range(repeat)]
    print(f"\n{model.name}, {tokens.shape[1]} tokens, {n_heads} heads")
    plain = statistics.median(run["bare passes"] for run in runs)
    for way in ways:
        ratios = sorted(run[way] / run["bare passes"] for run in runs)
        took = statistics.median(run[way] for run in runs)
        print(
            f"{way:>28} {took:7.2f} s   {statistics.median(ratios):.3f} x bare passes "
            f"({ratios[0]:.3f} to {ratios[-1]:.3f})"
        )
    if theirs:
        for way, took in their_times(model, network, tokens, corrupt).items():
            ours = statistics.median(run[way] for run in runs)
            print(
                f"TransformerLens, {way:>28} {took:7.2f} s   {took / plain:.3f} x bare passes, "
                f"{took / ours:.1f} x ours"
            )


def their_times(
    model: LoadedModel, network: torch.nn.Module, tokens: torch.Tensor, corrupt: torch.Tensor
) -> dict[str, float]:
    """TransformerLens removing, and patching, every head, a pass for each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own affair
        from transformer_lens import patching
        from transformer_lens.model_bridge import TransformerBridge

        bridge = TransformerBridge.boot_transformers(
            "gpt2", hf_model=network, tokenizer=model.tokenizer, device="cpu", dtype=torch.float32
        )

    def remove(z: torch.Tensor, hook: object, head: int) -> torch.Tensor:
        z = z.clone()
        z[:, :, head] = 0
        return z

    @torch.inference_mode()
    def ablation() -> None:
        for layer in range(model.n_layers):
            for head in range(model.n_heads):
                hook = (f"blocks.{layer}.attn.hook_z", partial(remove, head=head))
                logits = bridge.run_with_hooks(tokens, fwd_hooks=[hook])
                torch.nn.functional.cross_entropy(logits[0, :-1], tokens[0, 1:])

    @torch.inference_mode()
    def patches() -> None:
        _, cache = bridge.run_with_cache(tokens)
        patching.get_act_patch_attn_head_out_all_pos(
            bridge, corrupt, cache, lambda logits: logits[0, -1, 1] - logits[0, -1, 2]
        )

    return {"ablation, all positions": seconds(ablation), "patching": seconds(patches)}


def memory(field: str) -> int:
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


def peaks(model: LoadedModel, lengths: list[int]) -> None:
    """Print the peak of memory of a whole sweep above where the process stood."""
    for n in lengths:
        prompt = Prompt(tuple(range(1, n + 1)))
        gc.collect()
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        ablation_sweep(model, [prompt])
        print(f"peak of a sweep over {n} tokens: {(memory('VmHWM') - before) / 1e6:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--theirs", action="store_true", help="TransformerLens, too")
    parser.add_argument("--peaks", type=int, nargs="*", default=[], metavar="N", help="of N tokens")
    parser.add_argument("--cpu", action="store_true", help="processor time, on a busy machine")
    options = parser.parse_args()
    if options.cpu:
        global clock
        clock = time.process_time
    mini = load_model("mini", device="cpu")
    model = random_model(mini, options.width)
    peaks(model, options.peaks)  # first, while no memory is left over from other work
    for each in (mini, model):
        compare(each, options.repeat, options.theirs)


if __name__ == "__main__":
    main()
