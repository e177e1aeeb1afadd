"""Many versions of one pass, each with something changed, in as few passes as memory allows.

A version is the same as the unchanged pass up to the first layer that it changes. So a pass begins
with the unchanged text alone, and each version joins it as one row more, a copy of the first row,
when the layer comes in which it begins to differ.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch

from headlab.errors import HeadlabError
from headlab.models import weights
from headlab.models.anatomy import anatomy
from headlab.models.attention import Tap, check_changeable, run
from headlab.models.kernels import exact

What = Literal["head output", "pattern", "value", "residual"]

ROWS = 64_000_000  # bytes that the rows of one pass may take; more does not make them faster
LOGITS = 64_000_000  # bytes of logits at one time


@dataclass(frozen=True)
class Edit:
    """What one version of a pass has changed.

    ``heads`` maps layers to the heads changed there; for the residual stream before a layer it
    maps that layer to nothing. ``positions`` are the query positions changed (of ``value``, the key
    positions).
    """

    heads: Mapping[int, Sequence[int]]
    what: What = "head output"
    positions: slice = field(default_factory=lambda: slice(None))

    @property
    def first_layer(self) -> int:
        """The layer in which this version begins to differ."""
        return min(self.heads, default=0)


@dataclass(frozen=True)
class _Rows:
    """The edits of one pass by row; what they write is ``constants``, or taken from row 1.

    Rows from ``n_texts`` on are versions of row 0 that join on the way, or have been there from the
    start where a network allows no joining.
    """

    edits: Mapping[int, Edit]
    n_texts: int
    constants: Sequence[torch.Tensor] | None = None
    joins: bool = True

    def tap(self, read_heads: Callable[..., None] | None = None) -> Tap:
        """A tap that makes these edits; ``read_heads`` as a tap has it."""
        kinds = {edit.what for edit in self.edits.values()}
        return Tap(
            read_heads=read_heads,
            read=self.edit_pattern if "pattern" in kinds else None,
            edit_value=partial(self.edited, "value") if "value" in kinds else None,
            edit_output=partial(self.edited, "head output") if "head output" in kinds else None,
            edit_residual=self.join,
        )

    def join(self, layer: int, residual: torch.Tensor) -> torch.Tensor | None:
        """The residual stream with the versions that begin in this layer as further rows."""
        joining = [
            row
            for row, edit in self.edits.items()
            if row >= self.n_texts and edit.first_layer == layer
        ]
        if not joining:
            return None
        if self.joins:
            residual = torch.cat([residual, residual[:1].expand(len(joining), -1, -1)])
        else:
            residual = residual.clone()
        for row in joining:
            if self.edits[row].what == "residual":
                where = self.edits[row].positions
                residual[row, where] = residual[1, where]
        return residual

    def edit_pattern(
        self, layer: int, pattern: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor | None:
        """The pattern as a tap may replace it."""
        return self.edited("pattern", layer, pattern)

    def edited(self, what: What, layer: int, tensor: torch.Tensor) -> torch.Tensor | None:
        """``tensor`` [row, head, position, ...] with this layer's edits, or None without any."""
        here = [
            (row, edit)
            for row, edit in self.edits.items()
            if edit.what == what and edit.heads.get(layer)
        ]
        if not here:
            return None
        tensor = tensor.clone()
        source = tensor[1] if self.constants is None else self.constants[layer].to(tensor)
        source = source.expand(tensor.shape[1:])
        for row, edit in here:
            for head in edit.heads[layer]:
                tensor[row, head, edit.positions] = source[head, edit.positions]
        return tensor


def edit_outputs(
    edit: Edit, constants: Sequence[torch.Tensor], layer: int, output: torch.Tensor
) -> torch.Tensor | None:
    """The heads' outputs [1, head, position, d_head] as ``edit`` leaves them; None if unchanged."""
    return _Rows({0: edit}, 1, constants).edited("head output", layer, output)


@torch.inference_mode()
def edited(
    network: Any,
    tokens: torch.Tensor,
    edit: Edit,
    constants: Sequence[torch.Tensor],
    read_heads: Callable[..., None] | None = None,
) -> torch.Tensor:
    """The last hidden state [1, position, d_model] of one version of tokens [1, position].

    ``constants`` [head, position or 1, d_head] by layer are written where the edit says;
    ``read_heads`` hears the patterns as a tap does.
    """
    check_changeable(network)
    return run(network, tokens, _Rows({0: edit}, 1, constants).tap(read_heads))


