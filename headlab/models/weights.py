"""Per-head weights, one adapter per architecture.

Shapes follow x @ W: ``W_V`` [head, d_model, d_head], ``W_O`` [head, d_head, d_model].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from headlab.errors import HeadlabError


@dataclass(frozen=True)
class HeadWeights:
    """The four matrices of every head of one layer, with the biases of query, key and value."""

    W_Q: torch.Tensor  # [head, d_model, d_head]
    W_K: torch.Tensor  # [head, d_model, d_head]
    W_V: torch.Tensor  # [head, d_model, d_head]
    W_O: torch.Tensor  # [head, d_head, d_model]
    b_Q: torch.Tensor  # [head, d_head]
    b_K: torch.Tensor  # [head, d_head]
    b_V: torch.Tensor  # [head, d_head]


def _gpt2(network: Any, layer: int) -> HeadWeights:
    attention = network.transformer.h[layer].attn
    n_heads, d_head = attention.num_heads, attention.head_dim
    weight = attention.c_attn.weight  # Conv1D keeps [d_model, 3 * d_model]
    d_model = weight.shape[0]
    W_Q, W_K, W_V = weight.view(d_model, 3, n_heads, d_head).permute(1, 2, 0, 3)
    b_Q, b_K, b_V = attention.c_attn.bias.view(3, n_heads, d_head)
    W_O = attention.c_proj.weight.view(n_heads, d_head, d_model)
    return HeadWeights(W_Q, W_K, W_V, W_O, b_Q, b_K, b_V)


_ADAPTERS: dict[str, Callable[[torch.nn.Module, int], HeadWeights]] = {"gpt2": _gpt2}


def has_weights(network: Any) -> bool:
    """Whether headlab knows where this architecture keeps its per-head weights."""
    return network.config.model_type in _ADAPTERS


def head_weights(network: Any, layer: int) -> HeadWeights:
    """The per-head weights of one layer; an error for an architecture without an adapter."""
    model_type = network.config.model_type
    if model_type not in _ADAPTERS:
        raise HeadlabError(
            f"headlab does not know where a {model_type} model keeps its per-head weights: "
            "measures of what a head writes need a GPT-2 model."
        )
    return _ADAPTERS[model_type](network, layer)


def final_norm_weight(network: Any) -> torch.Tensor:
    """The weight of the final LayerNorm of a GPT-2 model, [d_model]."""
    return network.transformer.ln_f.weight


def unembedding(network: Any) -> torch.Tensor:
    """W_U, [d_model, vocabulary]."""
    return network.get_output_embeddings().weight.T


@torch.inference_mode()
def last_logits(network: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Logits [batch, vocabulary] after the last of ``hidden`` [batch, position, d_model]."""
    return network.get_output_embeddings()(hidden[:, -1])


@torch.inference_mode()
def copied_tokens(
    network: Any,
    layer: int,
    value: torch.Tensor,
    tokens: torch.Tensor,
    lengths: torch.Tensor,
) -> torch.Tensor:
    """Where a head's output raises the token it reads more than any other token of the prompt.

    ``value`` [batch, head, key, d_head] as the tap shows it, ``tokens`` [batch, key], ``lengths``
    [batch]. Returns 1.0 or 0.0, [batch, head, key]; 0 beyond a prompt's length.
    """
    W_O = head_weights(network, layer).W_O
    W_U, norm = unembedding(network), final_norm_weight(network)[:, None]
    written = value @ W_O  # [batch, head, key, d_model]
    copied = value.new_zeros(value.shape[:3])
    for row, length in enumerate(lengths.tolist()):
        distinct, own = tokens[row, :length].unique(return_inverse=True)
        logits = written[row, :, :length] @ (W_U[:, distinct] * norm)  # [head, key, distinct token]
        copied[row, :, :length] = (logits.argmax(-1) == own).to(copied.dtype)
    return copied
