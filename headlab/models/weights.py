"""Per-head weights, cut out where the proof at opening found them.

Shapes follow x @ W: ``W_V`` [head, d_model, d_head], ``W_O`` [head, d_head, d_model].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from headlab.errors import HeadlabError
from headlab.models.anatomy import Layer, Projection, anatomy, body
from headlab.models.norms import norm_facts


@dataclass(frozen=True)
class HeadWeights:
    """The four matrices of every head of one layer, with the biases of query, key and value.

    Those of query and key are empty where a layer makes them in more than one step. Norms on
    queries and keys, and between W_O and the residual stream, are folded in, their scale left out.
    """

    W_Q: torch.Tensor  # [head, d_model, d_head]
    W_K: torch.Tensor  # [head, d_model, d_head]
    W_V: torch.Tensor  # [head, d_model, d_head]
    W_O: torch.Tensor  # [head, d_head, d_model]
    b_Q: torch.Tensor  # [head, d_head]
    b_K: torch.Tensor  # [head, d_head]
    b_V: torch.Tensor  # [head, d_head]


def has_weights(network: Any) -> bool:
    """Whether the heads' outputs could be rebuilt from the network's weights."""
    return not anatomy(network).weights


def check_weights(network: Any) -> None:
    """Raise HeadlabError where measures of what a head writes cannot be taken."""
    if not has_weights(network):
        raise HeadlabError(
            f"What the heads of a {network.config.model_type} model write cannot be told from its "
            f"weights ({anatomy(network).weights}): choose another model for that."
        )


def _layer(network: Any, layer: int) -> Layer:
    check_weights(network)
    found = anatomy(network).layers[layer]
    if not found.attention:
        raise HeadlabError(f"Layer {layer} of this model has no attention: choose another layer.")
    return found


def head_weights(network: Any, layer: int) -> HeadWeights:
    """The per-head weights of one layer; an error where they are not known."""
    known = _layer(network, layer)
    n_heads, none = anatomy(network).n_heads, torch.empty(0)
    assert known.value is not None
    W_V, b_V = _heads(network, known.value, n_heads)
    W_Q, b_Q = _heads(network, known.query, n_heads) if known.query else (none, none)
    W_K, b_K = _heads(network, known.key, n_heads) if known.key else (none, none)
    output = network.get_submodule(known.output)
    W_O = _by_input(output).view(n_heads, known.value.d_head, -1)
    return HeadWeights(W_Q, W_K, W_V, _written(network, known, W_O), b_Q, b_K, b_V)


def _written(network: Any, known: Layer, W_O: torch.Tensor) -> torch.Tensor:
    """W_O, times what stands between it and the residual stream; a norm's scale is left out."""
    if known.scale != 1.0:
        W_O = W_O * known.scale
    if not known.writes:
        return W_O
    facts = norm_facts(network.get_submodule(known.writes), W_O.shape[-1], W_O)
    return (W_O - W_O.mean(-1, keepdim=True) if facts.centres else W_O) * facts.gain


def _by_input(linear: Any) -> torch.Tensor:
    """The weight of a linear layer as x @ W, [input, output]."""
    return linear.weight if type(linear).__name__ == "Conv1D" else linear.weight.T


