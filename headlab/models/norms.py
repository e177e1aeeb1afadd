"""What a norm does, asked of the norm itself: architectures spell the same thing in many ways.

Some multiply by their weight, some by one more than it, some have none; some take the mean away.
"""

from dataclasses import dataclass
from typing import Any

import torch

from headlab.models.kernels import exact


@dataclass(frozen=True)
class NormFacts:
    """``gain`` and ``bias`` [d_model], and whether the mean is taken away first."""

    gain: torch.Tensor
    bias: torch.Tensor
    centres: bool


@torch.inference_mode()
def norm_facts(norm: Any, width: int, like: torch.Tensor) -> NormFacts:
    """The facts of a norm over ``width`` numbers; ``like`` says device and type if it has none.

    An input of ones with changing signs has mean 0 and size 1, so the norm gives its gain, sign by
    sign, and its bias.
    """
    like = next(norm.parameters(), like)
    kept = getattr(norm, "_headlab_facts", None)
    if kept is not None and kept[0] == (width, like.device, like.dtype):
        return kept[1]
    signs = torch.ones(width, device=like.device, dtype=like.dtype)
    signs[1::2] = -1
    probes = 1000 * torch.stack([signs, -signs])  # large, so that eps is nothing beside it
    plus, minus = norm(probes[None])[0]
    moved = torch.ones_like(signs)
    if width > 1:
        moved[0] = 3
    centres = norm(torch.stack([moved, moved + 7])[None])[0]
    difference = (centres[0] - centres[1]).abs().max()
    facts = NormFacts(
        gain=(plus - minus) / 2 * signs,
        bias=(plus + minus) / 2,
        centres=bool(difference < 1e-2 * centres.abs().max()),
    )
    norm._headlab_facts = ((width, like.device, like.dtype), facts)
    return facts


@torch.inference_mode()
def is_norm(norm: Any, given: torch.Tensor, gave: torch.Tensor, tolerance: float) -> bool:
    """Whether ``gave`` is, up to a number at each position, what such a norm makes of ``given``."""
    try:
        facts = norm_facts(norm, given.shape[-1], given)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError):
        return False
    x = exact(given)
    x = (x - x.mean(-1, keepdim=True) if facts.centres else x) * exact(facts.gain)
    y = exact(gave) - exact(facts.bias)
    along = (x * y).sum(-1, keepdim=True) / x.square().sum(-1, keepdim=True)
    return bool((along * x - y).abs().max() <= tolerance * y.abs().max())


def norm_scale(norm: Any, given: torch.Tensor) -> torch.Tensor:
    """What the norm divides by at each position, float64 on the CPU; ``given`` [position, d].

    Measured: the size of what went in over that of what came out, gain and bias taken off.
    """
    facts = norm_facts(norm, given.shape[-1], given)
    with torch.inference_mode():
        gave = norm(given[None])[0]
    x = exact(given)
    if facts.centres:
        x = x - x.mean(-1, keepdim=True)
    x = x * exact(facts.gain)
    y = exact(gave) - exact(facts.bias)
    return x.square().sum(-1) / (x * y).sum(-1)
