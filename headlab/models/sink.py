"""A text read without one head's query bias, or without what the first MLP wrote at one token."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from headlab.heads import Head
from headlab.models.attention import Inputs, Tap, check_changeable, run
from headlab.models.editing import token_losses
from headlab.models.kernels import exact


class Readings(NamedTuple):
    """Attention of a head on the first token, and loss in nats a token, [row, 2].

    ``plain`` [2] as it is; ``bias`` and ``mlp`` without these first, then each of the control.
    """

    plain: np.ndarray
    bias: np.ndarray
    mlp: np.ndarray


def plain(network: Any, tokens: torch.Tensor, head: Head) -> np.ndarray:
    """A text as it is, [2]."""
    return _rows(network, tokens, head, [None], [None])[0]


def without(
    network: Any, tokens: torch.Tensor, head: Head, bias: np.ndarray, draws: int, seed: int
) -> Readings:
    """``tokens`` [1, position] as it is, without ``bias`` [position, d_head], without MLP 0."""
    generator = torch.Generator().manual_seed(seed)
    gone = torch.tensor(bias, dtype=network.dtype, device=tokens.device)
    size = gone.norm(dim=-1, keepdim=True)
    random = torch.randn(draws, 1, gone.shape[-1], generator=generator).to(gone)
    random = random / random.norm(dim=-1, keepdim=True) * size
    n = tokens.shape[1]
    places: list[int | None] = [0, *range(1, n)][: 1 + draws]
    as_it_is = _rows(network, tokens, head, [None], [None])
    less_bias = _rows(network, tokens, head, [gone, *random], [None] * (1 + draws))
    less_mlp = _rows(network, tokens, head, [None] * len(places), places)
    return Readings(as_it_is[0], less_bias, less_mlp)


@torch.inference_mode()
def _rows(
    network: Any,
    tokens: torch.Tensor,
    head: Head,
    biases: Sequence[torch.Tensor | None],
    places: Sequence[int | None],
) -> np.ndarray:
    """Share and loss [row, 2]; in each row a vector is taken from the head's queries, or MLP 0's
    output from one position."""
    check_changeable(network)
    inputs: list[Inputs] = []
    mlp: list[torch.Tensor] = []
    shares: list[np.ndarray] = []

    def keep_mlp(layer: int, output: torch.Tensor) -> None:
        if layer == 0:
            mlp.append(output.reshape(len(biases), tokens.shape[1], -1).clone())

    def residual(layer: int, stream: torch.Tensor) -> torch.Tensor | None:
        if layer != 1 or all(at is None for at in places):
            return None
        stream = stream.clone()
        for row, at in enumerate(places):
            if at is not None:
                stream[row, at] -= mlp[0][row, at]
        return stream

    def keep(layer: int, found: Inputs) -> None:
        if layer == head.layer:
            inputs.append(found)

    def look(layer: int, pattern: torch.Tensor, value: torch.Tensor) -> torch.Tensor | None:
        if layer != head.layer:
            return None
        changed = pattern
        if any(bias is not None for bias in biases):
            changed, (met,) = pattern.clone(), inputs
            for row, bias in enumerate(biases):
                if bias is not None:
                    query = met.query[row, head.head] - bias
                    scores = query @ met.key[row, head.head].mT * met.scaling
                    hidden = pattern[row, head.head] == 0
                    hidden &= ~torch.ones_like(hidden).tril()
                    changed[row, head.head] = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        shares.append(exact(changed[:, head.head, 1:, 0].mean(-1)).numpy())
        return changed

    rows = tokens.expand(len(biases), -1)
    tap = Tap(read=look, read_mlp=keep_mlp, read_inputs=keep, edit_residual=residual)
    hidden = run(network, rows, tap)
    losses = token_losses(network, hidden, tokens[0].tolist()).mean(-1)
    return np.stack([shares[0], exact(losses).numpy()], axis=1)
