"""The recipes of docs/RECIPES.md run, and give what headlab reads by itself."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from headlab import load_model, read_text, score_patterns
from headlab.models.catalogue import CATALOGUE
from tests.oracle.test_transformer_lens import bridge_of

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "RECIPES.md").read_text("utf-8")
RECIPES = dict(re.findall(r"\n## ([^\n]+)\n.*?```python\n(.*?)```", PAGE, re.DOTALL))
TEXT = "The cat sat on the mat. The cat sat on the"


def run(title, **names):
    found = {"NAME": str(CATALOGUE["mini"].folder), **names}
    exec(RECIPES[title], found)
    return found


@pytest.fixture(scope="module")
def model():
    return load_model("mini")


def test_there_are_five():
    assert len(RECIPES) == 5


def test_attention_from_transformers(model):
    found, reading = run("Attention from transformers"), read_text(model, TEXT)
    assert found["tokens"] == list(reading.tokens)
    ours = score_patterns(reading.patterns, reading.tokens, token_texts=reading.token_texts)
    assert set(found["scores"]) == set(found["chance"]) == set(ours)
    for name, score in ours.items():
        np.testing.assert_allclose(found["scores"][name], score, atol=1e-5)


def test_attention_from_transformer_lens(model, monkeypatch):
    folder = CATALOGUE["mini"].folder
    network = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    )
    bridge = bridge_of(network, model.tokenizer)
    from transformer_lens.model_bridge import TransformerBridge

    monkeypatch.setattr(TransformerBridge, "boot_transformers", lambda *_, **__: bridge)
    found = run("Attention from TransformerLens")
    reading = read_text(model, TEXT)
    assert found["tokens"].tolist() == list(reading.tokens)
    np.testing.assert_allclose(found["patterns"].numpy(), reading.patterns, atol=1e-5)


def test_a_network_in_memory():
    assert run("A network in memory")["profile"].label.shape == (12, 12)


def test_other_sentences():
    run("Another language, or your field")
