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
UNSEEN = 1e4  # a score that lies as far below the largest is a key that cannot be seen


class Patched(NamedTuple):
    """The watched cell, and logit(answer) - logit(wrong) after the last token.

    Float64 [1 + path]: first as it is, then with each path patched. ``score`` is that of the cell
    before the softmax, above the mean of those that its row can see. ``control`` and
    ``control_score`` [path, draw] are those of the cell when what is written at the sender's layer
    has the same size in every place and a random direction.
    """

    attention: np.ndarray
    score: np.ndarray
    logits: np.ndarray
    control: np.ndarray
    control_score: np.ndarray


class _Message(NamedTuple):
    """What the outputs of a layer's heads change by, [head, position, d_head]."""

    layer: int
    change: torch.Tensor

    def written(self, network: Any) -> torch.Tensor:
        """What that writes to the residual stream, [position, d_model]."""
        return (self.change @ head_weights(network, self.layer).W_O).sum(0)


@torch.inference_mode()
def patched_paths(
    network: Any,
    tokens: torch.Tensor,
    senders: Sequence[Head],
    receiver: Head,
    into: str,
    cell: tuple[int, int],
    pair: tuple[int, int] | None,
    *,
    mlps: bool = False,
    draws: int = 0,
    seed: int = 0,
) -> Patched:
    """The receiver's attention at ``cell``, and a logit difference, as each sender is patched.

    ``tokens`` [2, position]: the text, and the other one whose outputs the senders send. A pass
    holds every path twice: one row goes on as the text does, but for what the receiver writes; the
    other shows what the receiver is given when its sender's output is changed, by what it writes
    itself or, with ``mlps``, also by what MLPs on the way make of that.
    """
    check_changeable(network)
    outputs = _outputs(network, tokens, receiver.layer)
    sent = [_sent(outputs[sender.layer], sender) for sender in senders]
    generator = torch.Generator().manual_seed(seed)
    controls = [_random(network, message, generator) for message in sent for _ in range(draws)]
    messages: list[_Message | None] = [None, *sent, *controls]  # first nothing is patched
    frozen = [output[0] for output in outputs] if mlps else None
    attention, score, logits = [], [], []
    for begin in range(0, len(messages), ROWS):
        part = messages[begin : begin + ROWS]
        scores, hidden = _pass(network, tokens[0], part, receiver, into, frozen)
        row = scores[:, cell[0]]
        attention.append(exact(row.softmax(-1)[:, cell[1]]).numpy())
        seen = row[:1] > row[:1].max() - UNSEEN
        mean = row.where(seen, 0).sum(-1) / seen.sum()
        score.append(exact(row[:, cell[1]] - mean).numpy())
        if pair is None:
            logits.append(np.full(len(part), np.nan))
        else:
            both = chosen_logits(network, hidden, list(pair)).numpy()
            logits.append(both[:, 0] - both[:, 1])
    n = 1 + len(senders)
    looked, scored = np.concatenate(attention), np.concatenate(score)
    return Patched(
        looked[:n],
        scored[:n],
        np.concatenate(logits)[:n],
        looked[n:].reshape(len(senders), draws),
        scored[n:].reshape(len(senders), draws),
    )


def _outputs(network: Any, tokens: torch.Tensor, layer: int) -> list[torch.Tensor]:
    """What the heads of every earlier layer give on both texts, [2, head, position, d_head]."""
    found: list[torch.Tensor] = []

    def keep(at: int, output: torch.Tensor) -> None:
        found.append(output.clone())

    run(network, tokens, Tap(edit_output=keep, last_layer=layer))
    return found


def _sent(output: torch.Tensor, sender: Head) -> _Message:
    """How far the sender's output on the other text lies from that on this one."""
    change = torch.zeros_like(output[0])
    change[sender.head] = output[1, sender.head] - output[0, sender.head]
    return _Message(sender.layer, change)


def _random(network: Any, message: _Message, generator: torch.Generator) -> _Message:
    """A change of all heads of the layer that writes as much in every place, in any direction."""
    change = torch.randn(message.change.shape, generator=generator).to(message.change)
    random = _Message(message.layer, change)
    sizes = [each.written(network).norm(dim=-1)[:, None] for each in (message, random)]
    return _Message(message.layer, change * (sizes[0] / sizes[1]))


