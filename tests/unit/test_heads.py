"""Names of heads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headlab import Head, HeadlabError


@pytest.mark.parametrize(
    "name", ["L5.H10", "5.10", "l5.h10", " L5.H10 ", "L5 . H10", "05.10", "L5.10", "5.H10"]
)
def test_one_head_has_many_spellings(name):
    assert Head.parse(name) == Head(5, 10) == (5, 10)


@given(st.integers(0, 9999), st.integers(0, 9999))
def test_a_printed_head_reads_back(layer, head):
    assert str(Head(layer, head)) == f"L{layer}.H{head}"
    assert Head.parse(str(Head(layer, head))) == (layer, head)


def test_5_10_and_5_1_are_two_heads():
    assert Head.parse("5.10") != Head.parse("5.1")


@pytest.mark.parametrize(
    "name",
    ["", "5", "L5", "5,10", "5.10.1", "-1.2", "L5.H-1", "H5.L10", "a.b", "5.", 5.1, None],
)
def test_what_is_no_head_is_refused_with_an_example(name):
    with pytest.raises(HeadlabError, match=r"such as 'L5\.H10'") as error:
        Head.parse(name)
    assert repr(name) in str(error.value)


def test_a_head_indexes_an_array_by_layer_and_head():
    import numpy as np

    assert np.arange(12).reshape(3, 4)[Head(2, 1)] == 9
