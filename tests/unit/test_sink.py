"""Why a head rests on the first token: exact sums, and the same passes by plain hooks."""

import json

import numpy as np
import pytest
import torch

from headlab import HeadlabError, cli, explain_sink, load_model, read_text
from headlab.models.attention import Tap, run
from headlab.models.weights import head_weights
from tests.models import configurations, random_network, tiny_model

TEXT = "The cat sat on the mat. The cat sat on the"


def biased():
    """A tiny network whose query biases are large enough to matter."""
    model = tiny_model()
    with torch.no_grad():
        for layer in range(model.n_layers):
            head_weights(model.network, layer).b_Q.add_(
                torch.randn(4, 8, generator=torch.Generator().manual_seed(layer)) * 2
            )
    return model


def test_the_parts_sum_to_what_the_bias_gives_and_that_is_the_bias_times_the_keys():
    model = biased()
    found = explain_sink(model, TEXT, "L2.H1")
    assert found.by_key.sum() == pytest.approx(found.by_bias, abs=1e-4)
    seen = {}
    run(
        model.network,
        model.as_batch([found.tokens]),
        Tap(read_inputs=lambda layer, inputs: seen.update({layer: inputs})),
    )
    inputs, bias = seen[2], head_weights(model.network, 2).b_Q[1]
    for asked, value in ((inputs.query[0, 1], found.contrast), (bias[None], found.by_bias)):
        scores = (asked @ inputs.key[0, 1].T * inputs.scaling).detach().numpy()
        scores = np.broadcast_to(scores, (len(found.tokens), len(found.tokens)))
        rows = [scores[q, 0] - scores[q, : q + 1].mean() for q in range(1, len(scores))]
        assert value == pytest.approx(np.mean(rows), abs=1e-5)


def test_shares_and_losses_are_those_of_the_model():
    model = biased()
    found = explain_sink(model, TEXT, "L2.H1", draws=4)
    reading = read_text(model, TEXT)
    assert found.share == pytest.approx(reading.pattern(2, 1)[1:, 0].mean(), abs=1e-6)
    with torch.inference_mode():
        ids = model.as_batch([found.tokens])
        loss = model.network(input_ids=ids, labels=ids).loss
    assert found.loss == pytest.approx(float(loss), abs=1e-5)
    bare = read_text(model, TEXT, start_token=None)
    less = found.without("the start token")
    assert less.share == pytest.approx(bare.pattern(2, 1)[1:, 0].mean(), abs=1e-6)
    assert not len(less.control_shares)
    assert len(found.without("the query bias").control_shares) == 4
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["head"] == "L2.H1"


def test_without_the_bias_is_the_model_with_that_bias_set_to_zero():
    model = biased()
    found = explain_sink(model, TEXT, "L1.H3").without("the query bias")
    with torch.no_grad():
        head_weights(model.network, 1).b_Q[3] = 0
    assert found.share == pytest.approx(
        read_text(model, TEXT).pattern(1, 3)[1:, 0].mean(), abs=1e-5
    )
    ids = model.as_batch([read_text(model, TEXT).tokens])
    with torch.inference_mode():
        assert found.loss == pytest.approx(
            float(model.network(input_ids=ids, labels=ids).loss), abs=1e-5
        )


def test_without_the_first_mlp_at_the_first_token_is_a_hook_that_silences_it():
    model = biased()
    found = explain_sink(model, TEXT, "L2.H0").without("MLP 0 at the first token")

    def silence(module, arguments, output):
        output = output.clone()
        output[:, 0] = 0
        return output

    handle = model.network.transformer.h[0].mlp.register_forward_hook(silence)
    try:
        reading = read_text(model, TEXT)
    finally:
        handle.remove()
    assert found.share == pytest.approx(reading.pattern(2, 0)[1:, 0].mean(), abs=1e-5)
    assert len(found.control_shares) == len(reading.tokens) - 1


def test_a_model_without_a_bias_of_queries_is_told_apart():
    from dataclasses import replace

    model = replace(tiny_model(), network=random_network(configurations()["llama"]))
    with pytest.raises(HeadlabError, match="have no bias"):
        explain_sink(model, TEXT, "L1.H0")
    with pytest.raises(HeadlabError, match="three tokens"):
        explain_sink(tiny_model(), "The cat", "L1.H0", start_token=None)


def test_on_the_command_line(capsys):
    assert cli.main(["sink", "--text", TEXT, "--head", "L4.H0"]) == 0
    out = capsys.readouterr().out
    found = explain_sink(load_model("mini"), TEXT, "L4.H0")
    assert f"gives {found.by_bias:+.2f}" in out and "without MLP 0 at the first token" in out