def _pass(
    network: Any,
    tokens: torch.Tensor,
    messages: Sequence[_Message | None],
    receiver: Head,
    into: str,
    frozen: Sequence[torch.Tensor] | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The receiver's scores [path, query, key] and the last hidden states [path, d_model].

    With ``frozen``, the heads' outputs [head, position, d_head] by layer, the senders' rows run on
    from the sender with every other head held.
    """
    n = len(messages)
    given: list[Inputs] = []
    found: list[torch.Tensor] = []

    def change(layer: int, residual: torch.Tensor) -> torch.Tensor | None:
        if layer != receiver.layer or frozen is not None:
            return None
        changed = residual.clone()
        for row, message in enumerate(messages, start=n):
            if message is not None:
                changed[row] += message.written(network)
        return changed

    def keep(layer: int, inputs: Inputs) -> None:
        if layer == receiver.layer:
            given.append(inputs)

    def send(layer: int, output: torch.Tensor) -> torch.Tensor | None:
        if layer == receiver.layer:
            return receive(output)
        if frozen is None or layer > receiver.layer:
            return None
        changed = output.clone()
        changed[n:] = frozen[layer]
        for row, message in enumerate(messages, start=n):
            if message is not None and message.layer == layer:
                changed[row] += message.change
        return changed

    def receive(output: torch.Tensor) -> torch.Tensor:
        inputs, head = given[0], receiver.head
        rows = {name: slice(n, 2 * n) if name == into else slice(n) for name in _INPUTS}
        query, key, value = (getattr(inputs, name)[rows[name], head] for name in _INPUTS)
        found.append(_scores(inputs, query, key))
        changed = output.clone()
        changed[:n, head] = found[0].softmax(-1) @ value
        return changed

    tap = Tap(edit_residual=change, read_inputs=keep, edit_output=send)
    hidden = run(network, tokens.expand(2 * n, -1), tap)
    return found[0], hidden[:n, -1]


class Heard(NamedTuple):
    """What a later head hears of a sender through one input, in its most changed row.

    ``moved`` is how much of the row's attention goes elsewhere, 0 to 1, ``controls`` [draw] that of
    the most changed row for random messages. In the row of ``query`` the attention on ``key``
    changes most, from ``before`` to ``after``.
    """

    receiver: Head
    into: str
    moved: float
    query: int
    key: int
    before: float
    after: float
    controls: np.ndarray


@torch.inference_mode()
def heard(
    network: Any, tokens: torch.Tensor, sender: Head, *, draws: int = 0, seed: int = 0
) -> list[Heard]:
    """What every later head hears, through queries and keys, when a sender sends another text's.

    ``tokens`` [2, position] as for :func:`patched_paths`. One pass: in the rows that are not the
    text itself every head is held at what it writes there, and MLPs go on.
    """
    check_changeable(network)
    message = _sent(_outputs(network, tokens, sender.layer + 1)[sender.layer], sender)
    generator = torch.Generator().manual_seed(seed)
    messages = [message, *(_random(network, message, generator) for _ in range(draws))]
    found: list[Heard] = []

    def hold(layer: int, output: torch.Tensor) -> torch.Tensor:
        changed = output.clone()
        changed[1:] = output[0]
        if layer == sender.layer:
            changed[1:] += torch.stack([each.change for each in messages])
        return changed

    def listen(layer: int, inputs: Inputs) -> None:
        if layer > sender.layer:
            found.extend(_heard(layer, inputs))

    run(
        network, tokens[:1].expand(1 + len(messages), -1), Tap(read_inputs=listen, edit_output=hold)
    )
    return found


def _heard(layer: int, inputs: Inputs) -> list[Heard]:
    """The same for the heads of one layer; the first row is the text as it is."""
    usual = _scores(inputs, inputs.query[0], inputs.key[0]).softmax(-1)
    found = []
    for into in ("query", "key"):
        moved = []
        for row in range(1, len(inputs.query)):
            query, key = (row, 0) if into == "query" else (0, row)
            pattern = _scores(inputs, inputs.query[query], inputs.key[key]).softmax(-1)
            moved.append((pattern - usual).abs().sum(-1) / 2)  # [head, query]
            if row == 1:
                told = pattern
        most = torch.stack(moved)
        for head, at in enumerate(most[0].argmax(-1).tolist()):
            looked = int((told[head, at] - usual[head, at]).abs().argmax())
            found.append(
                Heard(
                    Head(layer, head),
                    into,
                    float(most[0, head, at]),
                    at,
                    looked,
                    float(usual[head, at, looked]),
                    float(told[head, at, looked]),
                    exact(most[1:, head].amax(-1)).numpy(),
                )
            )
    return found


def _scores(inputs: Inputs, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """Masked scores of queries with keys, both [..., position, d_head]."""
    if not inputs.plain:
        raise HeadlabError(
            "This model bends its attention scores or adds a learned sink to them, so headlab "
            "cannot send one path alone through them: choose another model."
        )
    scores = query @ key.mT * inputs.scaling
    if inputs.mask is not None:
        return scores + inputs.mask[0, 0]  # every row holds a text of the same length
    places = scores.shape[-1]
    return scores + scores.new_full((places, places), torch.finfo(scores.dtype).min).triu(1)


_INPUTS = ("query", "key", "value")
