"""Which module of a network makes values, which is W_O, which norm stands where: from one reading.

What each module was given and gave is known (``recording.py``); modules are told by what fits.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from headlab.models.anatomy import Anatomy, Layer, Projection, body
from headlab.models.kernels import exact
from headlab.models.norms import is_norm
from headlab.models.recording import Attended, Call, Record, Unreadable, close

REBUILT = 1e-4  # of the largest number in what the heads' outputs are rebuilt to


def network_anatomy(network: Any, record: Record, hidden: torch.Tensor) -> Anatomy:
    """The blocks in their order, and what stands behind the last one."""
    if len({one.name for one in record.attended}) < len(record.attended):
        raise Unreadable("it uses one attention several times in a pass")
    blocks = [_block_of(one.name) for one in record.attended]
    stack = blocks[0].rpartition(".")[0]
    names = [
        call.name
        for call in record.calls
        if call.name.rpartition(".")[0] == stack and call.name.rpartition(".")[2].isdigit()
    ]
    if not set(blocks) <= set(names) or len(set(blocks)) < len(blocks):
        raise Unreadable("its attention is not one in each layer")
    if len(set(names)) < len(names):
        raise Unreadable("it runs its layers more than once")
    if len({one.pattern.shape[1] for one in record.attended}) > 1:
        raise Unreadable("its layers have different numbers of heads")
    calls = {call.name: call for call in record.calls}
    layers = []
    for name in names:
        inside = [call for call in record.calls if call.name.startswith(f"{name}.")]
        here = [one for one in record.attended if _block_of(one.name) == name]
        if here:
            layers.append(_layer(network, calls[name], inside, here[0]))
        else:
            layers.append(Layer(block=name, adds="layers without attention add to its stream"))
    final_norm, weights = _final_norm(network, record, calls[names[-1]].gave, hidden, stack)
    return Anatomy(
        n_heads=record.attended[0].pattern.shape[1],
        layers=tuple(layers),
        final_norm=final_norm,
        weights=next((layer.weights for layer in layers if layer.weights), weights),
        adds=next((layer.adds for layer in layers if layer.adds), ""),
    )


def _block_of(name: str) -> str:
    """The block that a module is in: its name up to the first number."""
    parts = name.split(".")
    for index, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[: index + 1])
    return name


def _same(one: torch.Tensor | None, other: torch.Tensor | None, tolerance: float = 1e-6) -> bool:
    if one is None or other is None or one.numel() != other.numel():
        return False
    return close(one.reshape(other.shape), other, tolerance)


def _is_linear(module: Any) -> bool:
    return isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D"


def _layer(network: Any, block: Call, inside: list[Call], attended: Attended) -> Layer:
    """Which module of a block does what, as far as that can be shown."""
    n_heads = attended.pattern.shape[1]
    known = Layer(block.name, attention=attended.name)
    linears = [call for call in inside if _is_linear(call.module)]
    found = None
    for output in linears:
        if output.given is None or output.given.shape[-1] % n_heads:
            continue
        found = _values(linears, output, attended)
        if found is not None:
            break
    if attended.value is not None:
        known = replace(known, d_head=attended.value.shape[-1])
    if found is None:
        direct = attended.output is None or any(
            _same(call.given, attended.output) for call in linears
        )
        reason = "its values are not made from the residual stream in one step"
        if not direct:
            reason = "between its heads and W_O stands something else, such as a gate"
        return replace(known, weights=reason, adds=reason)
    value, read = found
    known = replace(known, d_head=value.d_head, value=value, output=output.name)
    residual = block.given
    if residual is None or read.given is None or residual.shape != read.given.shape:
        reason = "its heads do not read the residual stream"
        return replace(known, weights=reason, adds=reason)
    if not _same(read.given, residual):
        norms = [
            call
            for call in inside
            if _same(call.gave, read.given)
            and _same(call.given, residual)
            and is_norm(call.module, residual, read.given, 1e-3)
        ]
        if not norms:
            reason = "between the residual stream and its heads stands more than a norm"
            return replace(known, weights=reason, adds=reason)
        known = replace(known, reads=norms[0].name)
    if attended.query is not None and attended.key is not None:
        known = replace(
            known,
            query=_first_position(inside, linears, attended.query),
            key=_first_position(inside, linears, attended.key),
        )
    else:
        query, key = _of_patterns(linears, attended.pattern, value.d_head)
        known = replace(known, query=query, key=key)
    return _added(known, block, inside, output)


def _layouts(n_heads: int, d_head: int, width: int) -> Iterator[tuple[int, int, int]]:
    """Ways to cut ``width`` numbers into heads: offset, step between groups, heads of a group."""
    for groups in range(1, n_heads + 1):
        if n_heads % groups or width % groups:
            continue
        per, step = n_heads // groups, width // groups
        for offset in range(0, step - per * d_head + 1, d_head):
            yield offset, step, per


def cut(x: torch.Tensor, projection: Projection) -> torch.Tensor:
    """[batch, position, output] as [batch, head, position, d_head]."""
    p = projection
    groups = p.heads // p.per
    x = x.unflatten(-1, (groups, -1))[..., p.offset : p.offset + p.per * p.d_head]
    return x.unflatten(-1, (p.per, p.d_head)).flatten(2, 3).transpose(1, 2)


def _values(
    linears: list[Call], output: Call, attended: Attended
) -> tuple[Projection, Call] | None:
    """The linear layer, and its outputs, that the patterns weigh into what W_O is given."""
    given, pattern = output.given, attended.pattern
    assert given is not None
    n_heads = pattern.shape[1]
    if attended.output is not None and not _same(given, attended.output):
        return None
    if given.dim() != 3 or given.shape[:2] != pattern.shape[::2][:2]:
        return None
    d_head = given.shape[-1] // n_heads
    kept = attended.value.shape[1] if attended.value is not None else None
    for call in linears:
        if call is output or call.gave is None or call.gave.shape[:-1] != given.shape[:2]:
            continue
        width = call.gave.shape[-1]
        for n_values in [kept] if kept else [n for n in range(n_heads, 0, -1) if n_heads % n == 0]:
            for offset, step, per in _layouts(n_values, d_head, width):
                projection = Projection(call.name, n_values, d_head, offset, step, per)
                value = cut(call.gave, projection).repeat_interleave(n_heads // n_values, dim=1)
                made = (pattern.to(value.dtype) @ value).transpose(1, 2).flatten(2)
                if _same(made, given, REBUILT if value.dtype == torch.float32 else 1e-2):
                    return projection, call
    return None


def _first_position(
    inside: list[Call], linears: list[Call], wanted: torch.Tensor
) -> Projection | None:
    """Where queries or keys come from: the first position, where rotary embeddings turn nothing.

    A fixed scale between them is let pass (some scale their queries here, some later), and a norm.
    """
    n_heads, d_head = wanted.shape[1], wanted.shape[-1]
    first = exact(wanted[:, :, 0])
    for call in linears:
        if call.gave is None or call.gave.dim() != 3:
            continue
        for offset, step, per in _layouts(n_heads, d_head, call.gave.shape[-1]):
            projection = Projection(call.name, n_heads, d_head, offset, step, per)
            made = cut(call.gave, projection)
            if _along(exact(made[:, :, 0]), first):
                return projection
            for norm in inside:
                if (
                    norm.given is None
                    or norm.gave is None
                    or not norm.name.startswith(call.name.rpartition(".")[0])
                ):
                    continue
                if norm is call or norm.given.numel() != made.numel() or _is_linear(norm.module):
                    continue
                normed = _as_heads(norm.gave, made.shape)
                if (
                    _same(_as_heads(norm.given, made.shape), made)
                    and normed is not None
                    and _along(exact(normed[:, :, 0]), first)
                ):
                    return replace(projection, norm=norm.name)
    return None


def _of_patterns(
    linears: list[Call], pattern: torch.Tensor, d_head: int
) -> tuple[Projection | None, Projection | None]:
    """Where queries and keys come from if a softmax of their products is all that the pattern is.

    So it is where positions are added to the stream, not turned or added to the scores.
    """
    n_heads, n = pattern.shape[1], pattern.shape[2]
    seen = torch.tril(torch.ones(n, n, dtype=torch.bool, device=pattern.device)) & (pattern > 1e-6)
    count = seen.sum(-1, keepdim=True)

    def contrasted(scores: torch.Tensor) -> torch.Tensor:
        scores = torch.where(seen, scores, 0)
        return torch.where(seen, scores - scores.sum(-1, keepdim=True) / count, 0)

    found = contrasted(exact(pattern).clamp_min(1e-30).log())
    made = [
        (projection, exact(cut(call.gave, projection)))
        for call in linears
        if call.gave is not None and call.gave.shape[:-1] == pattern.shape[::2]
        for offset, step, per in _layouts(n_heads, d_head, call.gave.shape[-1])
        if (projection := Projection(call.name, n_heads, d_head, offset, step, per))
    ]
    for query, q in made:
        for key, k in made:
            if query != key and _along(contrasted(q @ k.transpose(-1, -2)), found):
                return query, key
    return None, None


def _as_heads(x: torch.Tensor, shape: torch.Size) -> torch.Tensor | None:
    """[batch, head, position, d_head], however the heads lie in ``x``."""
    batch, n_heads, n, d_head = shape
    if x.dim() == 4 and x.shape[1] == n_heads and x.shape[2] == n and n != n_heads:
        return x
    if x.numel() != batch * n_heads * n * d_head:
        return None
    return x.reshape(batch, n, n_heads, d_head).transpose(1, 2)


def _along(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether one is the other times a number."""
    size = one.flatten() @ one.flatten()
    if not size > 0:
        return False
    scale = (one.flatten() @ other.flatten()) / size
    return bool(scale > 0 and (scale * one - other).abs().max() <= 1e-4 * other.abs().max())


