"""The glossary is a file that anybody can edit, and a mistake in it is one sentence."""

import re
from string import Formatter

import pytest

from headlab import HeadlabError
from headlab.evidence.glossary import FIGURES, FILE, glossary


def test_every_term_stands_once_under_a_heading_and_says_something():
    terms = glossary().terms
    assert len({term.name for term in terms}) == len(terms) > 30
    assert [term for group in glossary().groups.values() for term in group] == list(terms)
    assert all(term.group and len(term.meaning.split()) > 4 for term in terms)


def test_every_figure_of_the_code_is_used_and_none_is_left_open():
    names = {name for _, name, _, _ in Formatter().parse(FILE.read_text(encoding="utf-8")) if name}
    assert names == set(FIGURES)
    explained = [entry.meaning for entry in (*glossary().terms, *glossary().limits)]
    assert not any(re.search("[{}]", meaning) for meaning in explained)


SOUND = """
[[term]]
group = "A"
name = "B"
meaning = "C."
[[limit]]
meaning = "D."
"""


def test_a_file_of_one_s_own_is_read(tmp_path):
    file = tmp_path / "glossary.toml"
    file.write_text(SOUND, encoding="utf-8")
    assert [term.name for term in glossary(file).terms] == ["B"]
    assert [limit.meaning for limit in glossary(file).limits] == ["D."]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("[[term", "glossary.toml is not as it should be"),
        ("[[term]]\nname = 'Head'\nmeaning = 'A part.'", "group"),
        ("[[term]]\ngroup = 'A'\nname = 'B'\nmeaning = 'Of {nothing}.'", "nothing"),
        ("[[term]]\ngroup = 'A'\nname = 'B'\nmeaning = 'C.'\ncolour = 'red'", "colour"),
        ("[[limit]]\nmeaning = 'C.'\nsources = ['Nobody 1900']", "Nobody 1900"),
        ("[[limit]]\nmeaning = 5", "int"),
    ],
)
def test_a_mistake_in_the_file_is_named_in_one_sentence(tmp_path, entry, words):
    file = tmp_path / "glossary.toml"
    file.write_text(f"{SOUND}\n{entry}", encoding="utf-8")
    with pytest.raises(HeadlabError, match=words) as error:
        glossary(file)
    assert len(str(error.value).splitlines()) == 1


def test_no_file_is_a_sentence_too(tmp_path):
    with pytest.raises(HeadlabError, match="put the file back"):
        glossary(tmp_path / "glossary.toml")
