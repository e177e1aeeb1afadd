"""Support is proved: causal architectures of the installed transformers are tried."""

import pytest
import torch

from headlab.models.architectures import tiny_config, tiny_network, try_all, try_architecture
from headlab.models.attention import Tap, run
from headlab.models.proof import examine


def test_most_architectures_can_be_read_changed_and_explained():
    """All of them take a minute (`headlab models --architectures`): enough is enough here."""
    changed = weights = 0
    for one in try_all():
        assert (one.read and one.changed and one.weights) == (one.why_not == ""), one.model_type
        changed += one.changed
        weights += one.changed and one.weights
        if changed >= 45 and weights >= 35:
            return
    pytest.fail(f"{changed} can be read and changed, {weights} of them explained from weights")


@pytest.mark.parametrize("kind", ["mistral", "qwen3", "gemma2", "phi3", "gpt_bigcode", "cohere"])
def test_architectures_that_people_have_are_explained_from_weights(kind):
    tried = try_architecture(kind)
    assert tried.changed and tried.weights, tried.why_not


@pytest.mark.parametrize("kind", ["gptj", "codegen", "bloom", "falcon", "mpt", "xglm"])
def test_networks_that_call_their_own_attention_are_read_afterwards(kind):
    tried = try_architecture(kind)
    assert tried.read and not tried.changed
    assert "its own attention" in tried.why_not


def test_a_learned_sink_takes_a_part_of_every_row():
    network = tiny_network(tiny_config("gpt_oss"))
    assert examine(network).sinks
    rows = []
    tap = Tap(read=lambda layer, pattern, value: rows.append(pattern.sum(-1)))
    run(network, torch.tensor([[5, 6, 7, 8, 9]]), tap)
    assert len(rows) == 4 and all((row < 1).all() and (row > 0).all() for row in rows)


def test_a_layer_without_attention_is_said_to_have_none():
    kinds = ["conv", "full_attention"] * 2
    assert examine(tiny_network(tiny_config("lfm2", layer_types=kinds))).without_attention == [0, 2]
