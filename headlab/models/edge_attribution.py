"""A first guess at which earlier heads move a score: their change times a gradient.

Source: edge attribution patching (Syed et al. 2023), its gradients averaged between both texts as
in Hanna et al. 2024. One head's score depends on the residual stream through one norm and two
projections, so a few passes up to its layer give every earlier head's share at once.
"""

from typing import Any

import torch

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.models.attention import Inputs, Tap, check_changeable, run_for_gradients
from headlab.models.kernels import exact
from headlab.models.weights import head_weights

UNSEEN = 1e4  # a score that lies as far below the largest is a key that cannot be seen


def attributed(
    network: Any, tokens: torch.Tensor, receiver: Head, cell: tuple[int, int], steps: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What each earlier head would move the receiver's score by, through its query and its key.

    ``tokens`` [2, position]: the text, and the other one, whose outputs the heads would send. The
    score is that of ``cell`` before the softmax, above the mean of those its row can see. Float64
    [layer, head] each, of the layers before the receiver's. ``steps`` gradients are averaged: the
    first at the text's residual stream, the others on the way to the other text's.
    """
    check_changeable(network)
    changes, residual = _of_both(network, tokens, receiver.layer)
    through = [torch.zeros_like(residual[0]), torch.zeros_like(residual[0])]
    for step in range(steps):
        share = step / steps
        between = (1 - share) * residual[0] + share * residual[1]
        for total, gradient in zip(
            through, _gradients(network, tokens[:1], receiver, cell, between), strict=True
        ):
            total += gradient / steps
    found = []
    for gradient in through:
        rows = [
            torch.einsum("hpd,pd->h", change @ head_weights(network, layer).W_O, gradient)
            for layer, change in enumerate(changes)
        ]
        found.append(exact(torch.stack(rows)))
    return found[0], found[1]


@torch.no_grad()
def _of_both(
    network: Any, tokens: torch.Tensor, layer: int
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """How the two texts differ in every earlier head's output, and what goes into the layer.

    [head, position, d_head] a layer, and [2, position, d_model].
    """
    changes: list[torch.Tensor] = []
    given: list[torch.Tensor] = []

    def output(at: int, value: torch.Tensor) -> None:
        if at < layer:
            changes.append(value[1] - value[0])

    def residual(at: int, stream: torch.Tensor) -> None:
        if at == layer:
            given.append(stream.clone())

    run_for_gradients(
        network, tokens, Tap(edit_output=output, edit_residual=residual, last_layer=layer)
    )
    return changes, given[0]


def _gradients(
    network: Any,
    tokens: torch.Tensor,
    receiver: Head,
    cell: tuple[int, int],
    residual: torch.Tensor,
) -> list[torch.Tensor]:
    """Of the score by the stream that the query is made of, and by that which the keys are."""
    kept: list[Inputs] = []
    with torch.enable_grad():
        stream = residual.detach()[None].requires_grad_()

        def put(layer: int, _: torch.Tensor) -> torch.Tensor | None:
            return stream if layer == receiver.layer else None

        def keep(layer: int, inputs: Inputs) -> None:
            if layer == receiver.layer:
                kept.append(inputs)

        tap = Tap(edit_residual=put, read_inputs=keep, last_layer=receiver.layer)
        run_for_gradients(network, tokens, tap)
        inputs = kept[0]
        if not inputs.plain:
            raise HeadlabError(
                "This model bends its attention scores or adds a learned sink to them, so no "
                "gradient says what one head adds: choose another model."
            )
        query, keys = inputs.query[0, receiver.head, cell[0]], inputs.key[0, receiver.head]
        unseen = torch.arange(len(keys), device=keys.device) > cell[0]
        mask = torch.zeros_like(keys[:, 0]) if inputs.mask is None else inputs.mask[0, 0, cell[0]]
        mask = mask.masked_fill(unseen, torch.finfo(mask.dtype).min)
        found = []
        for q, k in ((query, keys.detach()), (query.detach(), keys)):
            row = k @ q * inputs.scaling + mask
            seen = row > row.max() - UNSEEN
            score = row[cell[1]] - row[seen].mean()
            (gradient,) = torch.autograd.grad(score, stream, retain_graph=True)
            found.append(gradient[0])
    return found
