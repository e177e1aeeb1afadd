"""How long others wait behind a long text, and how much memory it takes.

    PYTHONPATH=. python benchmarks/long_text.py [--tokens 4000] [--every 3]

A network of the size of Qwen2.5 0.5B with random weights reads one long text through the queue that
all learners of a server share, as the page reads it (pictures, no patterns kept). Meanwhile another
learner asks for a turn every few seconds, to read a short text. Prints how long these waited, what
they waited for themselves, how long the long text took beside them and was said to take, and the
peak of memory above the model's (Linux only).
"""

import argparse
import threading
import time

import numpy as np
import torch
from memory import forget_peak, memory
from transformers import AutoModelForCausalLM, Qwen2Config

from headlab import LoadedModel, load_model, read_text
from headlab.measuring.effort import effort_of_reading
from headlab.models.attention import pausing
from headlab.models.proof import examine
from headlab.ui.services.queue import ModelQueue

SHORT = "The cat sat on the mat. The cat sat on the"
WORDS = " the cat sat on a mat and then the dog came"


def as_large_as_qwen(n_tokens: int) -> LoadedModel:
    """24 layers of 14 heads, width 896, with the tokenizer of `mini`."""
    mini = load_model("mini")
    config = Qwen2Config(
        vocab_size=151_936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=max(32_768, n_tokens),
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    examine(network.requires_grad_(False))
    return LoadedModel(
        network=network,
        tokenizer=mini.tokenizer,
        name="random, Qwen2.5 0.5B's size",
        n_layers=24,
        n_heads=14,
        device=torch.device("cpu"),
        start_token=mini.start_token,
        max_tokens=config.max_position_embeddings,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--every", type=float, default=3.0, metavar="S")
    options = parser.parse_args()
    model, queue = as_large_as_qwen(options.tokens), ModelQueue()
    text = (WORDS * (options.tokens // 10))[1:]
    while len(read_tokens(model, text)) > options.tokens:
        text = text.rsplit(" ", 1)[0]
    read_text(model, SHORT, layers=())
    begin = time.perf_counter()
    read_text(model, SHORT, layers=(), pictures=True)
    alone = time.perf_counter() - begin
    over, waits = threading.Event(), []

    def others() -> None:
        while not over.wait(options.every):
            asked = time.perf_counter()
            with queue.turn():
                waits.append(time.perf_counter() - asked)
                read_text(model, SHORT, layers=(), pictures=True)

    said = effort_of_reading(model, options.tokens)
    before = memory("VmRSS")
    forget_peak()
    second = threading.Thread(target=others)
    begin = time.perf_counter()
    second.start()
    with queue.turn(), pausing(lambda layer: queue.give_way()):
        read_text(model, text, layers=(), pictures=True)
    took = time.perf_counter() - begin
    over.set()
    second.join()
    print(
        f"{model.name}: {options.tokens} tokens in {took:.1f} s (said before: {said.seconds:.0f} s "
        f"alone, {said.n_bytes / 1e9:.1f} GB), peak {(memory('VmHWM') - before) / 1e9:.2f} GB above"
        f" the model\n{len(waits)} turns of another learner: waited {np.median(waits):.2f} s in the"
        f" middle, {max(waits):.2f} s at most; their text takes {alone:.2f} s alone"
    )


def read_tokens(model: LoadedModel, text: str) -> list[int]:
    """The text's tokens."""
    tokens: list[int] = model.tokenizer(text).input_ids
    return [0, *tokens]


if __name__ == "__main__":
    main()
