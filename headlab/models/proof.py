"""When a network is opened: does the tap show what eager attention computes, and where is what?

A short text is read twice, with transformers' own eager attention and through the tap. Where both
agree the network can be read, whatever it is called; and from what each module was given and gave
in that pass follows which of them makes values, which is W_O, which norm stands where. What was
found is tried at once: the heads' outputs are rebuilt from the weights and compared.
"""

from dataclasses import replace
from typing import Any

import torch

from headlab.errors import HeadlabError
from headlab.models.anatomy import Anatomy, anatomy, body, remember
from headlab.models.attention import NAME, Tap, place, run
from headlab.models.layout import network_anatomy
from headlab.models.recording import (
    RECORDING,
    Unreadable,
    afterwards,
    check_causal,
    close,
    difference_of,
    output_head,
    read_eagerly,
    read_recorded,
    some_tokens,
    tolerance_of,
    use_attention,
)


def examine(network: Any) -> Anatomy:
    """Prove what can be read of a network, and make it ready for that.

    ``network`` was opened with eager attention, on its device. Raises HeadlabError, one sentence,
    where its attention cannot be read.
    """
    try:
        found = _examined(network)
    except Unreadable as reason:
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
    tokens = some_tokens(network)
    use_attention(network, "eager")
    logits, patterns = read_eagerly(network, tokens)
    tolerance = tolerance_of(network)
    record, hidden = read_recorded(network, tokens, RECORDING)
    difference = difference_of(record.attended, patterns)
    tapped = bool(record.attended) and difference <= tolerance and hidden is not None
    why_not = "its attention does not pass through the tap as eager attention computes it"
    if tapped:
        assert hidden is not None
        head, head_reason = output_head(network, hidden, logits, tolerance)
        if head_reason:  # either the tap changes the pass or the head is unknown: eager decides
            use_attention(network, "eager")
            eager_hidden = body(network)(input_ids=tokens, use_cache=False).last_hidden_state
            tapped = close(hidden, eager_hidden, tolerance)
    if not tapped:
        if not any(one is not None for one in patterns):
            raise Unreadable(
                "its layers have no attention that transformers shows"
                if not record.attended
                else why_not
            )
        record, hidden = read_recorded(network, tokens, "eager")
        if hidden is None:
            raise Unreadable("transformers gives no last hidden state for it")
        head, head_reason = output_head(network, hidden, logits, tolerance)
        record.attended = afterwards(record, patterns)
        difference = 0.0
        why_not = "it calls its own attention, which can only be read when a pass is over"
    assert hidden is not None  # else it is not tapped
    check_causal(record.attended, tolerance)
    found = network_anatomy(network, record, hidden)
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
        found is not None and close(found, alone, 10 * tolerance) for found in (replaced, joined)
    )
    return replace(known, stream=stream, joins=joins and stream)
