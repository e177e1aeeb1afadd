"""Guided texts can be read by every model that ships, and bad files are named."""

import os

import pytest

from headlab import HeadlabError, load_model, read_text
from headlab.cli import DONE, FAILED, main
from headlab.exercises.guided import FOLDER, PAIRS, guided_pairs, guided_problems, guided_texts
from headlab.measuring.pictures import draw_pictures, looking_most
from headlab.measuring.spans import find_pair
from headlab.models.tokens import encode, tokenise

GOOD = 'order = 1\ntitle = "T"\ntext = "one two"\nlook = "here"\n'


def test_there_are_eight_or_more_of_few_tokens_a_word():
    model, texts = load_model("mini"), guided_texts()
    assert len(texts) >= 8
    for guided in texts.values():
        assert len(encode(model, guided.text)) / len(guided.text.split()) <= 1.6


def test_facts_stand_in_their_text():
    guided = guided_texts()["homes"]
    reading = read_text(load_model("mini"), guided.text, layers=[], entities=guided.facts)
    assert [reading.token_texts[k] for k in reading.spans.attribute] == [" Lima"]
    assert {reading.token_texts[k] for k in reading.spans.others} == {" Oslo", " Rome"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "order = ",
            "mine.toml, line 1: this is no TOML (Invalid value): check quotes and brackets.",
        ),
        (GOOD.replace("look", "loook"), "line 4: Unknown key 'loook'. Did you mean 'look'?"),
        (
            GOOD.replace('title = "T"\n', ""),
            "mine.toml, line 1: 'title' is missing: it must be a text in quotes",
        ),
        (GOOD.replace("1", '"1"'), "line 1: 'order' must be a whole number"),
        (GOOD.replace('"T"', "3"), "line 2: 'title' must be a text in quotes"),
        (GOOD + 'hint = "x"\n', "line 5: Unknown key 'hint'. Available: order, title"),
        (
            GOOD + '[[facts]]\nentity = "a"\n',
            "line 5: 'facts' must be tables [[facts]]; each needs an 'entity' and an 'attribute'",
        ),
    ],
)
def test_a_bad_file_is_listed_and_the_others_stay(tmp_path, content, words):
    (tmp_path / "mine.toml").write_text(content, encoding="utf-8")
    (tmp_path / "good.toml").write_text(GOOD, encoding="utf-8")
    assert list(guided_texts(tmp_path)) == ["good"]
    (name, sentence), *rest = guided_problems(tmp_path, tmp_path / "none").items()
    assert name == "mine" and not rest
    assert sentence.startswith("mine.toml") and words in sentence


def test_a_file_that_is_mended_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr("headlab.exercises.guided.LOOK_S", 0)
    path = tmp_path / "mine.toml"
    path.write_text("", encoding="utf-8")
    with pytest.raises(
        HeadlabError, match=r"no guided texts in .*mine\.toml, line 1: the file says nothing"
    ):
        guided_texts(tmp_path)
    path.write_text(GOOD, encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert list(guided_texts(tmp_path)) == ["mine"]


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(HeadlabError, match="no guided texts"):
        guided_texts(tmp_path)


def test_pairs_are_of_equal_length_and_their_answers_one_token_each():
    model = load_model("mini")
    assert len(guided_pairs()) >= 3
    for pair in guided_pairs().values():
        assert len(encode(model, pair.clean)) == len(encode(model, pair.corrupt))
        assert len(encode(model, pair.answer)) == len(encode(model, pair.wrong)) == 1


def test_a_bad_pair_is_listed(tmp_path):
    (tmp_path / "mine.toml").write_text('order = 1\ntitle = "T"\n', encoding="utf-8")
    problems = guided_problems(tmp_path / "none", tmp_path)
    assert list(problems) == ["mine"]
    assert problems["mine"].startswith("mine.toml, line 1: 'clean' is missing: it must be a text")
    for key in ("corrupt", "answer", "wrong", "look"):
        assert f"'{key}' is missing" in problems["mine"]


@pytest.mark.parametrize("guided", guided_texts().values(), ids=lambda text: text.name)
def test_the_words_a_text_opens_with_stand_in_it_and_a_head_looks_there(guided):
    model = load_model("mini")
    query, key = find_pair(model, guided.text, guided.pair, model.start_token)
    _, texts = tokenise(model, guided.text, model.start_token)
    assert guided.pair[0].endswith(texts[query].strip())
    assert guided.pair[1].startswith(texts[key].strip()) and key < query
    pictures = draw_pictures(model, guided.text)
    (best, value), *others = looking_most(pictures, query, key, 5)
    cell = query * (query + 1) // 2 + key
    assert value == pictures.cells[*best, cell] / 255 == pictures.cells[..., cell].max() / 255
    assert all(value >= other for _, other in others)


def test_a_pair_of_words_that_do_not_stand_in_the_text_is_said(tmp_path):
    (tmp_path / "a.toml").write_text(
        'order = 1\ntitle = "T"\ntext = "one two"\nlook = "l"\npair = ["two", "three"]\n'
    )
    assert "does not hold the word 'three'" in guided_problems(tmp_path)["a"]


def test_texts_of_one_s_own_stand_beside_ours(tmp_path, monkeypatch, capsys):
    ours = guided_texts()
    (tmp_path / "mine.toml").write_text(
        'order = 99\ntitle = "Mine"\ntext = "Zoë sees Zoë."\nlook = "The second."\n', "utf-8"
    )
    (tmp_path / "alice.toml").write_text((FOLDER / "alice.toml").read_text("utf-8"), "utf-8")
    (tmp_path / "broken.toml").write_text("order = 1\n", "utf-8")
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    source = next(PAIRS.glob("*.toml"))
    (pairs / "my-pair.toml").write_text(source.read_text("utf-8"), "utf-8")
    assert main(["texts", "check", str(tmp_path)]) == FAILED  # one is broken
    said = capsys.readouterr().out
    assert "Mine" in said and "my-pair" in said and "broken.toml" in said
    monkeypatch.setenv("HEADLAB_TEXTS", str(tmp_path))
    assert set(guided_texts()) == {*ours, "mine"}
    assert "my-pair" in guided_pairs()
    problems = guided_problems()
    assert any("rename the file" in sentence for sentence in problems.values())
    assert any("broken.toml" in sentence for sentence in problems.values())
    assert main(["texts", "check"]) == FAILED
    assert main(["texts", "check", str(tmp_path / "none")]) == FAILED
    monkeypatch.delenv("HEADLAB_TEXTS")
    assert main(["texts", "check", "--json"]) == DONE
