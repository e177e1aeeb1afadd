"""What a network was given and gave while it read a short text: module by module, layer by layer.

The text is read twice, with transformers' own eager attention and with one that writes down what it
computes; how far the two lie apart decides what may be claimed of the network.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch

from headlab.models.anatomy import body
from headlab.models.attention import Tap, attend, listening
from headlab.models.hf import AttentionInterface, AttentionMaskInterface, eager_mask
from headlab.models.kernels import exact

EQUAL = 1e-5  # of a pattern in float32; in half precision its own epsilon
ROWS, LENGTH = 2, 9  # of the text that is read
RECORDING = "headlab_proof"


class Unreadable(Exception):
    """With the reason, as a part of a sentence."""


@dataclass(frozen=True)
class Call:
    """A module that ran: what it was given and what it gave, first tensors only."""

    name: str
    module: Any
    given: torch.Tensor | None
    gave: torch.Tensor | None


@dataclass(frozen=True)
class Attended:
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
class Record:
    names: dict[Any, str]
    calls: list[Call] = field(default_factory=list)
    attended: list[Attended] = field(default_factory=list)


_RECORD: ContextVar[Record | None] = ContextVar("headlab_record", default=None)


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
        Attended(
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


def some_tokens(network: Any) -> torch.Tensor:
    """Seeded ids [row, position], the padding token not among them."""
    embedding = network.get_input_embeddings()
    if embedding is None or getattr(embedding, "weight", None) is None:
        raise Unreadable("it has no token embedding")
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


def tolerance_of(network: Any) -> float:
    half = network.dtype in (torch.float16, torch.bfloat16)
    return torch.finfo(network.dtype).eps if half else EQUAL


def read_eagerly(
    network: Any, tokens: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
    """Logits, and the patterns that transformers returns, a place for each layer it names."""
    try:
        output = network(input_ids=tokens, use_cache=False, output_attentions=True)
    except Exception as error:  # whatever an architecture cannot do with a plain text
        raise Unreadable(f"it does not run on a plain text ({type(error).__name__})") from error
    n = tokens.shape[1]
    patterns = getattr(output, "attentions", None) or ()
    return output.logits, [
        one if torch.is_tensor(one) and one.dim() == 4 and one.shape[-2:] == (n, n) else None
        for one in patterns
    ]


def read_recorded(
    network: Any, tokens: torch.Tensor, attention: str
) -> tuple[Record, torch.Tensor | None]:
    """One pass with everything written down, and its last hidden state if there is one."""
    record = Record({module: name for name, module in network.named_modules()})
    use_attention(network, attention)
    token = _RECORD.set(record)
    try:
        with _hooked(network, record):
            output = body(network)(input_ids=tokens, use_cache=False)
    except Exception as error:
        if attention == "eager":
            raise Unreadable(f"it does not run alone ({type(error).__name__})") from error
        return Record({}), None
    finally:
        _RECORD.reset(token)
    return record, getattr(output, "last_hidden_state", None)


@contextmanager
def _hooked(network: Any, record: Record) -> Iterator[None]:
    def hook(module: Any, arguments: Any, options: Any, output: Any) -> None:
        given = _first_tensor([options.get("hidden_states"), *arguments, *options.values()])
        gave = _first_tensor(output if isinstance(output, tuple | list) else [output])
        record.calls.append(Call(record.names[module], module, given, gave))

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


def difference_of(attended: Sequence[Attended], patterns: Sequence[torch.Tensor | None]) -> float:
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


def close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> bool:
    """Equal up to a part of the largest number; never with NaN."""
    if ours.shape != theirs.shape:
        return False
    scale = theirs.abs().max().float()
    return bool((ours.float() - theirs.float()).abs().max() <= tolerance * scale)


def output_head(
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
        if close(ours, logits, 10 * tolerance):
            return (scale, softcap), ""
    return (1.0, 0.0), reason


def afterwards(record: Record, patterns: Sequence[torch.Tensor | None]) -> list[Attended]:
    """What was attended to in each layer of a network that calls its own attention."""
    names = _block_names(record, len(patterns))
    if names is None:
        raise Unreadable("transformers does not say which layer a pattern is of")
    return [
        Attended(name, pattern)
        for name, pattern in zip(names, patterns, strict=True)
        if pattern is not None
    ]


def _block_names(record: Record, n: int) -> list[str] | None:
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


def check_causal(attended: Sequence[Attended], tolerance: float) -> None:
    for one in attended:
        later = torch.triu(one.pattern.float(), 1).abs().max()
        sums = one.pattern.float().sum(-1)
        if not later <= tolerance:
            raise Unreadable("it looks at later tokens, not only at earlier ones")
        if not (sums <= 1 + 1e-2).all() or not (one.pattern >= -tolerance).all():
            raise Unreadable("its attention is no share: rows sum to more than 1")
