"""When a network is opened: does the tap show what eager attention computes, and where is what?

A short text is read twice, with transformers' own eager attention and through the tap. Where both
agree the network can be read, whatever it is called; and from what each module was given and gave
in that pass follows which of them makes values, which is W_O, which norm stands where. What was
found is tried at once: the heads' outputs are rebuilt from the weights and compared.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from headlab.errors import HeadlabError
from headlab.models.anatomy import Anatomy, Layer, Projection, anatomy, body, remember
from headlab.models.attention import NAME, Tap, attend, listening, place, run
from headlab.models.hf import AttentionInterface, AttentionMaskInterface, eager_mask
from headlab.models.kernels import exact
from headlab.models.norms import is_norm

EQUAL = 1e-5  # of a pattern in float32; in half precision its own epsilon
REBUILT = 1e-4  # of the largest number in what the heads' outputs are rebuilt to
ROWS, LENGTH = 2, 9  # of the text that is read
RECORDING = "headlab_proof"


class _Unreadable(Exception):
    """With the reason, as a part of a sentence."""


@dataclass(frozen=True)
class _Call:
    """A module that ran: what it was given and what it gave, first tensors only."""

    name: str
    module: Any
    given: torch.Tensor | None
    gave: torch.Tensor | None


@dataclass(frozen=True)
class _Attended:
    """One layer's attention as it ran; ``output`` [batch, position, head * d_head]."""

    name: str
    pattern: torch.Tensor
    output: torch.Tensor | None = None
    query: torch.Tensor | None = None
    key: torch.Tensor | None = None
    value: torch.Tensor | None = None
    expected: torch.Tensor | None = None
    sinks: bool = False


@dataclass
class _Record:
    names: dict[Any, str]
    calls: list[_Call] = field(default_factory=list)
    attended: list[_Attended] = field(default_factory=list)


_RECORD: ContextVar[_Record | None] = ContextVar("headlab_record", default=None)


def _attend_and_record(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any
) -> tuple[torch.Tensor, None]:
    """Our attention, its parts written down, and beside it that of the module's own file."""
    record = _RECORD.get()
    assert record is not None
    seen: list[torch.Tensor] = []
    with listening(Tap(read=lambda layer, pattern, value: seen.append(pattern.clone()))):
        output, _ = attend(module, query, key, value, attention_mask, layer=0, **options)
    eager = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    expected = None
    if eager is not None:
        expected = eager(module, query, key, value, attention_mask, **options)[1]
    record.attended.append(
        _Attended(
            record.names.get(module, ""),
            seen[0],
            output.flatten(2),
            query,
            key,
            value,
            expected,
            options.get("s_aux") is not None or options.get("sinks") is not None,
        )
    )
    return output, None


AttentionInterface.register(RECORDING, _attend_and_record)
AttentionMaskInterface.register(RECORDING, eager_mask)


def use_attention(network: Any, name: str) -> None:
    """Have every part of ``network`` call the attention registered under ``name``."""
    for module in network.modules():
        config: Any = getattr(module, "config", None)
        if hasattr(config, "_attn_implementation_internal"):
            config._attn_implementation_internal = name


def examine(network: Any) -> Anatomy:
    """Prove what can be read of a network, and make it ready for that.

    ``network`` was opened with eager attention, on its device. Raises HeadlabError, one sentence,
    where its attention cannot be read.
    """
    try:
        found = _examined(network)
    except _Unreadable as reason:
        raise HeadlabError(
            f"Models of type {network.config.model_type} cannot be read: {reason}. Choose another "
            "model."
        ) from reason
    install(network, found)
    return found


def install(network: Any, found: Anatomy) -> None:
    """Make a network of the same configuration ready for what was found out about another one."""
    use_attention(network, NAME if found.tapped else "eager")
    for index, layer in enumerate(found.layers):
        if layer.attention:
            place(network.get_submodule(layer.attention), index)
    remember(network, found)


@torch.inference_mode()
def _examined(network: Any) -> Anatomy:
    tokens = _some_tokens(network)
    use_attention(network, "eager")
    logits, patterns = _eager(network, tokens)
    tolerance = _tolerance(network)
    record, hidden = _recorded(network, tokens, RECORDING)
    difference = _difference(record.attended, patterns)
    tapped = bool(record.attended) and difference <= tolerance and hidden is not None
    why_not = "its attention does not pass through the tap as eager attention computes it"
    if tapped:
        assert hidden is not None
        head, head_reason = _head(network, hidden, logits, tolerance)
        if head_reason:  # either the tap changes the pass or the head is unknown: eager decides
            use_attention(network, "eager")
            eager_hidden = body(network)(input_ids=tokens, use_cache=False).last_hidden_state
            tapped = _close(hidden, eager_hidden, tolerance)
    if not tapped:
        if not any(one is not None for one in patterns):
            raise _Unreadable(
                "its layers have no attention that transformers shows"
                if not record.attended
                else why_not
            )
        record, hidden = _recorded(network, tokens, "eager")
        if hidden is None:
            raise _Unreadable("transformers gives no last hidden state for it")
        head, head_reason = _head(network, hidden, logits, tolerance)
        record.attended = _afterwards(record, patterns)
        difference = 0.0
        why_not = "it calls its own attention, which can only be read when a pass is over"
    assert hidden is not None  # else it is not tapped
    _check_causal(record.attended, tolerance)
    found = _network_anatomy(network, record, hidden)
    weights = found.weights or head_reason
    found = replace(
        found,
        tapped=tapped,
        sinks=any(one.sinks for one in record.attended),
        logit_scale=head[0],
        softcap=head[1],
        weights=weights,
        adds=found.adds or weights,
        unchangeable=(head_reason if tapped else why_not),
        difference=difference,
    )
    if tapped and not found.unchangeable:
        install(network, found)
        found = _takes(network, tokens, hidden, tolerance)
    return found


