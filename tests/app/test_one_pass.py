"""One text, one pass: what pages ask of a text is read together, once for all learners."""

import pytest

from headlab.ui.services.results import get_model, result_cache
from tests.app.test_pages import opened
from tests.passes import counted

TEXT = "cat-on-the-mat"
HEAD = {"layer": "3", "head": "7"}


@pytest.fixture
def passes():
    """The passes of mini from an empty result cache on."""
    result_cache.clear()
    with counted(get_model("mini")) as found:
        yield found


def page(path, **query):
    test = opened(path, text=TEXT, **query)
    assert not test.exception and not test.error
    return test


def test_from_the_grid_to_a_head_and_its_report(passes):
    page("pages/Layers.py")
    page("pages/Layers.py", **HEAD)
    print(len(passes))
    page("pages/Head.py", **HEAD)
    print(len(passes))
    page("pages/Report.py", **HEAD)
    print(len(passes))
    assert len(passes) == 1
