"""Per-head weights: put together they are what the network's own modules compute."""

from dataclasses import replace

import pytest
import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from headlab.errors import HeadlabError
from headlab.models import weights
from headlab.models.anatomy import anatomy, remember
from headlab.models.attention import Tap, attend, is_changeable, run
from headlab.models.proof import install
from headlab.models.recording import use_attention
from tests.models import configurations, gpt2_config, random_network
from tests.oracle.test_eager import some_tokens

KINDS = list(configurations())
OUTPUTS = ("c_proj", "dense", "out_proj", "o_proj")
SPY = "headlab_test_spy"


def equal(ours, theirs):
    """To 1e-5 of the largest value."""
    scale = theirs.abs().max()
    assert scale > 0.1
    torch.testing.assert_close(ours / scale, theirs / scale, atol=1e-5, rtol=0)


def attention_modules(network):
    """The modules that hold an output projection of attention, in order of layers."""
    return [
        module
        for name, module in network.named_modules()
        if any(hasattr(module, output) for output in OUTPUTS) and "mlp" not in name
    ]


class Recorded:
    """One eager pass: what went into each layer's attention, what came out, and the patterns."""

    def __init__(self, kind):
        self.network = random_network(configurations()[kind], "eager")
        install(self.network, anatomy(random_network(configurations()[kind])))
        use_attention(self.network, "eager")
        self.tokens = some_tokens()
        self.inputs, self.outputs, self.norms = [], [], []
        hooks = [
            module.register_forward_hook(self._keep, with_kwargs=True)
            for module in attention_modules(self.network)
        ]
        hooks += [
            module.register_forward_hook(lambda module, *_: self.norms.append(module))
            for module in self.network.modules()
            if "Norm" in type(module).__name__
        ]
        with torch.inference_mode():
            self.result = self.network(self.tokens, output_attentions=True, use_cache=False)
        for hook in hooks:
            hook.remove()

    def _keep(self, module, arguments, options, output):
        self.inputs.append(options["hidden_states"] if not arguments else arguments[0])
        self.outputs.append(output[0])


@pytest.fixture(scope="module", params=KINDS)
def recorded(request):
    return Recorded(request.param)


def test_the_heads_add_up_to_the_output_of_the_attention_block(recorded):
    assert len(recorded.outputs) == 3
    for layer, (x, output) in enumerate(zip(recorded.inputs, recorded.outputs, strict=True)):
        w = weights.head_weights(recorded.network, layer)
        pattern = recorded.result.attentions[layer]
        total = torch.zeros_like(output)
        for head in range(4):
            value = x @ w.W_V[head] + w.b_V[head]
            total += pattern[:, head] @ value @ w.W_O[head]
        module = attention_modules(recorded.network)[layer]
        (project,) = (getattr(module, name) for name in OUTPUTS if hasattr(module, name))
        equal(total if project.bias is None else total + project.bias, output)


def test_values_as_the_tap_shows_them_are_those_of_the_weights(recorded):
    network = random_network(recorded.network.config)
    values = {}

    def read(layer, pattern, value):
        values[layer] = value.clone()

    run(network, recorded.tokens, Tap(read=read))
    for layer, x in enumerate(recorded.inputs):
        w = weights.head_weights(network, layer)
        equal(values[layer], x[:, None] @ w.W_V + w.b_V[:, None])


def test_values_follow_from_the_residual_stream(recorded):
    with torch.inference_mode():
        states = recorded.network.base_model(
            recorded.tokens, output_hidden_states=True, use_cache=False
        ).hidden_states
    for layer, x in enumerate(recorded.inputs):
        w = weights.head_weights(recorded.network, layer)
        ours = weights.head_values(recorded.network, layer, states[layer])
        equal(ours, x[:, None] @ w.W_V + w.b_V[:, None])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "gpt_neo"])
def test_queries_and_keys_are_those_of_the_weights(kind):
    """At position 0, where rotary positions turn nothing."""
    seen = []

    def spy(module, query, key, value, *arguments, **options):
        seen.append((query[:, :, 0], key[:, :, 0]))
        return attend(module, query, key, value, *arguments, **options)

    AttentionInterface.register(SPY, spy)
    AttentionMaskInterface.register(SPY, eager_mask)
    found = Recorded(kind)
    network = random_network(configurations()[kind])
    use_attention(network, SPY)
    with torch.inference_mode():
        network(found.tokens, use_cache=False)
    for layer, (query, key) in enumerate(seen):
        w = weights.head_weights(network, layer)
        x = found.inputs[layer][:, None, :1]  # [batch, 1, 1, d_model]
        if kind.startswith("opt"):  # it scales its queries itself
            query = query * query.shape[-1] ** 0.5
        equal((x @ w.W_Q)[:, :, 0] + w.b_Q, query)
        group = w.W_K.shape[0] // key.shape[1]
        equal(((x @ w.W_K)[:, :, 0] + w.b_K)[:, ::group], key)


def test_raised_and_lowered_tokens_equal_a_slow_straightforward_reference(recorded):
    network, tokens = recorded.network, recorded.tokens
    last = recorded.norms[-1]
    inside = any(last is module for name, module in network.named_modules() if ".layers." in name)
    scale = torch.ones(32) if inside else last.weight
    lengths = [13, 9]
    asked = weights.OwnTokens(network, tokens, lengths)
    for layer, x in enumerate(recorded.inputs):
        w = weights.head_weights(network, layer)
        value = x[:, None] @ w.W_V + w.b_V[:, None]
        raised, lowered = asked.raised_and_lowered(layer, value)
        expected, against = torch.zeros(2, 2, 4, 13)
        for row, length in enumerate(lengths):
            own = tokens[row, :length]
            for head in range(4):
                for k in range(length):
                    written = value[row, head, k] @ w.W_O[head] * scale
                    decoder = getattr(network.base_model, "decoder", None)
                    if getattr(decoder, "project_out", None) is not None:
                        written = decoder.project_out(written)
                    logits = network.get_output_embeddings()(written)
                    expected[row, head, k] = own[logits[own].argmax()] == own[k]
                    against[row, head, k] = own[logits[own].argmin()] == own[k]
        assert torch.equal(raised, expected) and torch.equal(lowered, against)
        assert expected.any() and not expected.all()


def test_the_unembedding_of_some_tokens_is_that_part_of_the_whole(recorded):
    some = torch.tensor([3, 1, 650])
    whole = weights.unembedding(recorded.network)
    assert whole.shape == (32, 700)
    equal(weights.unembedding(recorded.network, some), whole[:, some])


def test_weights_that_do_not_rebuild_the_outputs_get_a_sentence():
    network = random_network(gpt2_config())
    remember(network, replace(anatomy(network), weights="a gate stands behind its heads"))
    assert not weights.has_weights(network)
    with pytest.raises(HeadlabError, match=r"cannot be told from its weights .a gate stands"):
        weights.head_weights(network, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_offered_is_found_out(kind):
    network = random_network(configurations()[kind])
    known = anatomy(network)
    assert (known.n_layers, known.n_heads, known.without_attention) == (3, 4, [])
    assert weights.has_weights(network) and known.difference == 0
    assert is_changeable(network) == (kind != "gpt_neo")
    assert bool(known.adds) == (kind == "opt, projected")  # it normalises after each block
