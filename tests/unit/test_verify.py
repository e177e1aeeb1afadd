"""Published figures agree with themselves, and with nothing else."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import GPT2Config

from headlab import HeadlabError, cli, load_model
from headlab.evidence import verify
from headlab.evidence.published import MEASUREMENTS, Question, Questions
from headlab.evidence.verify import AGAIN, compare, measure_again, nothing_to_compare, verify_model
from headlab.heads import Head
from headlab.models.attribution import direct_parts
from headlab.models.editing import Edit, no_outputs
from headlab.models.tokens import single_token, tokenise
from tests.models import as_published, gpt2_config, random_network, tiny_model

MATRICES = {
    "induction_counted": "induction_score_main_demo_deterministic_arange",
    "induction": "induction_score_main_demo_mean143",
    "previous_token": "exploratory_prev_d7e29f",
    "duplicate_token": "exploratory_dup_d7e29f",
    "attribution": "ioi_dla_per_head",
}
DIAGONALS = tuple(m for m in AGAIN if m.distance is not None)
ANNA = "When Tom and Anna went to the river, Anna gave the ball to"
TOM = "When Tom and Anna went to the river, Tom gave the ball to"


def named(model, name, **config):
    """``model`` as if it had this name and GPT-2 small's configuration with some changes."""
    return replace(model, name=name, network=SimpleNamespace(config=GPT2Config(**config)))


@pytest.fixture(scope="module")
def tiny():
    return tiny_model()


@pytest.fixture
def table():
    return as_published()


@pytest.fixture
def published(shared):
    """The matrices as their publishers give them, all heads."""
    folder = shared / "oracles" / "matrices"
    return {
        name: np.array(json.loads((folder / f"{file}.json").read_text(encoding="utf-8"))["matrix"])
        for name, file in MATRICES.items()
    }


def test_the_published_figures_agree_with_themselves(table):
    rows = compare(table)
    assert len(rows) == sum(len(m.values) for m in AGAIN) == 34
    assert all(row.within and row.ours == row.published for row in rows)


def test_the_published_matrices_agree(published):
    assert set(published) == {m.name for m in AGAIN} - {"self_repair"}  # published as two figures
    assert all(row.within for row in compare(published))


@pytest.mark.parametrize("name", MATRICES)
def test_wrong_matrices_differ(published, name):
    right = published[name]
    for wrong in (right.T, right[::-1], np.roll(right, 1, axis=1), np.full((12, 12), np.nan)):
        rows = compare({name: wrong})
        assert rows and not all(row.within for row in rows)


@pytest.mark.parametrize("m", AGAIN, ids=lambda m: m.name)
def test_the_tolerance_decides(table, m):
    head = next(iter(m.values))
    table[m.name][head] += 0.9 * m.tolerance
    assert all(row.within for row in compare(table))
    table[m.name][head] += 0.2 * m.tolerance
    assert [row.head for row in compare(table) if not row.within] == [head]
    table[m.name][head] = np.nan
    assert [row.head for row in compare(table) if not row.within] == [head]


def test_tolerances_are_given_wherever_something_is_measured_again():
    assert [m.tolerance for m in AGAIN] == [0.005, 0.03, 0.05, 0.05, 0.01, 0.02]
    assert all(m.tolerance is m.distance is None for m in MEASUREMENTS if m not in AGAIN)


def test_the_means_are_those_of_the_publishers_formula():
    """Each diagonal written out query by query on eager attention."""
    config = {"vocab_size": 20_000, "n_positions": 200, "n_layer": 2}
    measured = measure_again(tiny_model(gpt2_config(**config)), chosen=DIAGONALS)
    eager = random_network(gpt2_config(**config), "eager")
    for m in DIAGONALS:
        tokens = torch.tensor(m.input.tokens())
        with torch.inference_mode():
            patterns = eager(tokens, output_attentions=True, use_cache=False).attentions
        n = tokens.shape[1]
        for layer, pattern in enumerate(patterns):
            cells = [pattern[:, :, q, q - m.distance] for q in range(m.distance, n)]
            expected = torch.stack(cells).mean((0, 1))
            np.testing.assert_allclose(measured[m.name][layer], expected, atol=1e-5)
        assert np.ptp(measured[m.name]) > 1e-3


