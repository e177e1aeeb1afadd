"""Per-head weights, one adapter per architecture.

Shapes follow x @ W: ``W_V`` [head, d_model, d_head], ``W_O`` [head, d_head, d_model].
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class _Architecture:
    """Where an architecture keeps its attention, and how it is cut into heads.

    ``block`` names the module of layer ``{layer}``; inside it are ``attention``, ``reads``, the
    norm in front of it, ``output``, its output projection, and ``mlp``, whose output is added to
    the residual stream. ``final_norm`` is the last norm before the unembedding.
    """

    block: str
    attention: str
    reads: str
    output: str
    mlp: str
    final_norm: str
    split: Callable[[Any, Any], HeadWeights]


def _gpt2(attention: Any, config: Any) -> HeadWeights:
    """One Conv1D, [d_model, 3 * d_model]: all queries, all keys, all values."""
    n_heads, d_head = attention.num_heads, attention.head_dim
    weight = attention.c_attn.weight
    d_model = weight.shape[0]
    W_Q, W_K, W_V = weight.view(d_model, 3, n_heads, d_head).permute(1, 2, 0, 3)
    b_Q, b_K, b_V = attention.c_attn.bias.view(3, n_heads, d_head)
    W_O = attention.c_proj.weight.view(n_heads, d_head, d_model)
    return HeadWeights(W_Q, W_K, W_V, W_O, b_Q, b_K, b_V)


def _gpt_neox(attention: Any, config: Any) -> HeadWeights:
    """One Linear, [3 * d_model, d_model]: query, key and value of the first head, and so on."""
    n_heads, joint = config.num_attention_heads, attention.query_key_value
    d_model = joint.weight.shape[1]
    weight = joint.weight.view(n_heads, 3, -1, d_model)  # [head, 3, d_head, d_model]
    W_Q, W_K, W_V = weight.permute(1, 0, 3, 2)
    b_Q, b_K, b_V = _bias(joint).view(n_heads, 3, -1).transpose(0, 1)
    W_O = attention.dense.weight.T.view(n_heads, -1, d_model)
    return HeadWeights(W_Q, W_K, W_V, W_O, b_Q, b_K, b_V)


def _separate(attention: Any, config: Any) -> HeadWeights:
    """A Linear each for query, key and value; heads of one group share a key and a value."""
    n_heads = config.num_attention_heads
    d_head = attention.q_proj.weight.shape[0] // n_heads

    def heads(linear: Any) -> tuple[torch.Tensor, torch.Tensor]:
        weight = linear.weight.view(-1, d_head, linear.weight.shape[1]).transpose(1, 2)
        group = n_heads // len(weight)
        bias = _bias(linear).view(-1, d_head)
        return weight.repeat_interleave(group, dim=0), bias.repeat_interleave(group, dim=0)

    (W_Q, b_Q), (W_K, b_K), (W_V, b_V) = map(
        heads, (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    output = attention.o_proj if hasattr(attention, "o_proj") else attention.out_proj
    W_O = output.weight.T.view(n_heads, d_head, -1)
    return HeadWeights(W_Q, W_K, W_V, W_O, b_Q, b_K, b_V)


def _bias(linear: Any) -> torch.Tensor:
    """The bias of a linear layer, zeros where it has none."""
    weight = linear.weight
    return weight.new_zeros(weight.shape[0]) if linear.bias is None else linear.bias


_LLAMA = _Architecture(
    block="model.layers.{layer}",
    attention="self_attn",
    reads="input_layernorm",
    output="self_attn.o_proj",
    mlp="mlp",
    final_norm="model.norm",
    split=_separate,
)
_GPT2 = _Architecture(
    block="transformer.h.{layer}",
    attention="attn",
    reads="ln_1",
    output="attn.c_proj",
    mlp="mlp",
    final_norm="transformer.ln_f",
    split=_gpt2,
)
_ARCHITECTURES: dict[str, _Architecture] = {
    "gpt2": _GPT2,
    "gpt_neo": replace(
        _GPT2, attention="attn.attention", output="attn.attention.out_proj", split=_separate
    ),
    "gpt_neox": _Architecture(
        block="gpt_neox.layers.{layer}",
        attention="attention",
        reads="input_layernorm",
        output="attention.dense",
        mlp="mlp",
        final_norm="gpt_neox.final_layer_norm",
        split=_gpt_neox,
    ),
    "opt": _Architecture(
        block="model.decoder.layers.{layer}",
        attention="self_attn",
        reads="self_attn_layer_norm",
        output="self_attn.out_proj",
        mlp="fc2",
        final_norm="model.decoder.final_layer_norm",
        split=_separate,
    ),
    "qwen2": _LLAMA,
    "llama": _LLAMA,
    "mistral": _LLAMA,
}


def has_weights(network: Any) -> bool:
    """Whether headlab knows where this architecture keeps its per-head weights."""
    return network.config.model_type in _ARCHITECTURES


def _architecture(network: Any) -> _Architecture:
    model_type = network.config.model_type
    if model_type not in _ARCHITECTURES:
        raise HeadlabError(
            f"headlab does not know where a {model_type} model keeps its per-head weights: "
            f"measures of what a head writes need one of {', '.join(_ARCHITECTURES)}."
        )
    return _ARCHITECTURES[model_type]


def head_weights(network: Any, layer: int) -> HeadWeights:
    """The per-head weights of one layer; an error for an architecture without an adapter."""
    architecture = _architecture(network)
    attention = _part(network, layer, architecture.attention)
    return architecture.split(attention, network.config)


def _part(network: Any, layer: int, name: str) -> Any:
    """A module inside the block of ``layer``."""
    name = f"{_architecture(network).block.format(layer=layer)}.{name}".rstrip(".")
    return network.get_submodule(name)


def layer_modules(network: Any) -> list[tuple[Any, Any]]:
    """The block of every layer, and the module inside it whose output is the MLP's."""
    architecture = _architecture(network)
    layers = range(network.config.num_hidden_layers)
    return [(block(network, layer), _part(network, layer, architecture.mlp)) for layer in layers]


