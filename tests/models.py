"""Tiny models with random weights and a tiny tokenizer, made on the spot: no download, no files."""

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from headlab.evidence.verify import AGAIN
from headlab.measuring.probe_sentences import SENTENCES_A, SENTENCES_B
from headlab.measuring.probes import GIVEN_NAMES
from headlab.models.loaded import LoadedModel
from headlab.models.proof import examine

torch.set_num_threads(1)  # networks this small lose more than they gain by a second thread

VOCABULARY = 700
NAMES_KNOWN = 24  # given names that the tiny tokenizer learns as single tokens
START = "<|endoftext|>"
GROUPED = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}


def gpt2_config(**changes):
    sizes = {"vocab_size": VOCABULARY, "n_positions": 128, "n_embd": 32, "n_layer": 3, "n_head": 4}
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    return GPT2Config(**(sizes | ends | changes))


def neox_config(**changes):
    return GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=None,
        **changes,
    )


def opt_config(**changes):
    sizes = {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
    places = {"max_position_embeddings": 128, "word_embed_proj_dim": 32}
    return OPTConfig(**({"vocab_size": VOCABULARY} | sizes | places | changes))


def configurations():
    """One tiny configuration for each kind of attention that the tap is tested on."""
    window = {"sliding_window": 5}
    return {
        "gpt2": gpt2_config(),
        "gpt2, scaled by layer": gpt2_config(scale_attn_by_inverse_layer_idx=True),
        "gpt_neo": GPTNeoConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_layers=3,
            num_heads=4,
            attention_types=[[["global", "local", "global"], 1]],
            window_size=5,
            max_position_embeddings=128,
            bos_token_id=None,
            eos_token_id=None,
        ),
        "gpt_neox": neox_config(),
        "gpt_neox, one after the other": neox_config(use_parallel_residual=False),
        "opt": opt_config(),
        "opt, projected": opt_config(word_embed_proj_dim=16, do_layer_norm_before=False),
        "qwen2": Qwen2Config(**GROUPED),
        "qwen2, window": Qwen2Config(
            **GROUPED, use_sliding_window=True, max_window_layers=1, **window
        ),
        "llama": LlamaConfig(**GROUPED),
        "llama, biases": LlamaConfig(**GROUPED, attention_bias=True, head_dim=12),
        "mistral": MistralConfig(**(GROUPED | {"sliding_window": None})),
        "mistral, window": MistralConfig(**GROUPED, **window),
    }


def random_network(config, attention=None, seed=0):
    """A causal language model whose every weight and bias, the norms' too, is random."""
    network = AutoModelForCausalLM.from_config(config, attn_implementation=attention or "eager")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            scale = 1.0 if "norm" in name or "ln_" in name else 0.3
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    network.eval().requires_grad_(False)
    if attention is None:
        examine(network)
    return network


def tiny_tokenizer(vocabulary=VOCABULARY):
    """A byte-level BPE tokenizer trained in an instant on the sentences and names of probes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    names = [f" {name}" for name in GIVEN_NAMES[:NAMES_KNOWN]] * 20
    tokenizer.train_from_iterator([*SENTENCES_A, *SENTENCES_B, *names], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=START, eos_token=START)


def tiny_model(config=None, seed=0, start_token=0):
    """A loaded model around a random network: GPT-2 with 3 layers of 4 heads by default."""
    network = random_network(config or gpt2_config(), seed=seed)
    return LoadedModel(
        network=network,
        tokenizer=tiny_tokenizer(),
        name="tiny",
        n_layers=network.config.num_hidden_layers,
        n_heads=network.config.num_attention_heads,
        device=torch.device("cpu"),
        start_token=start_token,
        max_tokens=network.config.max_position_embeddings,
    )


def save_model(folder, config=None):
    """A transformers folder with a random network and its tokenizer, as authors publish them."""
    random_network(config or gpt2_config()).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def pickled(folder):
    """The folder with its weights as a PyTorch pickle."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


def as_published():
    """Matrices [layer, head] that hold the published figures of GPT-2 small and zeros."""
    measured = {m.name: np.zeros((12, 12)) for m in AGAIN}
    for m in AGAIN:
        for head, value in m.values.items():
            measured[m.name][head] = value
    return measured
