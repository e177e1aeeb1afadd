"""The two reductions over patterns that every pattern score is made of."""

import numpy as np
import torch


def as_tensor(array: np.ndarray, like: torch.Tensor | None = None) -> torch.Tensor:
    """A numpy array as a tensor, on the device of ``like``; the array is only read."""
    array = np.ascontiguousarray(array)
    # torch warns of arrays that may not be written to, such as a reading's patterns
    tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    return tensor if like is None else tensor.to(like.device)


@torch.inference_mode()
def weighted_sums(patterns: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sum over query and key of pattern x weight.

    ``patterns`` [batch, head, query, key], ``weights`` [batch, query x key, weight] -> float32
    [batch, head, weight].
    """
    batch, n_heads, n, _ = patterns.shape
    flat = patterns.reshape(batch, n_heads, n * n).to(weights.dtype)
    return flat @ weights


@torch.inference_mode()
def normalised_entropy(
    patterns: torch.Tensor, first_row: int, lengths: torch.Tensor
) -> torch.Tensor:
    """Mean over queries ``first_row`` <= q < length of H(A[q, :q+1]) / log(q + 1).

    ``patterns`` [batch, head, query, key], ``lengths`` [batch] -> [batch, head]; NaN where a
    sequence has no such query.
    """
    n = patterns.shape[-1]
    queries = torch.arange(n, device=patterns.device)
    rows = ((queries >= first_row) & (queries < lengths[:, None])).float()  # [batch, query]
    scale = rows / torch.log(queries + 1.0).clamp_min(1e-9)  # row 0 has log 1 = 0 and is never even
    entropy = torch.special.entr(patterns.float()).sum(-1)  # [batch, head, query]
    return (entropy * scale[:, None]).sum(-1) / rows.sum(-1)[:, None]
