"""Direct logit attribution: the parts that a logit difference is the sum of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from headlab.errors import HeadlabError
from headlab.models.anatomy import anatomy
from headlab.models.attention import Tap, check_changeable, run
from headlab.models.editing import Edit, chosen_logits, edit_outputs
from headlab.models.kernels import exact
from headlab.models.norms import norm_facts, norm_scale
from headlab.models.weights import (
    final_norm,
    final_norm_weight,
    head_weights,
    norm_after,
    output_bias,
    output_projection,
    unembedding,
    width,
)


@torch.inference_mode()
def direct_parts(
    network: Any,
    tokens: torch.Tensor,
    answer: int,
    wrong: int,
    removed: Edit,
    constants: Sequence[torch.Tensor],
) -> dict[str, np.ndarray]:
    """What each part of the network adds to logit(answer) - logit(wrong) at every position.

    ``tokens`` [1, position]; ``removed`` heads have ``constants`` in place of their outputs. All
    float64: ``heads`` and ``value_biases``, the share of a head that its value bias gives on any
    text, [layer, head, position]; ``mlps`` and ``output_biases`` [layer, position];
    ``embeddings`` [position]; ``constant`` [position], the biases after the last block;
    ``difference`` [position], from the network's own logits. The scale of the final norm is that
    of this pass. Raises HeadlabError where the residual stream is no sum of such parts.
    """
    check_changeable(network)
    norm = final_norm(network)
    if norm is None:
        raise HeadlabError(
            "This model normalises after each block, so its logits are no sum of what its heads "
            "write: choose another model for direct logit attribution."
        )
    outputs: dict[int, torch.Tensor] = {}
    mlps: dict[int, torch.Tensor] = {}
    residuals: dict[int, torch.Tensor] = {}
    last: list[torch.Tensor] = []
    if reason := anatomy(network).adds:
        raise HeadlabError(
            f"The logits of this model are no sum of what its heads write ({reason}): choose "
            "another model for direct logit attribution."
        )
    n_layers = anatomy(network).n_layers

    def keep_output(layer: int, output: torch.Tensor) -> torch.Tensor | None:
        replacement = edit_outputs(removed, constants, layer, output)
        outputs[layer] = exact((output if replacement is None else replacement)[0])
        return replacement

    def keep_residual(layer: int, residual: torch.Tensor) -> None:
        if layer == 0:
            residuals[layer] = exact(residual[0])
        if layer == n_layers:
            last.append(residual[0])

    def keep_mlp(layer: int, output: torch.Tensor) -> None:
        added = anatomy(network).layers[layer].mlp_scale
        mlps[layer] = added * exact(output.reshape(tokens.shape[1], -1))

    tap = Tap(edit_output=keep_output, edit_residual=keep_residual, read_mlp=keep_mlp)
    hidden = run(network, tokens, tap)
    logits = chosen_logits(network, hidden[0], [answer, wrong], capped=False)
    pair = torch.tensor([answer, wrong], device=network.device)
    towards = exact(unembedding(network, pair))
    towards = towards[:, 0] - towards[:, 1]
    direction, scale = _through_norm(norm, towards * exact(final_norm_weight(network)), last[0])

    heads, value_biases, output_biases = [], [], []
    for layer in range(n_layers):
        weights = head_weights(network, layer)
        written = exact(weights.W_O) @ direction  # [head, d_head]
        after, constant = _through_norm_after(network, layer, outputs[layer])
        heads.append((outputs[layer] @ written[:, :, None])[..., 0] / (scale * after))
        value_biases.append((exact(weights.b_V) * written).sum(-1)[:, None] / (scale * after))
        bias = exact(output_bias(network, layer)) @ direction / after + constant @ direction
        output_biases.append(bias / scale)
    parts = {
        "heads": torch.stack(heads),
        "value_biases": torch.stack(value_biases),
        "output_biases": torch.stack(output_biases),
        "mlps": torch.stack([mlps[layer] @ direction / scale for layer in range(n_layers)]),
        "embeddings": residuals[0] @ direction / scale,
        "constant": _last_biases(network, norm, towards, pair).expand(len(scale)),
        "difference": logits[:, 0] - logits[:, 1],
    }
    return {name: part.numpy() for name, part in parts.items()}


def _through_norm(
    norm: Any, direction: torch.Tensor, residual: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A direction after the final norm as one before it, and the scale [position] to divide by."""
    if norm_facts(norm, residual.shape[-1], residual).centres:
        direction = direction - direction.mean()  # the norm takes the mean away
    return direction, norm_scale(norm, residual)


def _through_norm_after(
    network: Any, layer: int, outputs: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a norm between W_O and the stream divides by, [position], and adds, [d_model].

    ``outputs`` [head, position, d_head]. One and nothing where there is no such norm.
    """
    norm = norm_after(network, layer)
    if norm is None:
        return outputs.new_ones(outputs.shape[1]), outputs.new_zeros(width(network))
    flat = outputs.transpose(0, 1).flatten(1).to(network.device, network.dtype)
    written = output_projection(network, layer)(flat)
    facts = norm_facts(norm, written.shape[-1], written)
    return norm_scale(norm, written), exact(facts.bias) * anatomy(network).layers[layer].scale


def _last_biases(
    network: Any, norm: Any, towards: torch.Tensor, pair: torch.Tensor
) -> torch.Tensor:
    """What the biases of the final norm and of the unembedding give, on every text alike."""
    total = towards.new_zeros(1)
    facts = norm_facts(norm, width(network), network.get_output_embeddings().weight)
    total = total + exact(facts.bias) @ towards
    bias = network.get_output_embeddings().bias
    if bias is not None:
        answer, wrong = exact(bias[pair]) * anatomy(network).logit_scale
        total = total + answer - wrong
    return total
