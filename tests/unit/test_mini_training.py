"""What `mini` is trained on and with: right by construction, and the network is GPT-2."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scripts():
    """The training scripts as modules."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import mini_data
        import mini_kinds
        import mini_network
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    return {"data": mini_data, "kinds": mini_kinds, "network": mini_network}


@pytest.fixture
def kinds(scripts):
    return scripts["kinds"]


def asked_of(document):
    return [text.strip() for text, asked in document if asked]


def test_every_kind_asks_for_something_and_repeats_itself_with_its_seed(kinds):
    for maker, share in kinds.MAKERS:
        assert share > 0
        one = [maker(random.Random(seed)) for seed in range(40)]
        assert one == [maker(random.Random(seed)) for seed in range(40)]
        assert all("".join(text for text, _ in document).strip() for document in one)
    for maker, _ in kinds.MAKERS[8:]:
        assert all(asked_of(maker(random.Random(seed))) for seed in range(40)), maker


def test_what_is_asked_for_stands_in_the_text_before(kinds):
    makers = (kinds.backwards_document, kinds.value_first_document, kinds.names_again_document)
    for maker in (*makers, kinds.other_order_document, kinds.all_but_document):
        for seed in range(60):
            before = ""
            for text, asked in maker(random.Random(seed)):
                assert not asked or text.strip() in before, (maker, before, text)
                before += text


def test_another_order_says_every_name_once(kinds):
    for seed in range(60):
        document = kinds.other_order_document(random.Random(seed))
        said = asked_of(document)
        assert len(said) == len(set(said)) >= 3
        assert all(word in document[0][0] for word in said)


def test_backwards_is_the_sentence_from_its_end(kinds):
    for seed in range(60):
        document = kinds.backwards_document(random.Random(seed))
        sentence = document[0][0].split(".")[0].split()
        assert asked_of(document) == sentence[::-1]


def test_every_bracket_is_closed_by_its_own(kinds):
    closing = dict(kinds.BRACKETS)
    for seed in range(60):
        text = "".join(text for text, _ in kinds.brackets_document(random.Random(seed)))
        waiting = []
        for sign in text:
            if sign in closing:
                waiting.append(closing[sign])
            elif sign in closing.values():
                assert sign == waiting.pop()
        assert not waiting


def test_games_of_random_tokens_ask_only_for_what_was_there(scripts):
    pool = np.arange(300, 4096)
    for game in scripts["data"].GAMES:
        for seed in range(20):
            ids, weights = game(np.random.default_rng(seed), pool)
            assert len(ids) == len(weights) and (weights > 0).any()
            for place in np.flatnonzero(weights):
                assert ids[place] in ids[:place], game


def test_windows_begin_with_the_start_token(scripts):
    from tokenizers import Tokenizer

    data = scripts["data"]
    tokenizer = Tokenizer.from_file(str(ROOT / "headlab" / "models" / "mini" / "tokenizer.json"))
    text, starts = data.encoded_corpus(tokenizer, ["The cat sat on the mat and slept. " * 20] * 4)
    rows = data.Maker(tokenizer, text, starts, seed=0).rows(40)
    again = data.Maker(tokenizer, text, starts, seed=0).rows(40)
    assert rows.shape == (40, 2, data.ROW) and (rows == again).all()
    assert (rows[:, 0, 0] == data.START).all() and (rows[:, 0] < 4096).all()
    assert (rows[:, 1] >= 0).all() and rows[:, 1].any(axis=1).all()


def test_the_network_that_trains_is_gpt2(scripts):
    network = scripts["network"]
    model = network.new_model(seed=0).eval()
    ids = torch.randint(0, network.VOCABULARY, (2, 17), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(ids).logits
        hidden = network.hidden_states(model, ids)
        found = model.lm_head(model.transformer.ln_f(hidden))
        silent = network.hidden_states(model, ids, keep=torch.zeros(12, 2, 12))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert (silent - hidden).abs().max() > 1e-3
    assert 2 * sum(p.numel() for p in model.parameters()) <= 11_900_000
