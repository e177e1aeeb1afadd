"""What a network expects next, for letting it write on."""

from typing import Any

import torch

from headlab.models.attention import Tap, run
from headlab.models.editing import logits_of
from headlab.models.kernels import exact


@torch.inference_mode()
def next_log_probabilities(network: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Log-probability, in nats, of every token of the vocabulary after ``tokens`` [1, position].

    Returns float64 [token], on the CPU. One forward pass.
    """
    hidden = run(network, tokens, Tap())
    return exact(logits_of(network, hidden[0, -1:])[0]).log_softmax(-1)


def end_tokens(network: Any, tokenizer: Any) -> frozenset[int]:
    """Ids after which nothing is written: those the model ends with, and all special ones."""
    given = getattr(network.generation_config, "eos_token_id", None)
    named = given if isinstance(given, list) else [given]
    ids = {*named, tokenizer.eos_token_id, *tokenizer.all_special_ids}
    return frozenset(token for token in ids if token is not None)
