"""One text, one pass: what pages ask of a text is read together, once for all learners."""

import numpy as np
import pytest

from headlab import read_text
from headlab.exercises import Text
from headlab.exercises.guided import guided_texts
from headlab.ui.services import results
from headlab.ui.services.learner import get_lab
from headlab.ui.services.results import ChosenText, get_reading
from headlab.ui.services.second import _words
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import get_model, result_cache
from tests.app.test_head_page import values
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
    page("pages/Layers.py", **HEAD, lens="on")
    page("pages/Head.py", **HEAD)
    page("pages/Report.py", **HEAD)
    page("pages/Your_text.py")
    assert len(passes) == 1  # it was five before scores, pictures and layers came from one


@pytest.fixture
def crowded(monkeypatch):
    """No text's patterns are few enough to be kept beside its pictures."""
    monkeypatch.setattr(results, "PART", 0)


def test_a_long_text_keeps_its_pictures_and_a_layer_at_a_time(passes, crowded):
    page("pages/Layers.py", **HEAD)
    assert len(passes) == 1
    (kept,) = [key for key in result_cache()._kept if key[0] == "text"]
    reading = result_cache().find(kept)
    assert reading.patterns.nbytes == 0 and reading.values is None and reading.pictures.cells.any()
    test = page("pages/Head.py", **HEAD)
    test.session_state["head tab"] = "Values"
    test.run()
    assert len(passes) == 2  # layer 3, and nothing behind it
    exact = read_text(get_model("mini"), reading.text).pattern(3, 7)
    shown = values(test)
    below = np.tri(len(exact), dtype=bool)
    assert shown[below] == pytest.approx(exact[below], abs=5e-5)
    passes.clear()
    page("pages/Head.py", layer="3", head="2")
    assert not passes
    page("pages/Report.py")
    page("pages/Report.py")
    assert len(passes) == 1  # every layer, for the report's maps


def test_a_sheet_and_a_comparison_read_with_the_others(passes):
    selection = Selection(model="mini", text_name=TEXT)
    chosen = ChosenText(guided_texts()[TEXT].text, guided_texts()[TEXT].facts)
    reading = get_reading(selection, chosen)
    assert get_lab(selection).reading(Text(TEXT, chosen.text, chosen.facts)) is reading
    assert _words(Selection(model="mini"), chosen).reading is reading
    assert len(passes) == 1
