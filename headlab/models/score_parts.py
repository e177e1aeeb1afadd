"""One attention score as a sum over what wrote to the residual stream, exact.

Query and key are linear in the normed residual stream once the norm's statistics are frozen, and
the stream is a sum of what embeddings, heads, MLPs and biases wrote. So the layer's own attention
module is asked for the query and key of each part alone: whatever it does to them (biases, rotary
embeddings, grouped keys) is then in them.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from headlab.errors import HeadlabError
from headlab.models.attention import Inputs, Tap, check_changeable, inputs_of, run
from headlab.models.norms import norm_facts
from headlab.models.weights import (
    attention_module,
    embedding,
    head_weights,
    norm_before,
    output_bias,
)

BYTES = 64_000_000  # of rows that go through an attention module together
SUM = 1e-4  # of the largest number in the stream that its parts may be off by


class Part(NamedTuple):
    """Something that wrote to the residual stream: ``kind`` and, if it has them, layer and head.

    Kinds: "token" and "position" (the embeddings), "head", "MLP", "biases" (all as one: those of
    W_O, of the norm, of query and key).
    """

    kind: str
    layer: int = -1
    head: int = -1

    def __str__(self) -> str:
        if self.kind == "head":
            return f"L{self.layer}.H{self.head}"
        return f"MLP {self.layer}" if self.kind == "MLP" else self.kind


@dataclass(frozen=True)
class Call:
    """How one layer's attention module was called in a pass, and what it computed from that."""

    module: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    inputs: Inputs

    def ask(self, rows: torch.Tensor) -> Inputs:
        """The queries, keys and values that ``rows`` [row, position, d_model] would give."""
        return inputs_of(self.module, rows, self.arguments, self.options)


@dataclass(frozen=True)
class ScoreParts:
    """Queries and keys of one layer on one text, split by what wrote them.

    ``query`` and ``key`` [part, head, position, d_head]; those of all parts sum to the layer's own
    ``whole_query`` and ``whole_key`` [head, position, d_head]. A raw score is ``scaling`` * query .
    key; ``mask`` [query, key] is added to it before the softmax.
    """

    parts: list[Part]
    query: torch.Tensor = field(repr=False)
    key: torch.Tensor = field(repr=False)
    whole_query: torch.Tensor = field(repr=False)
    whole_key: torch.Tensor = field(repr=False)
    mask: torch.Tensor = field(repr=False)
    query_bias: torch.Tensor = field(repr=False)  # [head, position, d_head], what no input gives
    scaling: float = 1.0


@dataclass
class _Stream:
    """What a pass wrote to the residual stream before a layer, and how that layer was called."""

    first: torch.Tensor  # [position, d_model]
    last: torch.Tensor
    outputs: list[torch.Tensor]  # [head, position, d_head] by layer
    mlps: list[torch.Tensor]  # [position, d_model] by layer
    call: Call


def check_splittable(network: Any, layer: int) -> None:
    """Raise HeadlabError where a score is no sum of parts, saying why."""
    check_changeable(network)
    if norm_before(network, layer) is None:
        raise HeadlabError(
            "This model normalises after each block, so its attention scores are no sum of what "
            "its parts wrote: choose another model for this explanation."
        )


@torch.inference_mode()
def score_parts(
    network: Any, tokens: torch.Tensor, layer: int, heads: slice = slice(None)
) -> ScoreParts:
    """The queries and keys of some heads of a layer, split by what wrote them.

    ``tokens`` [1, position]. Raises HeadlabError where the stream is no sum of known parts.
    """
    check_splittable(network, layer)
    stream = _stream(network, tokens, layer)
    parts, rows = _parts(network, tokens, layer, stream)
    if not stream.call.inputs.plain:
        raise HeadlabError(
            "This model bends its attention scores or adds a learned sink to them, so they are no "
            "sum of what its parts wrote: choose another model for this explanation."
        )
    size = stream.last.abs().max()
    if not (rows.sum(0) - stream.last).abs().max() <= SUM * size:
        raise HeadlabError(
            "What is written to this model's residual stream is more than headlab can tell apart, "
            "so it cannot say exactly why a head looks there: choose another model for this."
        )
    norm, call = norm_before(network, layer), stream.call
    assert norm is not None  # else it is not splittable
    rows, bias = _normed(norm, rows, stream.last)
    rows[parts.index(Part("biases"))] += bias
    query, key, none = _asked(call, rows, norm(stream.last[None]), heads)
    for one, zero in zip((query, key), none, strict=True):
        one[parts.index(Part("biases"))] += zero
    n = tokens.shape[1]
    mask = call.inputs.mask
    device = query.device
    if mask is None:
        mask = torch.full((n, n), torch.finfo(query.dtype).min, device=device).triu(1)
    return ScoreParts(
        parts,
        query,
        key,
        call.inputs.query[0, heads],
        call.inputs.key[0, heads],
        mask.expand(1, 1, n, n)[0, 0].to(query.dtype),
        none[0],
        call.inputs.scaling,
    )