def _added(known: Layer, block: Call, inside: list[Call], output: Call) -> Layer:
    """How the heads' outputs and the MLP's are added to the stream, if they are."""
    before, after, wrote = block.given, block.gave, output.gave
    reason = "its blocks are no sum of what heads and MLP write"
    if before is None or after is None or wrote is None or before.shape != after.shape:
        return replace(known, adds=reason)
    written = [("", wrote)] + [
        (call.name, call.gave)
        for call in inside
        if call.gave is not None
        and call is not output
        and _same(call.given, wrote)
        and not _same(call.gave, wrote)
        and call.gave.shape == wrote.shape
        and is_norm(call.module, wrote, call.gave, 1e-3)
    ]
    others = [
        call
        for call in sorted(inside, key=lambda call: call.name.count("."))
        if call.gave is not None and call.gave.numel() == after.numel()
    ]
    change = (exact(after) - exact(before)).flatten()
    for norm, write in written:
        for call in others:
            assert call.gave is not None
            parts = torch.stack([exact(write).flatten(), exact(call.gave).flatten()], 1)
            if call.name in (norm, output.name):
                continue
            square = parts.T @ parts
            if torch.linalg.cond(square) > 1e10:
                continue
            scales = torch.linalg.solve(square, parts.T @ change)
            if (parts @ scales - change).abs().max() <= REBUILT * change.abs().max():
                scale, mlp_scale = (1.0 if abs(s - 1) < 1e-3 else s for s in scales.tolist())
                return replace(known, writes=norm, mlp=call.name, scale=scale, mlp_scale=mlp_scale)
    return replace(known, adds=reason)


def _final_norm(
    network: Any,
    record: Record,
    last: torch.Tensor | None,
    hidden: torch.Tensor,
    stack: str,
) -> tuple[str, str]:
    """The norm between the last block and the last hidden state, or why that is not known."""
    decoder = getattr(body(network), "decoder", None)
    project = getattr(decoder, "project_out", None)

    def leads(x: torch.Tensor | None) -> bool:
        return x is not None and _same(x if project is None else project(x), hidden, 1e-5)

    if leads(last):
        return "", ""
    for call in record.calls:
        if call.name.startswith(f"{stack}.") or not _same(call.given, last):
            continue
        assert last is not None
        if (
            leads(call.gave)
            and call.gave is not None
            and is_norm(call.module, last, call.gave, 1e-3)
        ):
            return call.name, ""
    return "", "between its last block and the unembedding stands more than a norm"
