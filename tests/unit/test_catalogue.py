"""What the catalogue says of a model follows from the model's configuration."""

import re

import pytest
import torch
from transformers import AutoConfig, GPT2Config, GPTNeoXConfig, LlamaConfig, OPTConfig, Qwen2Config

from headlab import load_model
from headlab.models.catalogue import CATALOGUE, PUBLIC_LIMIT, offered
from headlab.models.hf import CAUSAL_MODELS
from headlab.models.memory import needed_memory


def gpt2(width, layers, heads):
    return GPT2Config(n_embd=width, n_layer=layers, n_head=heads)


def pythia(width, layers, heads):
    return GPTNeoXConfig(
        vocab_size=50304,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
    )


def opt():
    return OPTConfig(
        vocab_size=50272,
        hidden_size=768,
        ffn_dim=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        max_position_embeddings=2048,
        word_embed_proj_dim=768,
    )


def qwen2():
    return Qwen2Config(
        vocab_size=151936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )


# Each published configuration, and the bytes of its weights file for a parameter and for the
# causal masks: GPT-2 files hold float32 masks of 1,024 x 1,024, Pythia's bytes of 2,048 x 2,048.
PUBLISHED = {
    "gpt2": (lambda: gpt2(768, 12, 12), 4, 4 * 1024**2),
    "gpt2-medium": (lambda: gpt2(1024, 24, 16), 4, 4 * 1024**2),
    "gpt2-large": (lambda: gpt2(1280, 36, 20), 4, 4 * 1024**2),
    "gpt2-xl": (lambda: gpt2(1600, 48, 25), 4, 4 * 1024**2),
    "distilgpt2": (lambda: gpt2(768, 6, 12), 4, 4 * 1024**2),
    "EleutherAI/pythia-70m": (lambda: pythia(512, 6, 8), 2, 2048**2),
    "EleutherAI/pythia-160m": (lambda: pythia(768, 12, 12), 2, 2048**2),
    "EleutherAI/pythia-410m": (lambda: pythia(1024, 24, 16), 2, 2048**2),
    "facebook/opt-125m": (opt, 2, 0),
    "Qwen/Qwen2.5-0.5B": (qwen2, 2, 0),
}


def test_every_entry_is_checked():
    assert {"mini", "smollm2", *PUBLISHED} == set(CATALOGUE)


def test_the_model_of_a_package_follows_from_its_configuration():
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )
    entry = CATALOGUE["smollm2"]
    assert entry.memory == needed_memory(config, torch.float32) == 4 * entry.parameters
    assert (entry.layers, entry.heads) == (30, 9)
    assert entry.wheel.size == entry.download


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_entry_follows_from_its_configuration(name):
    configuration, stored, mask = PUBLISHED[name]
    config, entry = configuration(), CATALOGUE[name]
    assert entry.memory == needed_memory(config, torch.float32) == 4 * entry.parameters
    assert (entry.layers, entry.heads) == (config.num_hidden_layers, config.num_attention_heads)
    assert entry.download == stored * entry.parameters + mask * entry.layers
    assert config.model_type in CAUSAL_MODELS


def test_mini_is_what_its_entry_says():
    entry, model = CATALOGUE["mini"], load_model("mini")
    config = AutoConfig.from_pretrained(entry.folder)
    assert entry.memory == needed_memory(config, torch.float32)
    assert (entry.layers, entry.heads) == (model.n_layers, model.n_heads)
    assert model.tokenizer.decode([model.start_token]) == entry.start_token


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_revision_is_a_commit(name):
    assert re.fullmatch("[0-9a-f]{40}", CATALOGUE[name].revision)
    assert CATALOGUE[name].hub and CATALOGUE[name].licence and CATALOGUE[name].start_token


def test_a_public_server_offers_what_is_small_and_no_pickle(monkeypatch):
    assert offered() == list(CATALOGUE)
    monkeypatch.setenv("HEADLAB_PUBLIC", "1")
    kept = [CATALOGUE[name] for name in offered()]
    assert {"mini", "gpt2"} <= {entry.name for entry in kept}
    assert all(entry.memory <= PUBLIC_LIMIT and not entry.pickled for entry in kept)
    assert len(kept) < len(CATALOGUE)
