"""Where attention goes on ordinary text, against plain loops and plain hooks."""

import numpy as np
import pytest
import torch

from headlab import load_model
from headlab.behaviours import Prompt, behaviours
from headlab.behaviours.punctuation import is_punctuation
from headlab.measuring.budget import FIRST_ROW, SHARES, Places, Sums, share_of_cells
from headlab.models.attention import Tap, run
from headlab.models.output_norms import output_norms
from headlab.profiles.kept import kept_profile
from tests.models import configurations, tiny_model

TEXTS = [
    ("<s>", " a", " cat", ",", " a", " dog", " and", " a", " bird", ".", " So", " a", " cat", "."),
    ("<s>", " no", ",", " no", " more", " than", " that", ",", " no"),
]


def _prompt(texts):
    words = sorted(set(texts))
    return Prompt(tuple(words.index(text) for text in texts), tuple(texts))


def _patterns(n_prompts, n_heads, n, seed=0):
    logits = np.random.default_rng(seed).normal(size=(n_prompts, n_heads, n, n)) * 3
    logits[..., np.triu(np.ones((n, n), dtype=bool), 1)] = -np.inf
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def _share(prompt, q, k):
    """The definition, cell by cell."""
    t, texts = prompt.tokens, prompt.token_texts
    if k == 0:
        return "first"
    if q - k <= 1:
        return ("current", "previous")[q - k]
    if t[k] == t[q]:
        return "same"
    if t[k - 1] == t[q]:
        return "after_same"
    if is_punctuation(texts[k]):
        return "punctuation"
    return "local" if q - k <= 4 else "near" if q - k <= 16 else "far"


def _plain(prompts, patterns, head, roles):
    """Shares, reach, spread, explained share and its chance of one head by plain loops."""
    shares, rows, off, far, asked, even, spread = dict.fromkeys(SHARES, 0.0), 0, 0, 0, 0, 0, 0
    for prompt, pattern in zip(prompts, patterns[:, head].astype(float), strict=True):
        tokens = np.array(prompt.tokens)
        cells = [behaviours()[r].targets(tokens, prompt.token_texts, None) for r in roles]
        for q in range(FIRST_ROW, len(tokens)):
            row = pattern[q, : q + 1]
            rows += 1
            spread += np.exp(-sum(p * np.log(p) for p in row if p > 0))
            off += row[1:].sum()
            for k in range(q + 1):
                shares[_share(prompt, q, k)] += row[k]
                if k > 0:
                    far += row[k] * (q - k)
                    hit = any(c[q, k] for c in cells)
                    asked += row[k] * hit
                    even += row[1:].sum() / q * hit
    found = {name: value / rows for name, value in shares.items()}
    return found | {
        "reach": far / off,
        "spread": spread / rows,
        "explained": asked / off,
        "explained_chance": even / off,
    }


@pytest.fixture(scope="module")
def read():
    prompts = [_prompt(texts) for texts in TEXTS]
    patterns = _patterns(2, 3, len(TEXTS[0]))
    sums = Sums(Places(prompts), 1, 3)
    sums.of_batch(prompts)(0, torch.tensor(patterns))
    return prompts, patterns, sums


ROLES = [(), ("induction",), ("previous_token", "duplicate_token", "induction")]


def test_figures_are_those_of_plain_loops(read):
    prompts, patterns, sums = read
    shows = {
        name: np.array([[name in roles for roles in ROLES]])
        for name in ("induction", "previous_token", "duplicate_token", "first_token")
    }
    figures = sums.figures(shows)
    for head, roles in enumerate(ROLES):
        for name, value in _plain(prompts, patterns, head, roles).items():
            assert figures[name][0, head] == pytest.approx(value, abs=1e-5), (name, head)
    assert sum(figures[share] for share in SHARES) == pytest.approx(1, abs=1e-5)
    assert np.isnan(figures["output_norm"]).all()  # patterns alone do not tell


def test_prompts_read_one_by_one_give_the_same(read):
    prompts, patterns, sums = read
    again = Sums(sums.places, 1, 3)
    for index, prompt in enumerate(prompts):
        n = len(prompt.tokens)
        again.of_batch([prompt])(0, torch.tensor(patterns[index : index + 1, :, :n, :n]))
    for name in ("attention", "chance", "off", "distance", "effective"):
        assert getattr(again, name) == pytest.approx(getattr(sums, name), abs=1e-5)


