"""The tap: the one place where attention is read and edited while a model runs.

transformers lets a program register its own attention function, which every architecture that
follows the interface then calls with query, key, value, scaling and mask, before the output
projection W_O. Ours computes attention exactly as the "eager" implementation does and, in
between, shows a layer's probabilities to whoever listens in the current context. One layer of
attention exists at a time, so a forward pass needs no more memory than a bare one.

Who listens travels in a context variable: learners who share one model in one process never
hear each other. What attention cannot see, the residual stream and what the MLPs add to it, is
shown by hooks on the blocks that ask the same variable.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from headlab.errors import HeadlabError
from headlab.models.anatomy import Anatomy, anatomy, body
from headlab.models.hf import AttentionInterface, AttentionMaskInterface, eager_mask
from headlab.models.kernels import blocks
from headlab.models.memory import enough_memory
from headlab.models.weights import (
    attention_module,
    final_norm,
    has_weights,
    head_values,
    layer_modules,
)

NAME = "headlab"


@dataclass(frozen=True)
class Tap:
    """What to do at each layer of a forward pass.

    ``read(layer, pattern, value)`` sees the pattern [batch, head, query, key] and the value
    vectors [batch, head, key, d_head] (bias included, grouped keys repeated); it must not write
    to them. It may return a pattern to use in place of the model's own, or None to leave it.
    ``read_heads(layer, heads, pattern)`` sees the same some heads at a time, ``heads`` a slice, and
    changes nothing: of a long text the pattern of a whole layer then never exists.
    ``edit_value(layer, value)`` sees the value vectors before the pattern and may return others to
    use in their place, and ``edit_output(layer, output)`` a replacement for the heads' outputs
    before W_O, [batch, head, query, d_head]. ``edit_residual(layer, residual)`` sees what goes into
    a block, [batch, position, d_model], and may replace it, also by more rows than there were; the
    final norm counts as one block more. Whoever only looks returns None.
    ``read_mlp(layer, output)`` sees what an MLP adds, in whatever shape the model has it.
    ``read_call(layer, arguments, options)`` sees what a layer's attention module is called with,
    and ``read_inputs(layer, inputs)`` the queries and keys that come of it: see :class:`Inputs`.
    ``last_layer`` stops the pass once that layer has been read: nothing later is computed. A layer
    without attention is shown as NaN to ``read``, ``read_heads`` and ``edit_value``, when the pass
    is over.
    """

    read: Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor | None] | None = None
    read_heads: Callable[[int, slice, torch.Tensor], None] | None = None
    edit_output: Callable[[int, torch.Tensor], torch.Tensor | None] | None = None
    edit_value: Callable[[int, torch.Tensor], torch.Tensor | None] | None = None
    edit_residual: Callable[[int, torch.Tensor], torch.Tensor | None] | None = None
    read_mlp: Callable[[int, torch.Tensor], None] | None = None
    read_call: Callable[[int, tuple[Any, ...], dict[str, Any]], None] | None = None
    read_inputs: Callable[[int, "Inputs"], None] | None = None
    last_layer: int | None = None


@dataclass(frozen=True)
class Inputs:
    """What attention is computed from in one layer: queries, keys and values as they meet.

    ``query``, ``key`` and ``value`` [batch, head, position, d_head], biases and rotary embeddings
    included, grouped keys repeated; ``mask`` [batch or 1, 1, query, key] is added to
    ``scaling`` * query . key, None where nothing is. ``plain``: nothing else is done to scores, no
    soft cap, no bias by position and no learned sink.
    """

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    scaling: float
    plain: bool = True


class _Stop(Exception):
    """Everything asked for has been read."""


_TAP: ContextVar[Tap | None] = ContextVar("headlab_tap", default=None)
Pause = Callable[[int], None]
_PAUSE: ContextVar[Pause | None] = ContextVar("headlab_pause", default=None)


@contextmanager
def pausing(pause: Pause) -> Iterator[None]:
    """Have ``pause`` called in the midst of every pass made inside the ``with`` block.

    It is called with the layer in every layer, of a long text after every few heads. It may take
    its time, while another thread uses the same network, and may raise to give the pass up.
    """
    token = _PAUSE.set(pause)
    try:
        yield
    finally:
        _PAUSE.reset(token)


_LAYER = "_headlab_layer"


def place(module: Any, layer: int) -> None:
    """Say of which layer a module is the attention."""
    setattr(module, _LAYER, layer)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    position_bias: torch.Tensor | None = None,
    sinks: torch.Tensor | None = None,
    layer: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Eager attention, [batch, head, position, d_head] in and [batch, query, head, d_head] out.

    ``softcap`` bends scores, ``s_aux`` [head] or ``sinks`` [batch, head, query, 1] are scores of a
    learned sink that takes its part of every row, ``position_bias`` is added to the scores.
    """
    layer = getattr(module, _LAYER, None) if layer is None else layer
    groups = query.shape[1] // key.shape[1]
    if groups > 1:  # grouped-query attention: each key and value serves several query heads
        key = key.repeat_interleave(groups, dim=1)
        value = value.repeat_interleave(groups, dim=1)
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    if s_aux is not None:
        sinks = s_aux.reshape(1, -1, 1, 1)
    scores = partial(_scores, query, key, attention_mask, scaling, softcap, position_bias)
    tap = _TAP.get()
    if tap is None or layer is None:
        tap, layer = Tap(), -1
    if tap.read_inputs is not None:
        plain = softcap is None and position_bias is None and sinks is None
        tap.read_inputs(layer, Inputs(query, key, value, attention_mask, scaling, plain))
    if tap.edit_value is not None:
        replacement = tap.edit_value(layer, value)
        value = value if replacement is None else replacement

    outputs = []
    whole, pause = tap.read is not None, _PAUSE.get()
    for heads, pattern in _patterns(query, key.shape[-2], scores, sinks, whole):
        if tap.read_heads is not None:
            tap.read_heads(layer, heads, pattern)
        if tap.read is not None:
            replacement = tap.read(layer, pattern, value)
            pattern = pattern if replacement is None else replacement
        if pause is not None:
            pause(layer)
        if layer != tap.last_layer:
            dropped = torch.nn.functional.dropout(pattern, p=dropout, training=module.training)
            outputs.append(torch.matmul(dropped, value[:, heads]))
    if layer == tap.last_layer:
        raise _Stop
    output = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
    if tap.edit_output is not None:
        replacement = tap.edit_output(layer, output)
        output = output if replacement is None else replacement
    return output.transpose(1, 2).contiguous(), None


