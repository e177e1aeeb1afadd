"""The code under a page runs, and gives what the page shows."""

import json

import numpy as np
import pytest

from headlab import ablate, load_model, profile_model
from headlab.ui.services.code import as_notebook
from tests.app.test_pages import opened

REST = {"text": "cat-on-the-mat", "layer": "3", "head": "5"}
PAGES = {
    "Layers": REST,
    "Head": REST,
    "Rankings": {"behaviour": "duplicate_token", "start": "off"},
    "Cause": {"removed": "L3.H1-L0.H0", **REST},
}


def shown(page, **query):
    """The code of a page, and its last value."""
    test = opened(f"pages/{page}.py", **query)
    for button in test.button:
        if button.label == "Show it without a prediction":
            button.click().run()
    assert not test.exception
    code = next(block.value for block in test.code if "load_model" in block.value)
    *lines, last = code.replace(".show()", "").splitlines()
    names = {}
    exec("\n".join(lines), names)
    return names, eval(last, names)


@pytest.mark.parametrize("page", PAGES)
def test_the_code_under_a_page_runs(page):
    names, last = shown(page, **PAGES[page])
    if page == "Cause":
        expected = ablate(load_model("mini"), names["text"], ["L0.H0", "L3.H1"], mode="mean")
        np.testing.assert_array_equal(last.logprob_change, expected.logprob_change)
    elif page == "Rankings":
        found = profile_model(load_model("mini"), start_token=None).ranking("duplicate_token")
        assert list(last["name"]) == list(found["name"])
    else:
        assert last._repr_html_().startswith("<iframe")
        assert names["reading"].text.startswith("The cat sat on the mat")


def test_a_text_of_one_s_own_is_quoted_and_its_facts_are_asked():
    names, _ = shown("Head", own='Maria\'s "home" is Oslo.\\n Maria', layer="1", head="2")
    assert names["reading"].text == 'Maria\'s "home" is Oslo.\\n Maria'
    fact = shown("Layers", text="homes", layer="1")[0]["reading"]
    assert fact.rows["retrieval"] > 0


def test_the_notebook_holds_the_code():
    found = json.loads(as_notebook("a = 1\na", "Title"))
    words, code = found["cells"]
    assert "".join(code["source"]) == "a = 1\na" and words["source"][0] == "# Title\n"
    assert found["nbformat"] == 4
