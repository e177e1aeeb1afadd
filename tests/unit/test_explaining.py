"""Why a head looks there: parts of a score sum to it, taking them out does what it must."""

import json

import numpy as np
import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.mistral.modeling_mistral import MistralRMSNorm
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm

from headlab import HeadlabError, cli, explain_attention, load_model, read_text
from headlab.models.score_parts import score_parts
from tests.models import configurations, random_network, tiny_model

TEXT = "The cat sat on the mat. The cat"
EXACT = [kind for kind in configurations() if kind not in ("gpt_neo", "opt, projected")]


def worst_residue(network, tokens):
    """Over every cell of every head: |sum of pairs of parts - raw score| / max(1, |score|)."""
    worst = 0.0
    for layer in range(network.config.num_hidden_layers):
        found = score_parts(network, tokens, layer)
        raw = found.whole_query.double() @ found.whole_key.double().transpose(-1, -2)
        pairs = torch.einsum("uhqd,vhkd->hqk", found.query.double(), found.key.double())
        raw, pairs = raw * found.scaling, pairs * found.scaling
        worst = max(worst, float(((pairs - raw).abs() / raw.abs().clamp_min(1)).max()))
    return worst


@pytest.mark.parametrize("kind", EXACT)
def test_parts_sum_to_every_score(kind, monkeypatch):
    def double(self, x):  # transformers' own goes through float32
        size = x.double().pow(2).mean(-1, keepdim=True)
        return (self.weight * (x * torch.rsqrt(size + self.variance_epsilon))).to(x.dtype)

    tokens = torch.arange(3, 11)[None]
    network = random_network(configurations()[kind])
    assert worst_residue(network, tokens) < 1e-4
    for norm in (LlamaRMSNorm, MistralRMSNorm, Qwen2RMSNorm):
        monkeypatch.setattr(norm, "forward", double)
    assert worst_residue(network.double(), tokens) < 1e-9


def test_parts_sum_to_every_score_of_mini():
    model = load_model("mini", device="cpu")
    tokens = model.as_batch([read_text(model, TEXT).tokens])
    assert worst_residue(model.network, tokens) < 1e-4


def test_what_is_no_sum_says_so():
    for kind, why in (("opt, projected", "no sum"), ("gpt_neo", "cannot|not changed")):
        model = tiny_model(configurations()[kind])
        with pytest.raises(HeadlabError, match=why):
            explain_attention(model, TEXT, "L1.H0", -1, 0)


@pytest.fixture(scope="module", params=["gpt2", "qwen2, window", "gpt_neox"])
def model(request):
    return tiny_model(configurations()[request.param])


@pytest.fixture(scope="module")
def why(model):
    return explain_attention(model, TEXT, "L2.H3", -1, -2)


def test_row_is_the_heads_own(model, why):
    pattern = read_text(model, TEXT).patterns[2, 3]
    np.testing.assert_allclose(why.row, pattern[-1], atol=1e-5)
    assert why.attention == pytest.approx(pattern[-1, -2], abs=1e-5)


def test_three_views_sum_to_the_contrast(why):
    for view in (why.by_query, why.by_key, why.pairs):
        assert view.sum() == pytest.approx(why.contrast, abs=1e-9)
    np.testing.assert_allclose(why.pairs.sum(1), why.by_query, atol=1e-9)
    np.testing.assert_allclose(why.pairs.sum(0), why.by_key, atol=1e-9)
    assert why.parts[0] == "token" and why.parts[-1] == "biases"
    assert len(why.parts) == len(set(why.parts))


@pytest.mark.parametrize("side", ["query", "key"])
def test_without_all_parts_of_a_side_the_row_is_even(why, side):
    after = why.without(why.parts, side).after
    seen = after > 0
    np.testing.assert_allclose(after[seen], 1 / seen.sum(), atol=1e-9)


@pytest.mark.parametrize("side", ["query", "key"])
def test_without_nothing_nothing_changes(why, side):
    nothing = why.without((), side)
    np.testing.assert_array_equal(nothing.before, nothing.after)
    np.testing.assert_allclose(nothing.before, why.row, atol=1e-4)
    assert np.isnan(nothing.beyond_control)


def test_taking_out_a_query_part_lowers_the_score_by_its_share(why):
    part, share = why.shares("query")[0]
    taken = why.without(part)
    seen = taken.before > 0
    logs = np.log(taken.after[seen]) - np.log(taken.before[seen])
    key = int(np.flatnonzero(seen).tolist().index(why.key))
    assert logs[key] - logs.mean() == pytest.approx(-share, abs=1e-6)
    assert len(taken.control) >= 5 and 0 <= taken.beyond_control <= 1
    assert {len(row) for row in taken.control} == {len(why.row)}


def test_draws_are_of_other_parts_and_seeded(why):
    part = why.parts[0]
    one, again = why.without(part), why.without(part)
    np.testing.assert_array_equal(one.control, again.control)
    assert not any(np.array_equal(row, one.after) for row in one.control)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": 9}, "comes after"),
        ({"query": 99}, "no position"),
        ({"head": "L9.H0"}, "no head"),
    ],
)
def test_mistakes_are_sentences(model, change, words):
    asked = {"head": "L1.H0", "query": 3, "key": 1} | change
    with pytest.raises(HeadlabError, match=words):
        explain_attention(model, TEXT, **asked)


def test_unknown_part_names_the_nearest(why):
    with pytest.raises(HeadlabError, match="Did you mean"):
        why.without("L0.H00")


def test_command(capsys):
    words = ["explain", "--text", TEXT, "--head", "L2.H0", "--query", "-1", "--key", "1"]
    assert cli.main([*words, "--without", "MLP 0", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert sum(data["by_key"]) == pytest.approx(data["contrast"], abs=1e-6)
    assert data["without"]["without"] == ["MLP 0"]
    assert cli.main([*words, "--without", "MLP 0"]) == 0
    assert "without as many other parts" in capsys.readouterr().out