@torch.inference_mode()
def versions(
    network: Any,
    tokens: torch.Tensor,
    edits: Sequence[Edit],
    constants: Sequence[torch.Tensor] | None = None,
    read_heads: Callable[..., None] | None = None,
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Every edit of the text tokens[0], some at a time.

    ``tokens`` [text, position]; without ``constants`` the edits write what the text tokens[1] has
    in the same place. Yields indices into ``edits`` and the last hidden states [row, position,
    d_model]: the texts unchanged, then those versions. ``read_heads`` hears the patterns as a tap
    does, of the rows that there are by then: a version that is missing does as row 0.
    """
    check_changeable(network)
    joins = anatomy(network).joins
    if not anatomy(network).stream and any(edit.what == "residual" for edit in edits):
        raise HeadlabError(
            "The residual stream of this model is more than what one block hands to the next, so "
            "it cannot be patched: choose heads' outputs or another model."
        )
    order = sorted(range(len(edits)), key=lambda index: edits[index].first_layer)
    n_texts = len(tokens)
    step = max(1, ROWS // _row_bytes(network, tokens.shape[1]) - n_texts)
    for begin in range(0, len(order), step):
        part = order[begin : begin + step]
        by_row = {n_texts + place: edits[index] for place, index in enumerate(part)}
        rows = _Rows(by_row, n_texts, constants, joins)
        texts = tokens if joins else torch.cat([tokens, tokens[:1].expand(len(part), -1)])
        yield part, run(network, texts, rows.tap(read_heads))


def _row_bytes(network: Any, n: int) -> int:
    """About what a row of ``n`` tokens takes while it passes a block."""
    config = network.config.get_text_config()
    per_token = 20 * config.hidden_size + 2 * anatomy(network).n_heads * n  # 12 of them in the MLP
    return n * per_token * network.dtype.itemsize


@torch.inference_mode()
def head_outputs(network: Any, tokens: torch.Tensor) -> list[torch.Tensor]:
    """Every head's output before W_O on tokens [1, position]: [head, position, d_head] by layer.

    Zeros in a layer without attention.
    """
    known = anatomy(network)
    kept = [
        torch.zeros(known.n_heads, tokens.shape[1], max(one.d_head, 1), device=tokens.device)
        for one in known.layers
    ]

    def keep(layer: int, output: torch.Tensor) -> None:
        kept[layer] = output[0].clone()

    check_changeable(network)
    run(network, tokens, Tap(edit_output=keep))
    return kept


def mean_outputs(network: Any, texts: Sequence[torch.Tensor], first: int) -> list[torch.Tensor]:
    """The mean of every head's output before W_O, [head, 1, d_head] by layer.

    Over all positions from ``first`` on of all texts, each [1, position].
    """
    sums: list[torch.Tensor] = []
    for tokens in texts:
        outputs = head_outputs(network, tokens)
        totals = [output[:, first:].sum(1, keepdim=True) for output in outputs]
        sums = [one + other for one, other in zip(sums, totals, strict=True)] if sums else totals
    count = sum(tokens.shape[1] - first for tokens in texts)
    return [total / count for total in sums]


def no_outputs(network: Any) -> list[torch.Tensor]:
    """Zeros in place of every head's output, [head, 1, 1] by layer."""
    known = anatomy(network)
    return [torch.zeros(known.n_heads, 1, 1)] * known.n_layers


@torch.inference_mode()
def token_losses(network: Any, hidden: torch.Tensor, tokens: Sequence[int]) -> torch.Tensor:
    """Minus the log-probability, in nats, of every token but the first.

    ``hidden`` [row, position, d_model] -> float32 [row, position - 1].
    """
    n_rows, n, width = hidden.shape
    flat = hidden[:, :-1].reshape(-1, width)
    targets = torch.tensor(tokens[1:], device=hidden.device).repeat(n_rows)
    step = max(1, LOGITS // (4 * network.get_output_embeddings().weight.shape[0]))
    parts = [
        torch.nn.functional.cross_entropy(
            logits_of(network, flat[begin : begin + step]),
            targets[begin : begin + step],
            reduction="none",
        )
        for begin in range(0, len(flat), step)
    ]
    return torch.cat(parts).view(n_rows, n - 1)


@torch.inference_mode()
def logits_of(network: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Logits [row, vocabulary], float32, of hidden states [row, d_model]."""
    return weights.logits_of(network, hidden).float()


@torch.inference_mode()
def log_probabilities(network: Any, hidden: torch.Tensor, watched: Sequence[int]) -> torch.Tensor:
    """Log-probabilities [row, watched token], float32, of hidden states [row, d_model]."""
    step = max(1, LOGITS // (4 * network.get_output_embeddings().weight.shape[0]))
    columns = torch.tensor(watched, device=hidden.device)
    parts = [
        logits_of(network, hidden[begin : begin + step]).log_softmax(-1)[:, columns]
        for begin in range(0, len(hidden), step)
    ]
    return torch.cat(parts)


@torch.inference_mode()
def chosen_logits(
    network: Any, hidden: torch.Tensor, watched: Sequence[int], capped: bool = True
) -> torch.Tensor:
    """Logits [row, watched token] of hidden states [row, d_model], and no others.

    ``capped`` as for ``weights.logits_of``. In float64, which not every device has, so on the CPU.
    """
    columns = torch.tensor(watched, device=hidden.device)
    return exact(weights.logits_of(network, hidden, columns, capped))