def _heads(network: Any, p: Projection, n_heads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The columns that are heads', [head, d_model, d_head] and [head, d_head]; a view if it can be.

    Heads of one group share a key and a value, which are repeated for them. The gain of a norm
    behind the projection is folded in, its scale left out.
    """
    linear = network.get_submodule(p.module)
    weight = _by_input(linear)
    bias = weight.new_zeros(weight.shape[1]) if linear.bias is None else linear.bias
    columns = slice(p.offset, p.offset + p.per * p.d_head)
    weight = weight.unflatten(1, (p.heads // p.per, -1))[:, :, columns]
    weight = weight.unflatten(2, (p.per, p.d_head)).permute(1, 2, 0, 3).flatten(0, 1)
    bias = bias.unflatten(0, (p.heads // p.per, -1))[:, columns].reshape(p.heads, p.d_head)
    if p.norm:
        gain = _gain_by_head(network.get_submodule(p.norm), p, bias)
        weight, bias = weight * gain[:, None], bias * gain
    group = n_heads // p.heads
    if group > 1:
        weight, bias = (x.repeat_interleave(group, dim=0) for x in (weight, bias))
    return weight, bias


def _gain_by_head(norm: Any, p: Projection, like: torch.Tensor) -> torch.Tensor:
    """The gain of a norm over a head, or over all heads together, [head, d_head]."""
    for width in (p.d_head, p.heads * p.d_head):
        try:
            gain = norm_facts(norm, width, like).gain
        except (RuntimeError, ValueError, IndexError):
            continue
        return gain.view(-1, p.d_head).expand(p.heads, p.d_head)
    return torch.ones_like(like)


def _part(network: Any, name: str) -> Any | None:
    """The module of that name, or None where there is none."""
    return network.get_submodule(name) if name else None


def layer_modules(network: Any) -> list[tuple[Any, Any | None]]:
    """The block of every layer, and the module inside it whose output is the MLP's, if known."""
    layers = anatomy(network).layers
    return [(network.get_submodule(one.block), _part(network, one.mlp)) for one in layers]


def output_bias(network: Any, layer: int) -> torch.Tensor:
    """What the bias of W_O adds to the residual stream, [d_model]; zeros where there is none."""
    known = _layer(network, layer)
    projection = network.get_submodule(known.output)
    if projection.bias is None:
        weight = _by_input(projection)
        return weight.new_zeros(weight.shape[1])
    return _written(network, known, projection.bias)


def output_projection(network: Any, layer: int) -> Any:
    """The module that is W_O."""
    return network.get_submodule(_layer(network, layer).output)


def value_biases(network: Any) -> list[torch.Tensor]:
    """The bias of every head's values, [head, 1, d_head] by layer."""
    layers = range(anatomy(network).n_layers)
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


def attention_module(network: Any, layer: int) -> Any | None:
    """The module of one layer that makes queries, keys and values and attends; None without one."""
    return _part(network, anatomy(network).layers[layer].attention)


def norm_before(network: Any, layer: int) -> Any | None:
    """The norm in front of a layer's attention; None in models that normalise afterwards."""
    return _part(network, _layer(network, layer).reads)


def norm_after(network: Any, layer: int) -> Any | None:
    """The norm between a layer's attention and the residual stream; None in most models."""
    return _part(network, _layer(network, layer).writes)


def final_norm(network: Any) -> Any | None:
    """The norm before the unembedding; None in models that normalise after each block."""
    return _part(network, anatomy(network).final_norm)


def width(network: Any) -> int:
    """d_model, the length of a vector of the residual stream."""
    check_weights(network)
    output = next(one.output for one in anatomy(network).layers if one.output)
    return int(_by_input(network.get_submodule(output)).shape[1])


def final_norm_weight(network: Any) -> torch.Tensor:
    """The gain of the norm before the unembedding, [d_model]; ones where there is none."""
    like = torch.empty(0, device=network.device, dtype=network.dtype)
    norm = final_norm(network)
    return (
        like.new_ones(width(network))
        if norm is None
        else norm_facts(norm, width(network), like).gain
    )


def embedding(network: Any, tokens: torch.Tensor | slice = slice(None)) -> torch.Tensor:
    """W_E, [vocabulary, d_model], or its rows for ``tokens`` alone.

    A projection between the embedding and the first layer (opt-350m) is part of it.
    """
    weight = network.get_input_embeddings().weight[tokens]
    decoder = getattr(body(network), "decoder", None)
    project_in = getattr(decoder, "project_in", None)
    return weight if project_in is None else weight @ project_in.weight.T


def unembedding(network: Any, tokens: torch.Tensor | slice | None = None) -> torch.Tensor:
    """W_U, [d_model, vocabulary], or its columns for ``tokens`` alone.

    A projection between the last layer and the unembedding (opt-350m) is part of it.
    """
    weight = network.get_output_embeddings().weight
    weight = weight if tokens is None else weight[tokens]
    if (scale := anatomy(network).logit_scale) != 1.0:
        weight = weight * scale
    decoder = getattr(body(network), "decoder", None)
    project_out = getattr(decoder, "project_out", None)
    return weight.T if project_out is None else project_out.weight.T @ weight.T


@torch.inference_mode()
def logits_of(
    network: Any, hidden: torch.Tensor, tokens: torch.Tensor | None = None, capped: bool = True
) -> torch.Tensor:
    """Logits [..., vocabulary] of last hidden states [..., d_model], or of some ``tokens`` alone.

    Some models scale what the unembedding gives, or bend it with a soft cap, which can be left out.
    """
    unembed, known = network.get_output_embeddings(), anatomy(network)
    if tokens is None:
        logits = unembed(hidden)
    else:
        bias = None if unembed.bias is None else unembed.bias[tokens]
        logits = torch.nn.functional.linear(hidden, unembed.weight[tokens], bias)
    if known.logit_scale != 1.0:
        logits = logits * known.logit_scale
    bent = capped and known.softcap
    return torch.tanh(logits / known.softcap) * known.softcap if bent else logits


@torch.inference_mode()
def last_logits(network: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Logits [batch, vocabulary] after the last of ``hidden`` [batch, position, d_model]."""
    return logits_of(network, hidden[:, -1])


class OwnTokens:
    """Which of its own prompt's tokens a head's output raises most, or lowers most.

    Made once for a batch, ``tokens`` [batch, key] of ``lengths`` [batch], and asked layer by layer.
    Computed in float32 whatever the network's type, for the largest of many logits is asked for.
    """

    @torch.inference_mode()
    def __init__(self, network: Any, tokens: torch.Tensor, lengths: Sequence[int]) -> None:
        self._network = network
        found = [
            tokens[row, :length].unique(return_inverse=True) for row, length in enumerate(lengths)
        ]
        distinct = tokens.new_zeros(len(found), max(len(each) for each, _ in found))
        self._own = torch.zeros_like(tokens)[:, None]  # which of them stands at each key
        self._inside = torch.zeros_like(self._own, dtype=torch.bool)
        for row, (each, own) in enumerate(found):
            distinct[row] = each[0]  # one of them again, where there are fewer
            distinct[row, : len(each)] = each
            self._own[row, :, : len(own)] = own
            self._inside[row, :, : len(own)] = True
        together, self._places = distinct.unique(return_inverse=True)
        self._columns = unembedding(network, together).float()
        self._columns = self._columns * final_norm_weight(network).float()[:, None]

    @torch.inference_mode()
    def raised_and_lowered(
        self, layer: int, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Where a head's output raises the token it reads more than any other token of the prompt.

        And where it lowers it more. ``value`` [batch, head, key, d_head] as the tap shows it.
        Returns 1.0 or 0.0, [batch, head, key]; 0 beyond a prompt's length.
        """
        W_O = head_weights(self._network, layer).W_O.float()
        moves = (W_O.flatten(0, 1) @ self._columns).view(*W_O.shape[:2], -1)
        moves = moves[:, :, self._places].permute(2, 0, 1, 3)  # [batch, head, d_head, token]
        logits = value.float() @ moves  # [batch, head, key, token]
        own = self._own[..., None].expand(-1, logits.shape[1], -1, -1)
        mine, (least, most) = logits.gather(-1, own)[..., 0], logits.aminmax(dim=-1)
        raised, lowered = ((mine == end) & self._inside for end in (most, least))
        return raised.float(), lowered.float()