def test_even_attention_has_the_even_shares(read):
    prompts, _, _ = read
    n = len(TEXTS[0])
    even = np.tril(np.ones((n, n))) / np.arange(1, n + 1)[:, None]
    sums = Sums(Places(prompts), 1, 1)
    sums.of_batch(prompts)(0, torch.tensor(np.broadcast_to(even, (2, 1, n, n)).copy()).float())
    shows = {"induction": np.array([[True]])}
    figures = sums.figures(shows)
    for share, value in sums.even_shares().items():
        assert figures[share][0, 0] == pytest.approx(value, abs=1e-5)
    assert figures["explained"] == pytest.approx(figures["explained_chance"], abs=1e-5)


def test_interval_holds_the_figure(read):
    _, _, sums = read
    shows = {"induction": np.array([[True] * 3])}
    weights = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    low, high = sums.intervals(shows, weights)
    value = sums.figures(shows)
    assert (low["reach"] <= value["reach"]).all() and (value["reach"] <= high["reach"]).all()
    assert (low["reach"] < high["reach"]).all()


def test_shares_of_cells_begin_with_the_first_that_fits():
    prompt = _prompt(TEXTS[0])
    cells = share_of_cells(prompt.tokens, prompt.token_texts)
    names = list(SHARES)
    for q, k in np.argwhere(np.tril(np.ones_like(cells))):
        assert names[cells[q, k]] == _share(prompt, q, k)
    assert (cells[np.triu_indices(len(cells), 1)] == -1).all()


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_output_norms_are_those_of_hooks(name):
    """What the output projection is given and has as weights, caught by a plain hook."""
    model = tiny_model(configurations()[name])
    network, tokens = model.network, torch.tensor([[1, 5, 2, 7, 3, 9, 4, 4, 6]])
    module, weight = {
        "gpt2": lambda: (network.transformer.h[0].attn.c_proj, lambda m: m.weight),
        "llama": lambda: (network.model.layers[0].self_attn.o_proj, lambda m: m.weight.T),
    }[name]()
    given, found = [], []
    handle = module.register_forward_pre_hook(lambda m, arguments: given.append(arguments[0]))

    def read(layer, pattern, value):
        if layer == 0:
            found.append(output_norms(network, layer, pattern, value))

    run(network, tokens, Tap(read=read))
    handle.remove()
    W_O = weight(module).detach().unflatten(0, (model.n_heads, -1))  # [head, d_head, d_model]
    heads = given[0].unflatten(-1, (model.n_heads, -1)).transpose(1, 2)
    expected = (heads @ W_O).norm(dim=-1)
    assert found[0].numpy() == pytest.approx(expected.detach().numpy(), rel=1e-4)


def test_recordings_of_gpt2_small(shared):
    """Attention that others recorded: shares and what induction explains, by plain loops."""
    with np.load(shared / "oracles" / "recordings" / "transformer_explainer_ex0.npz") as file:
        texts, patterns = tuple(str(t) for t in file["tokens"]), file["attention"]
    patterns = patterns[:1, :3].astype(np.float32)
    prompts = [_prompt(texts)]
    sums = Sums(Places(prompts), 1, 3)
    sums.of_batch(prompts)(0, torch.tensor(patterns))
    names = {role for roles in ROLES for role in roles}
    figures = sums.figures({n: np.array([[n in roles for roles in ROLES]]) for n in names})
    for head, roles in enumerate(ROLES):
        for name, value in _plain(prompts, patterns, head, roles).items():
            assert figures[name][0, head] == pytest.approx(value, abs=1e-3), (name, head)


def test_the_table_of_heads_says_where_each_looks():
    profile = kept_profile(load_model("mini"))
    table = profile.to_frame()
    assert table["first"].to_numpy() == pytest.approx(profile.looks.value["first"].ravel())
    shares = table[list(SHARES)].sum(axis=1)
    assert shares.to_numpy() == pytest.approx(1, abs=2e-3)
