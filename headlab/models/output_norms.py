"""How much every head writes: the norm of what it adds to the residual stream."""

from typing import Any

import torch

from headlab.models.weights import head_weights


@torch.inference_mode()
def output_norms(
    network: Any, layer: int, pattern: torch.Tensor, value: torch.Tensor
) -> torch.Tensor:
    """The norm of every head's output after W_O, without its bias, [batch, head, query], float32.

    ``pattern`` [batch, head, query, key] and ``value`` [batch, head, key, d_head] as the tap shows
    them. W_O enters as W_O W_O^T of [d_head, d_head], so no output of d_model numbers is made.
    """
    W_O = head_weights(network, layer).W_O.float()
    output = (pattern.to(value.dtype) @ value).float()
    squared = ((output @ (W_O @ W_O.transpose(-1, -2))) * output).sum(-1)
    return squared.clamp_min(0).sqrt()
