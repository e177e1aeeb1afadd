"""A text that goes on, why a word was written, and what another word would change."""

import json

import numpy as np
import pytest
import torch

from headlab import (
    HeadlabError,
    continue_text,
    load_model,
    read_text,
    replace_word,
    settings,
    why_word,
)
from headlab.cli import main
from headlab.measuring import continuing
from headlab.models.tokens import tokenise
from headlab.report import make_report
from tests.passes import counted
from tests.reports import made_up_profile

TEXT = "The cat sat on the mat. The cat sat on the"
NAMES = "Mary and John went to the shop. John gave a book to Mary"


@pytest.fixture(scope="module")
def mini():
    return load_model("mini")


def test_the_most_probable_tokens_are_those_of_transformers_itself(mini):
    found = continue_text(mini, TEXT, 12)
    tokens, _ = tokenise(mini, TEXT)
    made = mini.network.generate(
        torch.tensor([tokens]), max_new_tokens=12, do_sample=False, pad_token_id=0
    )[0].tolist()
    assert tokenise(mini, found.whole)[0] == made[: len(tokens) + found.n_written]
    assert (found.text, found.n_written, found.seed) == (TEXT, 12, None)
    assert found.stopped == continuing.ASKED


def test_each_token_costs_one_pass(mini):
    with counted(mini) as passes:
        continue_text(mini, TEXT, 5)
    assert len(passes) == 5


def test_the_same_seed_draws_the_same_text(mini):
    first, again, other = (continue_text(mini, TEXT, 15, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.written != other.written


def test_it_stops_at_the_end_token_and_where_the_text_is_full(mini, monkeypatch):
    expected = torch.full((mini.network.config.vocab_size,), -20.0, dtype=torch.float64)
    expected[mini.tokenizer.eos_token_id] = -1e-6
    monkeypatch.setattr(continuing, "next_log_probabilities", lambda *_: expected)
    ended = continue_text(mini, TEXT, 5)
    assert (ended.n_written, ended.whole, ended.stopped) == (0, TEXT, continuing.ENDED)
    monkeypatch.undo()
    most = len(tokenise(mini, TEXT)[0]) + 2
    monkeypatch.setattr(settings, "max_tokens", lambda: most)
    full = continue_text(mini, TEXT, 5)
    assert (full.n_written, full.stopped) == (2, continuing.FULL)


def test_half_a_character_is_not_kept(mini, monkeypatch):
    half = mini.tokenizer.convert_tokens_to_ids("ð")  # the first byte of an emoji
    expected = torch.full((mini.network.config.vocab_size,), -20.0, dtype=torch.float64)
    expected[half] = 0
    monkeypatch.setattr(continuing, "next_log_probabilities", lambda *_: expected)
    found = continue_text(mini, TEXT, 3)
    assert (found.written, found.n_written, found.stopped) == ("", 0, continuing.NO_TEXT)


def test_it_can_be_given_up(mini):
    def stop(done, text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        continue_text(mini, TEXT, 5, progress=stop)


@pytest.mark.parametrize("by", [0, 41, -3])
def test_by_has_a_range(mini, by):
    with pytest.raises(HeadlabError, match="1 to 40"):
        continue_text(mini, TEXT, by)


def test_a_reading_says_what_the_model_wrote_and_a_report_marks_it(mini):
    reading = read_text(mini, TEXT, continue_by=3, seed=7)
    assert reading.written == reading.continuation.n_written > 0
    assert len(reading.tokens) == len(tokenise(mini, TEXT)[0]) + reading.written
    report = make_report(
        reading, made_up_profile(12, 12, content_hash=mini.content_hash, model_name="mini")
    )
    assert report.html().count('class="written"') == reading.written
    assert f"--text={TEXT}" in report.data["command"].replace("'", "")
    assert "--continue=3 --seed=7" in report.data["command"]
    assert read_text(mini, TEXT).written == 0


def test_why_this_word_agrees_with_a_plain_pass(mini):
    tokens, _ = tokenise(mini, NAMES)
    with torch.inference_mode():
        logits = mini.network(torch.tensor([tokens])).logits[0].double()
    found = why_word(mini, NAMES, -1)
    probabilities = logits[-2].softmax(-1)
    assert len(found.candidates) == 10
    assert found.candidates[0].token == int(probabilities.argmax())
    assert found.word.token == tokens[-1]
    assert found.word.probability == pytest.approx(float(probabilities[tokens[-1]]), rel=1e-4)
    assert found.rival.token != found.word.token
    table = found.to_frame()
    assert len(table) == 144 and (np.diff(table["logits"]) <= 0).all()
    json.dumps(found.to_dict(), allow_nan=False)
    with pytest.raises(HeadlabError, match="before the first token"):
        why_word(mini, NAMES, 0)


def test_another_word_moves_what_two_plain_readings_say(mini):
    found = replace_word(mini, NAMES, 1, "Alice", draws=4)
    assert found.new_text == NAMES.replace("Mary", "Alice", 1)
    rows = [read_text(mini, text).patterns[:, :, 1:] for text in (NAMES, found.new_text)]
    expected = np.abs(rows[1] - rows[0]).sum(-1).mean(-1) / 2
    np.testing.assert_allclose(found.moved, expected, atol=1e-6)
    assert found.random.shape == (4, 12, 12) and (found.chance > 0).any()
    assert found.to_frame()["moved"].is_monotonic_decreasing
    json.dumps(found.to_dict(), allow_nan=False)
    same = replace_word(mini, NAMES, 1, "Mary", draws=1)
    assert not same.moved.any()


@pytest.mark.parametrize(
    ("position", "word", "says"),
    [(0, "Alice", "start token"), (1, "Alice Bob", "not one token"), (99, "Alice", "no position")],
)
def test_what_cannot_stand_there_is_a_sentence(mini, position, word, says):
    with pytest.raises(HeadlabError, match=says):
        replace_word(mini, NAMES, position, word)


def test_the_commands(capsys):
    assert main(["score", "--text", TEXT, "--continue", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == 2
    assert main(["why", "--text", NAMES, "--position", "-1"]) == 0
    assert "expected there" in capsys.readouterr().out
    asked = ["--position", "1", "--word", "Alice", "--draws", "2"]
    assert main(["what-if", "--text", NAMES, *asked]) == 0
    assert "beyond" in capsys.readouterr().out
    assert main(["score", "--text", TEXT, "--continue", "99"]) == 1
    assert "1 to 40" in capsys.readouterr().err