def test_direct_effects_are_those_of_weights_without_value_biases():
    """The publisher's tool adds every value bias, through W_O, to the bias of W_O."""
    asked = Questions("two", (Question(ANNA, " Tom", " Anna"), Question(TOM, " Anna", " Tom")))
    chosen = [
        replace(m, input=asked, removed=m.removed and Head(1, 2))
        for m in AGAIN
        if m not in DIAGONALS
    ]
    model = load_model("mini")
    measured = measure_again(model, chosen=chosen)
    folded = load_model("mini")
    for block in folded.network.transformer.h:
        bias = block.attn.c_attn.bias
        with torch.no_grad():
            block.attn.c_proj.bias += bias[288:] @ block.attn.c_proj.weight
            bias[288:] = 0

    def effects(removed):
        edit = Edit(removed, positions=slice(-1, None))
        for question in asked.asked:
            tokens = folded.as_batch([tokenise(folded, question.text)[0]])
            pair = [single_token(folded, word) for word in (question.answer, question.wrong)]
            nothing = no_outputs(folded.network)
            yield direct_parts(folded.network, tokens, *pair, edit, nothing)["heads"][..., -1]

    before, after = (np.mean(list(effects(removed)), axis=0) for removed in ({}, {1: (2,)}))
    np.testing.assert_allclose(measured["attribution"], before, atol=1e-4)
    np.testing.assert_allclose(measured["self_repair"], after - before, atol=1e-4)
    assert np.abs(before).max() > 0.1 and np.abs(after - before)[2:].max() > 0.001


def test_the_questions_are_the_publishers():
    (m,) = (m for m in AGAIN if m.name == "attribution")
    texts = [question.text for question in m.input.asked]
    assert len(texts) == len(set(texts)) == 8
    assert texts[0] == "When John and Mary went to the shops, John gave the bag to"
    for question in m.input.asked:
        given = question.text.split(",")[1]
        assert given.startswith(question.wrong) and question.answer not in given


def test_progress_runs_from_0_to_1_and_names_the_input():
    told = []
    model = tiny_model(gpt2_config(vocab_size=20_000, n_positions=200, n_layer=1))
    measure_again(model, lambda done, what: told.append((done, what)), DIAGONALS)
    done = [share for share, _ in told]
    assert done[0] == 0 and done[-1] == 1 and done == sorted(done) and len(set(done)) > 10
    for m in DIAGONALS:
        assert any(what.startswith(m.input.words) for _, what in told)


def test_only_gpt2_small_is_compared(tiny):
    assert nothing_to_compare(named(tiny, "gpt2")) is None
    assert nothing_to_compare(named(tiny, "openai-community/gpt2")) is None
    for other in (
        named(tiny, "my-gpt2"),  # its shape alone
        named(tiny, "gpt2", n_layer=6),  # its name alone
        named(tiny, "gpt2", n_embd=1024),
        load_model("mini"),
    ):
        with pytest.raises(HeadlabError, match="nothing to compare"):
            verify_model(other)


@pytest.fixture
def as_loaded(monkeypatch, tiny, table):
    """What the loaded gpt2 measures: the table, for a test to spoil."""
    monkeypatch.setattr(cli.shared, "load_model", lambda name: named(tiny, name))
    monkeypatch.setattr(verify, "measure_again", lambda model, progress: table)
    return table


def test_the_command_says_what_agrees(as_loaded, capsys):
    assert cli.main(["verify"]) == cli.DONE
    printed = capsys.readouterr().out
    assert "34 of 34 published figures agree with gpt2" in printed and "differs" not in printed
    for m in AGAIN:
        assert m.title in printed and m.source in printed and m.input.words in printed


def test_the_command_fails_when_a_figure_differs(as_loaded, capsys):
    as_loaded["induction"][5, 5] = 0.2
    assert cli.main(["verify", "--model", "gpt2", "--json"]) == cli.FAILED
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["measurements"]) == {m.name for m in AGAIN}
    differing = [row for row in printed["comparisons"] if row["verdict"] == "differs"]
    assert [(row["measurement"], row["head"]) for row in differing] == [
        ("induction", str(Head(5, 5)))
    ]
    assert cli.main(["verify"]) == cli.FAILED
    last = capsys.readouterr().out.splitlines()[-1]
    assert "33 of 34" in last and "differ: Induction on repeated random tokens (L5.H5)." in last


def test_the_command_on_another_model_is_one_sentence(capsys):
    assert cli.main(["verify", "--model", "mini"]) == cli.FAILED
    error = capsys.readouterr().err.strip()
    assert "nothing to compare mini with" in error and len(error.splitlines()) == 1
    assert cli.main(["verify", "--models", "mini"]) == cli.MISUNDERSTOOD