def _some_tokens(network: Any) -> torch.Tensor:
    """Seeded ids [row, position], the padding token not among them."""
    embedding = network.get_input_embeddings()
    if embedding is None or getattr(embedding, "weight", None) is None:
        raise _Unreadable("it has no token embedding")
    size = len(embedding.weight)
    padding = getattr(network.config, "pad_token_id", None)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randperm(size, generator=generator)[: ROWS * LENGTH + 1]
    if padding is not None:
        ids = ids[ids != padding]
    ids = ids[: ROWS * LENGTH]
    if len(ids) < ROWS * LENGTH:
        ids = ids.repeat(ROWS * LENGTH)[: ROWS * LENGTH]
    return ids.view(ROWS, LENGTH).to(embedding.weight.device)


def _tolerance(network: Any) -> float:
    half = network.dtype in (torch.float16, torch.bfloat16)
    return torch.finfo(network.dtype).eps if half else EQUAL


def _eager(network: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
    """Logits, and the patterns that transformers returns, a place for each layer it names."""
    try:
        output = network(input_ids=tokens, use_cache=False, output_attentions=True)
    except Exception as error:  # whatever an architecture cannot do with a plain text
        raise _Unreadable(f"it does not run on a plain text ({type(error).__name__})") from error
    n = tokens.shape[1]
    patterns = getattr(output, "attentions", None) or ()
    return output.logits, [
        one if torch.is_tensor(one) and one.dim() == 4 and one.shape[-2:] == (n, n) else None
        for one in patterns
    ]


def _recorded(
    network: Any, tokens: torch.Tensor, attention: str
) -> tuple[_Record, torch.Tensor | None]:
    """One pass with everything written down, and its last hidden state if there is one."""
    record = _Record({module: name for name, module in network.named_modules()})
    use_attention(network, attention)
    token = _RECORD.set(record)
    try:
        with _hooked(network, record):
            output = body(network)(input_ids=tokens, use_cache=False)
    except Exception as error:
        if attention == "eager":
            raise _Unreadable(f"it does not run alone ({type(error).__name__})") from error
        return _Record({}), None
    finally:
        _RECORD.reset(token)
    return record, getattr(output, "last_hidden_state", None)


@contextmanager
def _hooked(network: Any, record: _Record) -> Iterator[None]:
    def hook(module: Any, arguments: Any, options: Any, output: Any) -> None:
        given = _first_tensor([options.get("hidden_states"), *arguments, *options.values()])
        gave = _first_tensor(output if isinstance(output, tuple | list) else [output])
        record.calls.append(_Call(record.names[module], module, given, gave))

    hooks = [
        module.register_forward_hook(hook, with_kwargs=True) for module in body(network).modules()
    ]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


def _first_tensor(values: Sequence[Any]) -> torch.Tensor | None:
    """A copy, for some modules go on to write into what they were given."""
    for value in values:
        if torch.is_tensor(value) and value.is_floating_point():
            return value.clone()
    return None


def _difference(attended: Sequence[_Attended], patterns: Sequence[torch.Tensor | None]) -> float:
    """The largest difference between the tap's patterns and eager attention's."""
    theirs: Sequence[torch.Tensor | None] = [one for one in patterns if one is not None]
    ours = [one.pattern for one in attended]
    if [one.shape for one in ours] != [one.shape for one in theirs if one is not None]:
        theirs = [one.expected for one in attended]  # not every layer has attention
    differences = [0.0]
    for one, expected in zip(attended, theirs, strict=True):
        if expected is None or expected.shape != one.pattern.shape:
            return float("inf")
        sums = expected.sum(-1, keepdim=True)
        if one.sinks and (sums - 1).abs().max() < 1e-3:  # some show rows without the sink's part
            expected = expected * one.pattern.sum(-1, keepdim=True)
        differences.append(float((one.pattern - expected).abs().max()))
    return max(differences)


def _close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> bool:
    """Equal up to a part of the largest number; never with NaN."""
    if ours.shape != theirs.shape:
        return False
    scale = theirs.abs().max().float()
    return bool((ours.float() - theirs.float()).abs().max() <= tolerance * scale)


def _head(
    network: Any, hidden: torch.Tensor, logits: torch.Tensor, tolerance: float
) -> tuple[tuple[float, float], str]:
    """What makes logits of the last hidden state beside the unembedding: a scale, a soft cap."""
    unembed = network.get_output_embeddings()
    reason = "its logits are not what its unembedding gives for the last hidden state"
    if unembed is None or getattr(unembed, "weight", None) is None:
        return (1.0, 0.0), reason
    try:
        plain = unembed(hidden)
    except RuntimeError:
        return (1.0, 0.0), reason
    config = network.config.get_text_config()
    names = ("final_logit_softcapping", "logits_soft_cap")
    cap = float(next((cap for name in names if (cap := getattr(config, name, None))), 0))
    for softcap in {0.0, cap}:
        flat = exact(plain).flatten()
        if flat.numel() != logits.numel():
            break
        aim = exact(logits).flatten()
        if softcap:
            aim = softcap * torch.atanh((aim / softcap).clamp(-1 + 1e-9, 1 - 1e-9))
        scale = float((aim @ flat) / (flat @ flat))
        scale = 1.0 if abs(scale - 1) < 1e-3 else scale
        ours = scale * plain
        if softcap:
            ours = softcap * torch.tanh(ours / softcap)
        if _close(ours, logits, 10 * tolerance):
            return (scale, softcap), ""
    return (1.0, 0.0), reason


def _afterwards(record: _Record, patterns: Sequence[torch.Tensor | None]) -> list[_Attended]:
    """What was attended to in each layer of a network that calls its own attention."""
    names = _block_names(record, len(patterns))
    if names is None:
        raise _Unreadable("transformers does not say which layer a pattern is of")
    return [
        _Attended(name, pattern)
        for name, pattern in zip(names, patterns, strict=True)
        if pattern is not None
    ]


def _block_names(record: _Record, n: int) -> list[str] | None:
    """The modules of the stack of ``n`` blocks that ran, in their order."""
    stacks: dict[str, list[str]] = {}
    for call in record.calls:
        parent, _, last = call.name.rpartition(".")
        if last.isdigit():
            stacks.setdefault(parent, []).append(call.name)
    for names in sorted(stacks.values(), key=lambda names: names[0].count(".")):
        if len(names) == n and len(set(names)) == n:
            return names
    return None


def _check_causal(attended: Sequence[_Attended], tolerance: float) -> None:
    for one in attended:
        later = torch.triu(one.pattern.float(), 1).abs().max()
        sums = one.pattern.float().sum(-1)
        if not later <= tolerance:
            raise _Unreadable("it looks at later tokens, not only at earlier ones")
        if not (sums <= 1 + 1e-2).all() or not (one.pattern >= -tolerance).all():
            raise _Unreadable("its attention is no share: rows sum to more than 1")


def _network_anatomy(network: Any, record: _Record, hidden: torch.Tensor) -> Anatomy:
    """The blocks in their order, and what stands behind the last one."""
    if len({one.name for one in record.attended}) < len(record.attended):
        raise _Unreadable("it uses one attention several times in a pass")
    blocks = [_block_of(one.name) for one in record.attended]
    stack = blocks[0].rpartition(".")[0]
    names = [
        call.name
        for call in record.calls
        if call.name.rpartition(".")[0] == stack and call.name.rpartition(".")[2].isdigit()
    ]
    if not set(blocks) <= set(names) or len(set(blocks)) < len(blocks):
        raise _Unreadable("its attention is not one in each layer")
    if len(set(names)) < len(names):
        raise _Unreadable("it runs its layers more than once")
    if len({one.pattern.shape[1] for one in record.attended}) > 1:
        raise _Unreadable("its layers have different numbers of heads")
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
    return _close(one.reshape(other.shape), other, tolerance)


def _is_linear(module: Any) -> bool:
    return isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D"


def _layer(network: Any, block: _Call, inside: list[_Call], attended: _Attended) -> Layer:
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
    linears: list[_Call], output: _Call, attended: _Attended
) -> tuple[Projection, _Call] | None:
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
    inside: list[_Call], linears: list[_Call], wanted: torch.Tensor
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
    linears: list[_Call], pattern: torch.Tensor, d_head: int
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


def _added(known: Layer, block: _Call, inside: list[_Call], output: _Call) -> Layer:
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
    record: _Record,
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


def _takes(network: Any, tokens: torch.Tensor, hidden: torch.Tensor, tolerance: float) -> Anatomy:
    """Whether the stream can be written to in the middle of a pass, and a version can join it."""
    known = anatomy(network)
    middle = known.n_layers // 2

    def after(tokens: torch.Tensor, change: Any) -> torch.Tensor | None:
        tap = Tap(edit_residual=lambda layer, x: change(x) if layer == middle else None)
        try:
            return run(network, tokens, tap)
        except (RuntimeError, IndexError, ValueError):
            return None

    replaced = after(tokens, lambda x: x[:1].expand_as(x).clone())
    joined = after(tokens[:1], lambda x: torch.cat([x, x[:1]]))
    alone = hidden[:1].expand(2, *hidden.shape[1:])
    stream, joins = (
        found is not None and _close(found, alone, 10 * tolerance) for found in (replaced, joined)
    )
    return replace(known, stream=stream, joins=joins and stream)