def output_bias(network: Any, layer: int) -> torch.Tensor:
    """The bias of the output projection W_O, [d_model]; zeros where there is none."""
    projection = _part(network, layer, _architecture(network).output)
    if projection.bias is None:
        return torch.zeros(network.config.hidden_size, device=network.device, dtype=network.dtype)
    return projection.bias


def value_biases(network: Any) -> list[torch.Tensor]:
    """The bias of every head's values, [head, 1, d_head] by layer."""
    layers = range(network.config.num_hidden_layers)
    return [head_weights(network, layer).b_V[:, None] for layer in layers]


@torch.inference_mode()
def head_values(network: Any, layer: int, residual: torch.Tensor) -> torch.Tensor:
    """Value vectors of every head, bias included, from the residual stream before the layer.

    ``residual`` [batch, position, d_model] -> [batch, head, position, d_head].
    """
    weights = head_weights(network, layer)
    norm = norm_before(network, layer)
    residual = residual if norm is None else norm(residual)
    return residual[:, None] @ weights.W_V + weights.b_V[:, None]


def block(network: Any, layer: int) -> Any:
    """The module of one layer: attention and MLP."""
    return _part(network, layer, "")


def attention_module(network: Any, layer: int) -> Any:
    """The module of one layer that makes queries, keys and values and attends."""
    return _part(network, layer, _architecture(network).attention)


def norm_before(network: Any, layer: int) -> Any | None:
    """The norm in front of a layer's attention; None in models that normalise afterwards.

    Among those offered that is opt-350m alone.
    """
    if not getattr(network.config, "do_layer_norm_before", True):
        return None
    return _part(network, layer, _architecture(network).reads)


def final_norm(network: Any) -> Any | None:
    """The norm before the unembedding; None in models that normalise after each block."""
    parent, _, name = _architecture(network).final_norm.rpartition(".")
    return getattr(network.get_submodule(parent), name)


def final_norm_weight(network: Any) -> torch.Tensor:
    """The weight of the norm before the unembedding, [d_model]; ones where there is none."""
    weight = getattr(final_norm(network), "weight", None)
    if weight is None:
        return torch.ones(network.config.hidden_size, device=network.device, dtype=network.dtype)
    return weight


def embedding(network: Any, tokens: torch.Tensor | slice = slice(None)) -> torch.Tensor:
    """W_E, [vocabulary, d_model], or its rows for ``tokens`` alone.

    A projection between the embedding and the first layer (opt-350m) is part of it.
    """
    weight = network.get_input_embeddings().weight[tokens]
    decoder = getattr(network.base_model, "decoder", None)
    project_in = getattr(decoder, "project_in", None)
    return weight if project_in is None else weight @ project_in.weight.T


def unembedding(network: Any, tokens: torch.Tensor | slice | None = None) -> torch.Tensor:
    """W_U, [d_model, vocabulary], or its columns for ``tokens`` alone.

    A projection between the last layer and the unembedding (opt-350m) is part of it.
    """
    weight = network.get_output_embeddings().weight
    weight = weight if tokens is None else weight[tokens]
    decoder = getattr(network.base_model, "decoder", None)
    project_out = getattr(decoder, "project_out", None)
    return weight.T if project_out is None else project_out.weight.T @ weight.T


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
    [batch]. Returns 1.0 or 0.0, [batch, head, key]; 0 beyond a prompt's length. Computed in
    float32 whatever the network's type, for the largest of many logits is asked for.
    """
    copied = value.new_zeros(value.shape[:3], dtype=torch.float32)
    for row, own, logits in _own_logits(network, layer, value, tokens, lengths):
        copied[row, :, : len(own)] = (logits.argmax(-1) == own).to(copied.dtype)
    return copied


@torch.inference_mode()
def raised_and_lowered(
    network: Any,
    layer: int,
    value: torch.Tensor,
    tokens: torch.Tensor,
    lengths: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """:func:`copied_tokens`, and where the token read is the one that the output lowers most."""
    raised, lowered = value.new_zeros((2, *value.shape[:3]), dtype=torch.float32)
    for row, own, logits in _own_logits(network, layer, value, tokens, lengths):
        raised[row, :, : len(own)] = (logits.argmax(-1) == own).to(raised.dtype)
        lowered[row, :, : len(own)] = (logits.argmin(-1) == own).to(raised.dtype)
    return raised, lowered


def _own_logits(
    network: Any,
    layer: int,
    value: torch.Tensor,
    tokens: torch.Tensor,
    lengths: torch.Tensor,
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Each prompt: its row, which of its distinct tokens stands at each key, and their logits.

    The logits [head, key, distinct token] are those of what each head writes when it reads a key.
    """
    W_O = head_weights(network, layer).W_O.float()
    norm = final_norm_weight(network).float()[:, None]
    for row, length in enumerate(lengths.tolist()):
        distinct, own = tokens[row, :length].unique(return_inverse=True)
        raises = W_O @ (unembedding(network, distinct).float() * norm)  # [head, d_head, token]
        yield row, own, value[row, :, :length].float() @ raises
