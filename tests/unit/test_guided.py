"""Guided texts can be read by every model that ships, and bad files are named."""

import pytest

from headlab import HeadlabError, load_model, read_text
from headlab.exercises.guided import guided_pairs, guided_texts
from headlab.models.tokens import encode

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
        ("order = ", "line 1, column 9: this is no TOML"),
        (GOOD.replace("look", "loook"), "line 4: Unknown key 'loook'. Did you mean 'look'?"),
        (GOOD.replace("look", "# look"), "line 1: 'look' is missing: it must be a text"),
        (GOOD.replace("1", '"1"'), "line 1: 'order' must be a whole number"),
        (GOOD + 'hint = "x"\n', "line 5: Unknown key 'hint'"),
        (
            GOOD + '[[facts]]\nentity = "a"\n',
            "line 5: 'facts' must be tables [[facts]]; each needs an 'entity' and an 'attribute'",
        ),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, words):
    (tmp_path / "mine.toml").write_text(content, encoding="utf-8")
    with pytest.raises(HeadlabError, match=r"mine\.toml") as error:
        guided_texts(tmp_path)
    assert words in str(error.value)


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(HeadlabError, match="no guided texts"):
        guided_texts(tmp_path)


def test_pairs_are_of_equal_length_and_their_answers_one_token_each():
    model = load_model("mini")
    assert len(guided_pairs()) >= 3
    for pair in guided_pairs().values():
        assert len(encode(model, pair.clean)) == len(encode(model, pair.corrupt))
        assert len(encode(model, pair.answer)) == len(encode(model, pair.wrong)) == 1


def test_a_bad_pair_is_named(tmp_path):
    (tmp_path / "mine.toml").write_text('order = 1\ntitle = "T"\n', encoding="utf-8")
    with pytest.raises(
        HeadlabError, match=r"mine\.toml, line 1: 'clean' is missing: it must be a text"
    ):
        guided_pairs(tmp_path)
