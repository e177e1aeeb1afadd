"""What ours is held against: the same batches through the same network, eager and with no tap."""

import copy
from collections.abc import Callable, Iterable

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from headlab import LoadedModel
from headlab.behaviours import Behaviour, Prompt, behaviours
from headlab.profiles.probing import BATCH_SIZE


def eager_twin(network: nn.Module) -> nn.Module:
    """A copy of a network, weights included, with transformers' own eager attention."""
    config = copy.deepcopy(network.config)  # from_config writes the implementation into it
    twin = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    twin.load_state_dict(network.state_dict())
    return twin.eval()


def bare_pass(
    model: LoadedModel, eager: nn.Module, probes: Iterable[list[Prompt]]
) -> Callable[[], None]:
    """A forward pass of these probes, in batches as a profile makes them."""
    batches = []
    for prompts in probes:
        ordered = sorted((prompt.tokens for prompt in prompts), key=len)
        batches += [
            model.as_batch(ordered[begin : begin + BATCH_SIZE])
            for begin in range(0, len(ordered), BATCH_SIZE)
        ]

    @torch.inference_mode()
    def bare() -> None:
        for batch in batches:
            eager.base_model(batch, use_cache=False)

    return bare


def on_patterns() -> list[Behaviour]:
    """The behaviours that the probes of patterns can show."""
    return [b for b in behaviours().values() if not b.needs_model and b.name != "retrieval"]