def _patterns(
    query: torch.Tensor,
    n_keys: int,
    scores: Callable[[slice], torch.Tensor],
    sinks: torch.Tensor | None,
    whole: bool,
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Attention probabilities [batch, head, query, key] with the heads they are of.

    Of a long text they are made some heads at a time, and shown so unless ``whole``: never do
    the scores and the probabilities of a whole layer exist side by side.
    """
    batch, n_heads, n, _ = query.shape
    parts = list(blocks(n_heads, batch * n * n_keys * query.element_size()))
    if len(parts) == 1 or not whole:
        for heads in parts:
            yield heads, _probabilities(scores(heads), sinks, heads).to(query.dtype)
        return
    pattern = query.new_empty(batch, n_heads, n, n_keys)
    for heads in parts:
        pattern[:, heads] = _probabilities(scores(heads), sinks, heads).to(query.dtype)
    yield slice(n_heads), pattern


def _scores(
    query: torch.Tensor,
    key: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    softcap: float | None,
    position_bias: torch.Tensor | None,
    heads: slice,
) -> torch.Tensor:
    """As the "eager" implementations of transformers compute them, mask included."""
    scores = torch.matmul(query[:, heads], key[:, heads].transpose(-1, -2)).mul_(scaling)
    if softcap is not None:
        scores = scores.div_(softcap).tanh_().mul_(softcap)
    if position_bias is not None:
        scores.add_(_of_heads(position_bias, heads))
    if mask is not None:
        if len(mask) not in (1, len(scores)):  # rows added on the way hide what the first one hides
            mask = mask[:1]
        scores.add_(_of_heads(mask[..., : key.shape[-2]], heads))
    return scores


def _of_heads(tensor: torch.Tensor, heads: slice) -> torch.Tensor:
    """The part for some heads of [batch, head or 1, ...]."""
    return tensor if tensor.shape[1] == 1 else tensor[:, heads]


def _probabilities(scores: torch.Tensor, sinks: torch.Tensor | None, heads: slice) -> torch.Tensor:
    """Softmax over keys, float32; what a learned sink takes is missing from the rows."""
    if sinks is None:
        return torch.softmax(scores, dim=-1, dtype=torch.float32)
    sink = _of_heads(sinks, heads).expand(*scores.shape[:-1], 1).to(scores.dtype)
    return torch.softmax(torch.cat([scores, sink], -1), dim=-1, dtype=torch.float32)[..., :-1]


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, eager_mask)


_HOOKED = "_headlab_hooked"
_HOOKING = threading.Lock()


def _hook(network: Any) -> None:
    """Let the blocks of ``network``, their MLPs and the final norm ask the tap; once for all.

    Hooks are never taken off again: another thread may be running through them.
    """
    with _HOOKING:
        if getattr(network, _HOOKED, False):
            return
        for layer, (block, mlp) in enumerate(layer_modules(network)):
            block.register_forward_pre_hook(_on_residual(layer), with_kwargs=True)
            if mlp is not None:
                mlp.register_forward_hook(_on_mlp(layer))
            if (attention := attention_module(network, layer)) is not None:
                attention.register_forward_pre_hook(_on_call(layer), with_kwargs=True)
        if (norm := final_norm(network)) is not None:
            norm.register_forward_pre_hook(_on_residual(layer + 1), with_kwargs=True)
        setattr(network, _HOOKED, True)


def _on_residual(layer: int) -> Callable[[Any, Any, Any], Any]:
    def hook(module: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        tap = _TAP.get()
        if tap is None or tap.edit_residual is None:
            return None
        residual = arguments[0] if arguments else options["hidden_states"]
        replacement = tap.edit_residual(layer, residual)
        if replacement is None:
            return None
        if arguments:
            return (replacement, *arguments[1:]), options
        return arguments, options | {"hidden_states": replacement}

    return hook


def _on_mlp(layer: int) -> Callable[[Any, Any, Any], None]:
    def hook(module: Any, arguments: tuple[Any, ...], output: torch.Tensor) -> None:
        tap = _TAP.get()
        if tap is not None and tap.read_mlp is not None:
            tap.read_mlp(layer, output)

    return hook


def _on_call(layer: int) -> Callable[[Any, Any, Any], None]:
    def hook(module: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        tap = _TAP.get()
        if tap is not None and tap.read_call is not None:
            tap.read_call(layer, arguments, options)

    return hook


@torch.inference_mode()
def inputs_of(
    module: Any, rows: torch.Tensor, arguments: tuple[Any, ...], options: dict[str, Any]
) -> Inputs:
    """What an attention module would compute attention from, were ``rows`` what it reads.

    ``rows`` [row, position, d_model] take the place of the hidden states that it was called with
    (``Tap.read_call``); attention itself is not computed.
    """
    found: list[Inputs] = []

    def read(layer: int, inputs: Inputs) -> None:
        found.append(inputs)
        raise _Stop

    if arguments:
        arguments = (rows, *arguments[1:])
    else:
        options = options | {"hidden_states": rows}
    with listening(Tap(read_inputs=read)), suppress(_Stop):
        module(*arguments, **options)
    return found[0]


@contextmanager
def listening(tap: Tap) -> Iterator[None]:
    """Let ``tap`` read and edit every forward pass made inside the ``with`` block."""
    token = _TAP.set(tap)
    try:
        yield
    finally:
        _TAP.reset(token)


@torch.inference_mode()
def run(network: Any, tokens: torch.Tensor, tap: Tap) -> Any:
    """One pass of ``network`` over tokens [batch, position] with ``tap`` listening.

    The unembedding is left out: patterns do not need it. Returns the last hidden state
    [batch, position, d_model], or None when the tap stopped the pass early. Raises HeadlabError
    for a network that does not use our attention, and where the tap would change one that can
    only be read.
    """
    return run_for_gradients(network, tokens, tap)


def run_for_gradients(network: Any, tokens: torch.Tensor, tap: Tap) -> Any:
    """The same pass, but what it computes can be differentiated by what the tap puts in."""
    known = anatomy(network)
    if not known.tapped:
        hidden = _read_afterwards(network, tokens, tap)
    else:
        hidden = _tapped(network, tokens, tap)
    _show_nothing(known, network, tokens, tap)
    return hidden


def _tapped(network: Any, tokens: torch.Tensor, tap: Tap) -> Any:
    if network.config._attn_implementation != NAME:
        raise HeadlabError(
            "This network does not use headlab's attention, so nothing can be read from it: open "
            f"it with load_model, or call set_attn_implementation({NAME!r}) on it."
        )
    if (tap.edit_residual or tap.read_mlp or tap.read_call) is not None:
        _hook(network)
    with listening(tap), enough_memory():
        try:
            return body(network)(input_ids=tokens, use_cache=False).last_hidden_state
        except _Stop:
            return None


def _show_nothing(known: Anatomy, network: Any, tokens: torch.Tensor, tap: Tap) -> None:
    """NaN in place of what layers without attention would show."""
    batch, n = tokens.shape
    for layer in known.without_attention:
        if tap.last_layer is not None and layer > tap.last_layer:
            continue
        nothing = torch.full((), torch.nan, device=tokens.device, dtype=network.dtype)
        pattern = nothing.expand(batch, known.n_heads, n, n)
        value = nothing.expand(batch, known.n_heads, n, known.d_head)
        if tap.edit_value is not None:
            tap.edit_value(layer, value)
        if tap.read_heads is not None:
            tap.read_heads(layer, slice(known.n_heads), pattern)
        if tap.read is not None:
            tap.read(layer, pattern, value)


def _cannot_change(network: Any) -> HeadlabError:
    return HeadlabError(
        f"Models of type {network.config.model_type} can be read but not changed while they run "
        f"({anatomy(network).unchangeable}): choose another model for interventions."
    )


def is_changeable(network: Any) -> bool:
    """Whether attention can be changed while the network runs, not only read."""
    return not anatomy(network).unchangeable


def check_changeable(network: Any) -> None:
    """Raise HeadlabError for a network that can only be read."""
    if not is_changeable(network):
        raise _cannot_change(network)


def _read_afterwards(network: Any, tokens: torch.Tensor, tap: Tap) -> torch.Tensor:
    """A pass whose attention is shown when it is over; every layer's is held until then."""
    if tap.edit_output is not None or tap.read_mlp is not None:
        raise _cannot_change(network)
    output = body(network)(
        input_ids=tokens, use_cache=False, output_attentions=True, output_hidden_states=True
    )
    for layer, pattern in enumerate(output.attentions):
        if not anatomy(network).layers[layer].attention:
            continue
        residual = output.hidden_states[layer]
        value: Any = head_values(network, layer, residual) if has_weights(network) else None
        changes = [
            tap.edit_residual and tap.edit_residual(layer, residual),
            tap.edit_value and tap.edit_value(layer, value),
            tap.read_heads and tap.read_heads(layer, slice(pattern.shape[1]), pattern),
            tap.read and tap.read(layer, pattern, value),
        ]
        if any(change is not None for change in changes):
            raise _cannot_change(network)
        if layer == tap.last_layer:
            break
    return output.last_hidden_state