def _stream(network: Any, tokens: torch.Tensor, layer: int) -> _Stream:
    n = tokens.shape[1]
    outputs: list[torch.Tensor] = []
    mlps: list[torch.Tensor] = []
    residuals: dict[int, torch.Tensor] = {}
    called: list[Any] = []

    def keep_output(at: int, output: torch.Tensor) -> None:
        outputs.append(output[0])

    def keep_residual(at: int, residual: torch.Tensor) -> None:
        if at in (0, layer):
            residuals[at] = residual[0].clone()

    def keep_mlp(at: int, output: torch.Tensor) -> None:
        mlps.append(output.reshape(n, -1))

    def keep_call(at: int, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        if at == layer:
            called.extend([arguments, options])

    def keep_inputs(at: int, inputs: Inputs) -> None:
        if at == layer:
            called.append(inputs)

    tap = Tap(
        edit_output=keep_output,
        edit_residual=keep_residual,
        read_mlp=keep_mlp,
        read_call=keep_call,
        read_inputs=keep_inputs,
        last_layer=layer,
    )
    run(network, tokens, tap)
    call = Call(attention_module(network, layer), *called)
    return _Stream(residuals[0], residuals[layer], outputs, mlps, call)


def _parts(
    network: Any, tokens: torch.Tensor, layer: int, stream: _Stream
) -> tuple[list[Part], torch.Tensor]:
    """Every part and what it wrote, [part, position, d_model]."""
    token, position = _embeddings(network, tokens, stream.first)
    named: list[tuple[Part, torch.Tensor]] = [(Part("token"), token)]
    if position is not None:
        named.append((Part("position"), position))
    biases = torch.zeros_like(stream.first)
    for at in range(layer):
        written = stream.outputs[at] @ head_weights(network, at).W_O  # [head, position, d_model]
        named += [(Part("head", at, head), wrote) for head, wrote in enumerate(written)]
        named.append((Part("MLP", at), stream.mlps[at]))
        biases = biases + output_bias(network, at)
    named.append((Part("biases"), biases))
    return [part for part, _ in named], torch.stack([wrote for _, wrote in named])


def _embeddings(
    network: Any, tokens: torch.Tensor, first: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What the token and what its position puts into the stream, if these can be told apart.

    They can where the rest beside the token's embedding is the same for other tokens in the same
    places, which is tried.
    """
    token = embedding(network, tokens[0])
    rest = first - token
    small = 1e-5 * first.abs().max()
    if rest.abs().max() <= small:
        return first, None
    others, found = tokens.roll(1, dims=1), []
    keep = Tap(edit_residual=lambda at, x: found.append(x[0].clone()), last_layer=0)
    run(network, others, keep)
    apart = (found[0] - embedding(network, others[0]) - rest).abs().max() <= small
    return (token, rest) if apart else (first, None)


def _normed(
    norm: Any, rows: torch.Tensor, total: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows [row, position, d_model] through the norm, its statistics those of ``total``.

    And the norm's bias, [d_model], which belongs to none of them.
    """
    known = norm_facts(norm, total.shape[-1], total)
    x = (total - total.mean(-1, keepdim=True) if known.centres else total) * known.gain
    scale = x.square().sum(-1) / (x * (norm(total[None])[0] - known.bias)).sum(-1)
    rows = (rows - rows.mean(-1, keepdim=True) if known.centres else rows) * known.gain
    return rows / scale[:, None], known.bias


def _asked(
    call: Call, rows: torch.Tensor, whole: torch.Tensor, heads: slice
) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Query and key of each row without biases, [row, head, position, d_head], and of no row."""
    first = torch.cat([whole, torch.zeros_like(whole)])
    step = max(1, BYTES // (4 * rows[0].numel() * rows.itemsize))
    queries, keys = [], []
    for begin in range(0, len(rows), step):
        inputs = call.ask(torch.cat([first, rows[begin : begin + step]]))
        query, key = inputs.query[:, heads], inputs.key[:, heads]
        none = query[1].clone(), key[1].clone()
        queries.append(query[2:] - none[0])
        keys.append(key[2:] - none[1])
    return torch.cat(queries), torch.cat(keys), none
