"""A second implementation, TransformerLens, shows the same patterns on `mini` and scores alike.

4.3 has only TransformerBridge; without compatibility mode it keeps the weights as they are, and
its hooks need eager attention.
"""

import warnings

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from headlab import load_model, read_text, score_patterns
from headlab.behaviours import behaviours
from headlab.measuring import probes
from headlab.models.attention import Tap, run
from headlab.models.catalogue import CATALOGUE
from headlab.profiles import probing
from tests.models import gpt2_config, random_network, tiny_model

TEXTS = (
    "The cat sat on the mat. The cat sat on the",
    "When Mary and John went to the store, John gave a drink to",
    "Maria lives in Oslo. Peter lives in Lima. Anna lives in Rome. The home of Peter is",
)


def bridge_of(network, tokenizer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own affair
        from transformer_lens.model_bridge import TransformerBridge

        return TransformerBridge.boot_transformers(
            "gpt2", hf_model=network, tokenizer=tokenizer, device="cpu", dtype=torch.float32
        )


def patterns_and_logits(bridge, tokens):
    """[layer, head, query, key] as its hooks see them, and the logits [position, token]."""
    with torch.inference_mode():
        logits, kept = bridge.run_with_cache(torch.tensor([list(tokens)]))
    layers = [kept[f"blocks.{layer}.attn.hook_pattern"][0] for layer in range(bridge.cfg.n_layers)]
    return torch.stack(layers).numpy(), logits[0].numpy()


@pytest.fixture(scope="module")
def mini():
    return load_model("mini", device="cpu")


@pytest.fixture(scope="module")
def bridge(mini):
    network = AutoModelForCausalLM.from_pretrained(
        CATALOGUE["mini"].folder, attn_implementation="eager", dtype=torch.float32
    )
    return bridge_of(network, mini.tokenizer)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("start", ["model", None])
def test_patterns_of_mini_are_equal(mini, bridge, text, start):
    reading = read_text(mini, text, start_token=start)
    theirs, _ = patterns_and_logits(bridge, reading.tokens)
    assert theirs.shape == (12, 12, len(reading.tokens), len(reading.tokens))
    np.testing.assert_allclose(reading.patterns, theirs, atol=1e-5)


def test_patterns_of_a_network_with_random_norms_are_equal(mini):
    """Trained LayerNorms could be near 1 and 0; here every weight and bias is random."""
    model = tiny_model()
    bridge = bridge_of(random_network(gpt2_config(), "eager"), mini.tokenizer)
    reading = read_text(model, TEXTS[0])
    theirs, logits = patterns_and_logits(bridge, reading.tokens)
    np.testing.assert_allclose(reading.patterns, theirs, atol=1e-5)
    with torch.inference_mode():
        ours = model.network(torch.tensor([reading.tokens]), use_cache=False).logits[0].numpy()
    np.testing.assert_allclose(ours, logits, atol=1e-5 * np.abs(logits).max())


@pytest.fixture(scope="module", params=[0, 1, 2])
def repeated(request, mini, bridge):
    """[start] + x + x, our scores of its prompt in the profile's own way, and their patterns."""
    prompt = probes.repeats(mini, mini.start_token)[request.param]
    chosen = [behaviours()[name] for name in ("induction", "duplicate_token", "previous_token")]
    measured = probing.measure(mini, {"repeats": [prompt]}, chosen)
    scores = {name: found["repeats"].score[0] for name, found in measured.items()}
    return prompt, scores, torch.from_numpy(patterns_and_logits(bridge, prompt.tokens)[0])


def diagonal(patterns, back, first_row):
    """Mean of the cells ``back`` places before the query, rows from ``first_row`` on."""
    cells = patterns.diagonal(-back, dim1=-2, dim2=-1)  # its first entry is row ``back``
    return cells[..., first_row - back :].mean(-1).numpy()


def test_scores_on_repeated_tokens_are_the_same_rows_of_their_patterns(repeated):
    prompt, scores, theirs = repeated
    length = len(prompt.tokens) - prompt.half
    expected = {
        "induction": diagonal(theirs, length - 1, prompt.half),
        "duplicate_token": diagonal(theirs, length, prompt.half),
        "previous_token": diagonal(theirs, 1, 2),
    }
    for name, rows in expected.items():
        np.testing.assert_allclose(scores[name], rows, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("text", TEXTS)
def test_scores_on_a_sentence_are_the_same_rows_of_their_patterns(mini, bridge, text):
    reading = read_text(mini, text)
    theirs = torch.from_numpy(patterns_and_logits(bridge, reading.tokens)[0])
    expected = {
        "previous_token": diagonal(theirs, 1, 2),
        "current_token": diagonal(theirs, 0, 1),
        "first_token": theirs[..., 2:, 0].mean(-1).numpy(),
        "local_window": sum(
            theirs[..., q, max(1, q - 4) : q - 1].sum(-1) for q in range(6, len(reading.tokens))
        ).numpy()
        / (len(reading.tokens) - 6),
    }
    public = score_patterns(theirs.numpy(), reading.tokens)
    for name, rows in expected.items():
        np.testing.assert_allclose(reading.scores[name], rows, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(public[name], rows, atol=1e-5, err_msg=name)


def test_values_are_equal_too(mini, bridge):
    """What heads would move, v, read through both; copying stands on it."""
    tokens = read_text(mini, TEXTS[0]).tokens
    values = []
    read = Tap(read=lambda layer, pattern, value: values.append(value[0].clone()))
    run(mini.network, mini.as_batch([tokens]), read)
    with torch.inference_mode():
        _, kept = bridge.run_with_cache(torch.tensor([tokens]))
    for layer in range(12):
        theirs = kept[f"blocks.{layer}.attn.hook_v"][0]
        ours = values[layer].transpose(0, 1)  # [key, head, d_head]
        np.testing.assert_allclose(ours, theirs.reshape(ours.shape), atol=1e-4)
