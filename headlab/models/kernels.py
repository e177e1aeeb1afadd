"""Reductions over patterns: those that scores are made of, and those that pictures are."""

import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch

BLOCK = 8_000_000  # bytes of what is made from a pattern at one time


def as_tensor(array: np.ndarray, like: torch.Tensor | None = None) -> torch.Tensor:
    """A numpy array as a tensor, on the device of ``like``; the array is only read."""
    array = np.ascontiguousarray(array)
    # torch warns of arrays that may not be written to, such as a reading's patterns
    tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    if like is None:
        return tensor
    if tensor.dtype == torch.float64 and like.device.type == "mps":  # which has no such numbers
        tensor = tensor.float()
    return tensor.to(like.device)


def exact(tensor: torch.Tensor) -> torch.Tensor:
    """In float64, which not every device has, so on the CPU; nothing else here makes float64."""
    return tensor.detach().cpu().double()


def blocks(n: int, bytes_each: int) -> Iterator[slice]:
    """Slices that cut ``n`` things into blocks of at most ``BLOCK`` bytes, one thing at least.

    Long texts have large patterns: what is made from them is made piece by piece.
    """
    step = max(1, BLOCK // max(bytes_each, 1))
    for begin in range(0, n, step):
        yield slice(begin, begin + step)


def stacked_layers(patterns: Any) -> Any:
    """Tensors [batch, head, query, key], one a layer, as [batch, layer, head, query, key].

    Whatever device, type or gradients they have. Anything else stays as it is.
    """
    if isinstance(patterns, torch.Tensor):
        return patterns.detach().float().cpu().numpy()
    layers = list(patterns) if isinstance(patterns, list | tuple) else []
    if not layers or not all(isinstance(layer, torch.Tensor) for layer in layers):
        return patterns
    if any(layer.ndim != 4 or layer.shape != layers[0].shape for layer in layers):
        return patterns
    return torch.stack([layer.detach().float().cpu() for layer in layers], 1).numpy()


def use_one_thread() -> None:
    """Let products of this process use one core: for many processes beside each other."""
    torch.set_num_threads(1)


@cache
def products_per_second(device: str) -> float:
    """Multiplications of a matrix product that this machine does in a second, timed once."""
    rows = torch.ones(256, 1024, device=device)
    square = torch.ones(1024, 1024, device=device)
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        float((rows @ square)[0, 0])  # waits for a device that works on its own
        seconds.append(time.perf_counter() - begin)
    return rows.numel() * len(square) / min(seconds)


@torch.inference_mode()
def cell_sums(patterns: torch.Tensor, cells: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Sum of the pattern over each column's cells, times the column's weight.

    ``patterns`` [batch, head, query, key], ``cells`` boolean [batch, query, key, column],
    ``weights`` [batch, column] -> float32 [batch, head, column].
    """
    batch, n_heads, n, _ = patterns.shape
    n_columns = cells.shape[-1]
    sums = weights.new_zeros(batch, n_heads, n_columns)
    for rows in blocks(n, batch * n * n_columns * weights.element_size()):
        part = patterns[:, :, rows].reshape(batch, n_heads, -1).to(weights.dtype)
        sums += part @ cells[:, rows].reshape(batch, -1, n_columns).to(weights.dtype)
    return sums * weights[:, None]


@torch.inference_mode()
def normalised_entropy(
    patterns: torch.Tensor, first_row: int, lengths: torch.Tensor
) -> torch.Tensor:
    """Mean over queries ``first_row`` <= q < length of H(A[q, :q+1]) / log(q + 1).

    ``patterns`` [batch, head, query, key], ``lengths`` [batch] -> [batch, head]; NaN where a
    sequence has no such query.
    """
    batch, n_heads, n, _ = patterns.shape
    queries = torch.arange(n, device=patterns.device)
    rows = ((queries >= first_row) & (queries < lengths[:, None])).float()  # [batch, query]
    scale = rows / torch.log(queries + 1.0).clamp_min(1e-9)  # row 0 has log 1 = 0 and is never even
    total = rows.new_zeros(batch, n_heads)
    for part in blocks(n, batch * n_heads * n * 4):
        entropy = torch.special.entr(patterns[:, :, part].float()).sum(-1)  # [batch, head, query]
        total += (entropy * scale[:, None, part]).sum(-1)
    return total / rows.sum(-1)[:, None]


@torch.inference_mode()
def largest_cells(patterns: torch.Tensor, by: int) -> torch.Tensor:
    """The largest value of every ``by`` x ``by`` cells of [head, query, key]; never a copy."""
    return patterns if by == 1 else _largest_rows(_largest_keys(patterns, by), by)


@torch.inference_mode()
def largest_without_first(patterns: torch.Tensor, by: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same of rows renormalised without key 0, and what each row has left without it.

    ``patterns`` [head, query, key] -> cells, 0 where a row has nothing left, and [head, query]. A
    row is divided after the largest of its keys was found, so no copy of the patterns is made.
    """
    left = patterns[..., 1:].sum(-1, dtype=torch.float32)
    cells = _largest_keys(patterns, by).clone()
    first = patterns[..., 1:by]
    cells[..., 0] = first.amax(-1) if first.shape[-1] else 0
    rows = torch.where(left[..., None] > 0, cells / left[..., None], 0)
    return (rows if by == 1 else _largest_rows(rows, by)), left


def _largest_keys(patterns: torch.Tensor, by: int) -> torch.Tensor:
    """Over every ``by`` keys: [head, query, key] -> [head, query, cell]."""
    if by == 1:
        return patterns
    whole = patterns.shape[-1] // by * by
    parts = [patterns[..., :whole].unflatten(-1, (-1, by)).amax(-1)]
    if whole < patterns.shape[-1]:
        parts.append(patterns[..., whole:].amax(-1, keepdim=True))
    return torch.cat(parts, -1)


def _largest_rows(cells: torch.Tensor, by: int) -> torch.Tensor:
    """Over every ``by`` queries: [head, query, cell] -> [head, cell, cell]."""
    return _largest_keys(cells.transpose(-1, -2), by).transpose(-1, -2)


@torch.inference_mode()
def effective_tokens(patterns: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Sum over the chosen rows of exp(entropy), to how many tokens a row comes: [batch, head].

    ``patterns`` [batch, head, query, key], ``rows`` [batch, query], 1.0 for a chosen row.
    """
    batch, n_heads, n, _ = patterns.shape
    total = rows.new_zeros(batch, n_heads)
    for part in blocks(n, batch * n_heads * n * 4):
        entropy = torch.special.entr(patterns[:, :, part].float()).sum(-1)  # [batch, head, query]
        total += (entropy.exp() * rows[:, None, part]).sum(-1)
    return total


@torch.inference_mode()
def strongest_and_drawn(
    patterns: torch.Tensor,
    norms: torch.Tensor,
    lengths: np.ndarray,
    queries: np.ndarray,
    first_row: int,
    n_keys: int,
) -> dict[str, np.ndarray]:
    """Of every head the row in which it writes most, then those of ``queries``.

    ``patterns`` [batch, head, query, key], ``norms`` [batch, head, query], ``lengths`` [batch],
    ``queries`` [batch, n], below 0 where there is none -> arrays [batch, head, 1 + n]: "query",
    "strength" (the norm), "first" (attention on key 0), and with one axis more "keys" and "shares",
    those of the ``n_keys`` keys after it with the most attention.
    """
    n_heads, n = norms.shape[1], norms.shape[-1]
    ends = torch.as_tensor(lengths, device=norms.device)[:, None]
    place = torch.arange(n, device=norms.device)
    inside = (place >= first_row) & (place < ends)  # [batch, query]
    best = norms.masked_fill(~inside[:, None], -1).argmax(-1, keepdim=True)
    drawn = torch.as_tensor(queries, device=norms.device).clamp_min(0)
    asked = torch.cat([best, drawn[:, None].expand(-1, n_heads, -1)], -1)
    rows = patterns.gather(2, asked[..., None].expand(-1, -1, -1, n)).float()
    shares, keys = rows[..., 1:].topk(n_keys, -1)
    found = {
        "query": asked,
        "strength": norms.gather(-1, asked),
        "first": rows[..., 0],
        "keys": keys + 1,
        "shares": shares,
    }
    return {name: tensor.cpu().numpy() for name, tensor in found.items()}


@torch.inference_mode()
def off_first(patterns: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention off key 0 of the chosen rows, and that attention times its distance in tokens.

    ``patterns`` [batch, head, query, key], ``rows`` [batch, query] -> both [batch, head, query],
    float32, 0 in rows that are not chosen.
    """
    keys = torch.arange(patterns.shape[-1], device=patterns.device, dtype=torch.float32)
    both = torch.stack([(keys > 0).float(), keys], -1).to(patterns.dtype)
    off, place = (patterns @ both).float().unbind(-1)
    chosen = rows[:, None]
    return off * chosen, (off * keys - place) * chosen
