"""One head's input changed along one path, everything else as it was."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.models.attention import Inputs, Tap, check_changeable, run
from headlab.models.editing import chosen_logits
from headlab.models.kernels import exact
from headlab.models.weights import head_weights

ROWS = 24  # paths patched in one pass


class Patched(NamedTuple):
    """The watched cell, and logit(answer) - logit(wrong) after the last token.

    Float64 [1 + path]: first as it is, then with each path patched.
    """

    attention: np.ndarray
    logits: np.ndarray


@torch.inference_mode()
def patched_paths(
    network: Any,
    tokens: torch.Tensor,
    senders: Sequence[Head],
    receiver: Head,
    into: str,
    cell: tuple[int, int],
    pair: tuple[int, int] | None,
) -> Patched:
    """The receiver's attention at ``cell``, and a logit difference, as each sender is patched.

    ``tokens`` [2, position]: the text, and the other one whose outputs the senders send. A pass
    holds every path twice: one row goes on as the text does, but for what the receiver writes; the
    other shows what the receiver is given when its sender's output is changed in the stream.
    """
    check_changeable(network)
    sent = _outputs(network, tokens, receiver.layer)
    attention, logits = [], []
    for begin in range(0, len(senders), ROWS):
        part: list[Head | None] = [*senders[begin : begin + ROWS]]
        if begin == 0:
            part.insert(0, None)  # nothing is patched
        found = _pass(network, tokens[0], [_sent(sent, network, s) for s in part], receiver, into)
        looks, hidden = found
        attention.append(exact(looks[:, cell[0], cell[1]]).numpy())
        if pair is None:
            logits.append(np.full(len(part), np.nan))
        else:
            both = chosen_logits(network, hidden, list(pair)).numpy()
            logits.append(both[:, 0] - both[:, 1])
    return Patched(np.concatenate(attention), np.concatenate(logits))


def _outputs(network: Any, tokens: torch.Tensor, layer: int) -> list[torch.Tensor]:
    """What the heads of every earlier layer give on both texts, [2, head, position, d_head]."""
    found: list[torch.Tensor] = []

    def keep(at: int, output: torch.Tensor) -> None:
        found.append(output.clone())

    run(network, tokens, Tap(edit_output=keep, last_layer=layer))
    return found


def _sent(outputs: list[torch.Tensor], network: Any, sender: Head | None) -> torch.Tensor | None:
    """What changes in the residual stream when the sender's output is the other text's."""
    if sender is None:
        return None
    clean, other = outputs[sender.layer][:, sender.head]
    written: torch.Tensor = (other - clean) @ head_weights(network, sender.layer).W_O[sender.head]
    return written


def _pass(
    network: Any,
    tokens: torch.Tensor,
    changes: Sequence[torch.Tensor | None],
    receiver: Head,
    into: str,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The receiver's patterns [path, query, key] and the last hidden states [path, d_model]."""
    n = len(changes)
    given: list[Inputs] = []
    looks: list[torch.Tensor] = []

    def change(layer: int, residual: torch.Tensor) -> torch.Tensor | None:
        if layer != receiver.layer:
            return None
        changed = residual.clone()
        for row, delta in enumerate(changes, start=n):
            if delta is not None:
                changed[row] += delta
        return changed

    def keep(layer: int, inputs: Inputs) -> None:
        if layer == receiver.layer:
            given.append(inputs)

    def receive(layer: int, output: torch.Tensor) -> torch.Tensor | None:
        if layer != receiver.layer:
            return None
        inputs, head = given[0], receiver.head
        if not inputs.plain:
            raise HeadlabError(
                "This model bends its attention scores or adds a learned sink to them, so headlab "
                "cannot send one path alone through them: choose another model."
            )
        rows = {name: slice(n, 2 * n) if name == into else slice(n) for name in _INPUTS}
        query, key, value = (getattr(inputs, name)[rows[name], head] for name in _INPUTS)
        scores = query @ key.mT * inputs.scaling
        mask = inputs.mask
        if mask is None:
            places = scores.shape[-1]
            mask = scores.new_full((places, places), torch.finfo(scores.dtype).min).triu(1)
        else:
            mask = mask[:, 0] if len(mask) == 1 else mask[:n, 0]
        pattern = (scores + mask).softmax(-1)
        looks.append(pattern)
        changed = output.clone()
        changed[:n, head] = pattern @ value
        return changed

    tap = Tap(edit_residual=change, read_inputs=keep, edit_output=receive)
    hidden = run(network, tokens.expand(2 * n, -1), tap)
    return looks[0], hidden[:n, -1]


_INPUTS = ("query", "key", "value")
