"""Two grids side by side in a real browser: what is hovered over in one shows in the other."""

import shutil

import pytest
from playwright.sync_api import expect

from headlab import load_model
from tests.browser.test_access import open_page

pytestmark = pytest.mark.browser


def test_hovering_and_choosing_are_linked(page, app, tmp_path):
    copy = tmp_path / "mini-again"
    shutil.copytree(load_model("mini").folder, copy)
    open_page(page, f"{app}/Compare?training=off")
    page.get_by_text("A folder of yours").click()
    page.get_by_test_id("stTextInputField").fill(str(copy))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Compare with it").click()
    page.get_by_text("Layer by layer").wait_for()
    page.keyboard.press("Escape")
    grids = page.locator(".lab")
    expect(grids).to_have_count(2)
    one, two = grids.nth(0), grids.nth(1)
    one.locator(".chip").nth(3).hover()
    expect(two.locator(".chip.query")).to_have_count(1)
    expect(two.locator(".readout")).to_contain_text("its row (solid)")
    two.locator(".head canvas:not(.was)").nth(1).hover(position={"x": 5, "y": 50})
    expect(one.locator(".readout")).to_contain_text("L0.H1: from")
    one.locator(".head").nth(2).click()
    expect(two.locator(".head").nth(2)).to_have_attribute("aria-pressed", "true")
    assert "head=2" in page.url
