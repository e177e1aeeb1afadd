"""What the tap shows is what transformers' own "eager" attention computes."""

import threading

import numpy as np
import pytest
import torch

from headlab.errors import HeadlabError
from headlab.models import kernels
from headlab.models.attention import NAME, Tap, listening, run
from headlab.models.weights import last_logits
from tests.models import configurations, gpt2_config, random_network, tiny_model

KINDS = list(configurations())
WINDOWED = [kind for kind in KINDS if "window" in kind]


def some_tokens(n_prompts=2, n=13, seed=0):
    return torch.randint(0, 700, (n_prompts, n), generator=torch.Generator().manual_seed(seed))


def patterns_seen(network, tokens, **options):
    """Patterns by layer as a tap reads them, and the last hidden state."""
    seen = {}

    def read(layer, pattern, value):
        assert layer not in seen
        seen[layer] = pattern.clone()

    return seen, run(network, tokens, Tap(read=read, **options))


@pytest.fixture(params=KINDS)
def pair(request):
    """The same random network twice: through the tap, and eager."""
    config = configurations()[request.param]
    return random_network(config), random_network(configurations()[request.param], "eager")


def test_patterns_and_logits_equal_eager(pair):
    ours, eager = pair
    tokens = some_tokens()
    with torch.inference_mode():
        theirs = eager(tokens, output_attentions=True, use_cache=False)
    seen, hidden = patterns_seen(ours, tokens)
    assert list(seen) == list(range(len(theirs.attentions))) == [0, 1, 2]
    for layer, pattern in enumerate(theirs.attentions):
        assert pattern.std() > 0.05  # the weights make patterns that differ
        torch.testing.assert_close(seen[layer], pattern, atol=1e-5, rtol=0)
    scale = theirs.logits.abs().max()
    with torch.inference_mode():
        logits = ours(tokens, use_cache=False).logits
    torch.testing.assert_close(logits / scale, theirs.logits / scale, atol=1e-5, rtol=0)
    last = last_logits(ours, hidden)
    torch.testing.assert_close(last / scale, theirs.logits[:, -1] / scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize("whole", [True, False])
def test_a_long_text_is_attended_piece_by_piece_and_the_same(pair, whole, monkeypatch):
    """As if a head's pattern were too large beside another's."""
    ours, eager = pair
    tokens = some_tokens()
    monkeypatch.setattr(kernels, "BLOCK", 1)
    with torch.inference_mode():
        theirs = eager.base_model(tokens, output_attentions=True, use_cache=False)
    seen = {}

    def read(layer, pattern, value):
        seen[layer] = pattern.clone()

    def read_heads(layer, heads, pattern):
        seen.setdefault(layer, torch.full((2, 4, 13, 13), torch.nan))[:, heads] = pattern

    hidden = run(ours, tokens, Tap(read=read) if whole else Tap(read_heads=read_heads))
    for layer, pattern in enumerate(theirs.attentions):
        torch.testing.assert_close(seen[layer], pattern, atol=1e-5, rtol=0)
    scale = hidden.abs().max()
    torch.testing.assert_close(hidden / scale, theirs.last_hidden_state / scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", WINDOWED)
def test_a_sliding_window_is_seen(kind):
    seen, _ = patterns_seen(random_network(configurations()[kind]), some_tokens())
    assert seen[2][..., 12, :8].abs().max() == 0  # five tokens back and no further
    assert seen[2][..., 12, 8:].sum(-1).min() > 0.99
    without = "mistral" if kind.startswith("mistral") else "qwen2"
    seen, _ = patterns_seen(random_network(configurations()[without]), some_tokens())
    assert seen[2][..., 12, :8].abs().max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_padding_at_the_end_changes_nothing(kind):
    model = tiny_model(configurations()[kind])
    long, short = some_tokens(1, 13)[0].tolist(), some_tokens(1, 8, seed=1)[0].tolist()
    together, _ = patterns_seen(model.network, model.as_batch([long, short]))
    alone, _ = patterns_seen(model.network, model.as_batch([short]))
    for layer in range(3):
        torch.testing.assert_close(
            together[layer][1, :, :8, :8], alone[layer][0], atol=1e-5, rtol=0
        )


def test_reading_stops_after_the_last_layer_asked_for():
    network = random_network(gpt2_config())
    seen, hidden = patterns_seen(network, some_tokens(), last_layer=1)
    assert list(seen) == [0, 1] and hidden is None


def test_nothing_is_read_without_a_tap_or_after_one():
    network = random_network(gpt2_config())
    seen, hidden = patterns_seen(network, some_tokens())
    before = dict(seen)
    with torch.inference_mode():
        again = network.base_model(some_tokens(), use_cache=False).last_hidden_state
    assert all(seen[layer] is before[layer] for layer in seen) and len(seen) == 3
    assert torch.equal(again, hidden)


def test_an_error_in_a_tap_ends_the_listening():
    network = random_network(gpt2_config())

    def fail(layer, pattern, value):
        raise RuntimeError("told so")

    with pytest.raises(RuntimeError, match="told so"):
        run(network, some_tokens(), Tap(read=fail))
    with torch.inference_mode():
        network.base_model(some_tokens(), use_cache=False)  # nobody fails any more


def test_learners_in_two_threads_do_not_hear_each_other():
    """Both passes are held inside layer 0 at the same time before either goes on."""
    network = random_network(gpt2_config())
    both_inside = threading.Barrier(2, timeout=20)
    heard, failures = {"a": [], "b": []}, []

    def learner(name, tokens):
        def read(layer, pattern, value):
            if layer == 0:
                both_inside.wait()
            heard[name].append((layer, pattern.clone()))

        try:
            run(network, tokens, Tap(read=read))
        except BaseException as error:
            failures.append(error)

    texts = {"a": some_tokens(1, 9, seed=1), "b": some_tokens(1, 12, seed=2)}
    threads = [threading.Thread(target=learner, args=item) for item in texts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for name, tokens in texts.items():
        alone, _ = patterns_seen(network, tokens)
        assert [layer for layer, _ in heard[name]] == [0, 1, 2]
        for layer, pattern in heard[name]:
            torch.testing.assert_close(pattern, alone[layer], atol=1e-6, rtol=0)


def attention_output(network, layer, tokens, tap):
    """What the attention block of ``layer`` adds to the residual stream, under ``tap``."""
    kept = []
    hook = network.transformer.h[layer].attn.register_forward_hook(
        lambda module, inputs, output: kept.append(output[0].clone())
    )
    try:
        run(network, tokens, tap)
    finally:
        hook.remove()
    return kept[0]


def test_a_pattern_put_in_place_of_the_models_own_is_used():
    """Every head of layer 1 made to look at the token itself: its value goes through W_O."""
    network, tokens = random_network(gpt2_config()), some_tokens()
    diagonal = torch.eye(tokens.shape[1])
    values = {}

    def replace(layer, pattern, value):
        values[layer] = value.clone()
        return diagonal.expand_as(pattern) if layer == 1 else None

    changed = attention_output(network, 1, tokens, Tap(read=replace))
    attention = network.transformer.h[1].attn
    heads = values[1].transpose(1, 2).reshape(*tokens.shape, 32)  # heads side by side
    expected = heads @ attention.c_proj.weight + attention.c_proj.bias
    torch.testing.assert_close(changed, expected, atol=1e-5, rtol=1e-5)
    untouched = attention_output(network, 1, tokens, Tap())
    assert not torch.allclose(changed, untouched, atol=1e-2)


def test_an_edited_output_is_what_goes_into_the_output_projection():
    """Without head 2 the block's output is smaller by exactly that head's part."""
    network, tokens = random_network(gpt2_config()), some_tokens()
    removed = {}

    def remove(layer, output):
        if layer != 1:
            return None
        removed[layer] = output[:, 2].clone()
        output = output.clone()
        output[:, 2] = 0
        return output

    whole = attention_output(network, 1, tokens, Tap())
    rest = attention_output(network, 1, tokens, Tap(edit_output=remove))
    W_O = network.transformer.h[1].attn.c_proj.weight.view(4, 8, 32)[2]
    torch.testing.assert_close(whole - rest, removed[1] @ W_O, atol=1e-5, rtol=1e-4)
    assert (whole - rest).abs().max() > 0.01


def test_values_are_those_of_the_models_weights():
    """value = LN1(residual) W_V + b_V, head by head."""
    network, tokens = random_network(gpt2_config()), some_tokens()
    values, normed = {}, []
    hook = network.transformer.h[1].ln_1.register_forward_hook(
        lambda module, inputs, output: normed.append(output.clone())
    )
    run(network, tokens, Tap(read=lambda layer, pattern, value: values.update({layer: value})))
    hook.remove()
    attention = network.transformer.h[1].attn.c_attn
    for head in range(4):
        columns = slice(64 + 8 * head, 64 + 8 * (head + 1))
        expected = normed[0] @ attention.weight[:, columns] + attention.bias[columns]
        torch.testing.assert_close(values[1][:, head], expected, atol=1e-5, rtol=1e-4)


def test_a_network_that_is_read_after_the_pass_refuses_to_be_changed():
    network, tokens = random_network(configurations()["gpt_neo"]), some_tokens()
    seen, _ = patterns_seen(network, tokens, last_layer=1)
    assert list(seen) == [0, 1]
    for tap in (
        Tap(read=lambda layer, pattern, value: pattern),
        Tap(edit_output=lambda layer, output: output),
    ):
        with pytest.raises(HeadlabError, match="can be read but not changed"):
            run(network, tokens, tap)


def test_the_listener_hears_a_pass_started_by_hand():
    network = random_network(gpt2_config())
    assert network.config._attn_implementation == NAME
    heard = []
    with listening(Tap(read=lambda layer, pattern, value: heard.append(layer))):
        network(some_tokens(), use_cache=False)
    assert np.array_equal(heard, [0, 1, 2])


def test_a_network_with_another_attention_is_refused_instead_of_read_as_empty():
    tokens, tap = torch.tensor([[1, 2, 3]]), Tap(read=lambda *_: None)
    with pytest.raises(HeadlabError, match="was not opened by headlab"):
        run(random_network(gpt2_config(), "eager"), tokens, tap)
    network = random_network(gpt2_config())
    network.set_attn_implementation("eager")
    with pytest.raises(HeadlabError, match="does not use headlab's attention"):
        run(network, tokens, tap)
