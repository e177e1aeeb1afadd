"""Publications are cited by a short name that says who and when."""

import re

import pytest

from headlab.errors import HeadlabError
from headlab.evidence.references import REFERENCES, get_reference


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=lambda reference: reference.name)
def test_a_reference_is_named_by_authors_and_year_and_has_an_address(reference):
    assert re.fullmatch(r"\w+( et al\.| and \w+)? \d{4}", reference.name)
    assert REFERENCES[reference.name] is reference and reference.title
    assert re.fullmatch(r"https://[^\s()]+", reference.url)  # brackets would end a markdown link


def test_publications_stand_in_the_table_once_and_in_order():
    assert list(REFERENCES) == sorted(REFERENCES)
    assert len({reference.url for reference in REFERENCES.values()}) == len(REFERENCES)


def test_an_unknown_source_is_answered_with_the_nearest():
    with pytest.raises(HeadlabError, match=r"Did you mean 'Olsson et al\. 2022'"):
        get_reference("Olson et al. 2022")
