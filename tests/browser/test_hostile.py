"""Markup that learners type stays text: nothing of it runs, and nothing is fetched."""

import re
from urllib.parse import quote

import pytest

from tests.browser.conftest import settle
from tests.hostile_input import MARKUP

pytestmark = pytest.mark.browser


def assert_nothing_ran(page):
    """By the time that a picture put in now has failed, one put in by markup would have, too."""
    page.evaluate(
        """() => {
            const picture = new Image()
            picture.onerror = () => { window.failed = true }
            picture.src = 'nothing-here'
            document.body.append(picture)
        }"""
    )
    page.wait_for_function("window.failed")
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("place", ["Layers", "Your_text", "Head"])
def test_markup_in_a_text_is_shown_and_not_executed(page, app, place):
    page.goto(f"{app}/{place}?text=own&head=1&layer=2")
    box = page.get_by_role("textbox", name=re.compile("text$", re.I)).first
    box.wait_for()
    for first in range(0, len(MARKUP), 3):
        if not box.is_visible():  # once there is a text, Layers keeps its box under Edit
            page.get_by_role("button", name="Edit").click()
        box.fill(" and ".join(MARKUP[first : first + 3]))
        page.keyboard.press("Control+Enter")
        settle(page)
    assert_nothing_ran(page)
    assert page.locator("[data-testid=stMain] :is(script, iframe, img[src='x'])").count() == 0


def test_markup_in_an_address_is_not_executed(page, app):
    for each, part in zip(
        MARKUP[:6], ("own", "text", "model", "sheet", "own", "behaviour"), strict=True
    ):
        page.goto(f"{app}/Layers?{part}={quote(each, safe='')}")
        page.get_by_role("heading", name="Twelve heads at once").wait_for()
        settle(page)
        assert_nothing_ran(page)
