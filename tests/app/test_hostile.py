"""Some tens of hostile inputs through whole pages: a sentence or a picture, never a failure."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from headlab.ui.services.selection import _PARTS
from tests import hostile_input as hostile

ROOT = Path(__file__).resolve().parents[2]
PAGES = [f"pages/{path.name}" for path in sorted((ROOT / "pages").glob("*.py"))]
OURS = "went wrong on our side"


def assert_well(test: AppTest) -> None:
    assert not test.exception
    assert not [block.value for block in test.error if OURS in block.value]


def test_texts_on_the_page_that_reads_them():
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    test.switch_page("pages/Your_text.py")
    test.query_params["text"] = "own"
    test.run()
    for text in hostile.texts(60, seed=20)[::3]:
        if "\ud800" in text or "\udfff" in text:
            continue  # no browser can send half a character
        test.text_area(key="typed text").set_value(text).run()
        assert_well(test)


@pytest.mark.parametrize("page", PAGES)
def test_addresses_of_every_page(page):
    names = [part.name for part in _PARTS]
    for query in hostile.addresses(2, names, seed=len(page)):
        test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
        test.switch_page(page)
        for name, value in query.items():
            test.query_params[name] = value.replace("\ud800", "").replace("\udfff", "")
        test.run()
        assert_well(test)


def test_what_the_browser_hands_back():
    for name in ("record", "marks", "own_text"):
        for source in hostile.damaged_json(
            {"schema": "headlab.record/1", "entries": []}, 8, seed=6
        ):
            test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
            page = "pages/Predict.py" if name == "record" else "pages/Head.py"
            test.switch_page(page)
            test.query_params["text"] = "own"
            test.session_state["own_text"] = "The cat sat on the mat."
            test.session_state[name] = source.decode("utf-8", "replace")
            test.run()
            assert_well(test)
