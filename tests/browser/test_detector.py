"""Painting cells by pointer and keyboard, in Chromium."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import settle

pytestmark = pytest.mark.browser


def cell(page, query, key):
    return page.locator(".paint .cell").nth(query * (query + 1) // 2 + key)


def test_cells_are_painted_by_drag_and_by_keyboard_and_stay(page, app):
    page.goto(f"{app}/Detector?text=cat-on-the-mat")
    cell(page, 12, 12).wait_for()
    settle(page)
    cell(page, 9, 3).hover()
    page.mouse.down()
    cell(page, 10, 4).hover()
    page.mouse.up()
    painted = page.locator('.paint .cell[aria-selected="true"]')
    page.get_by_text("Heads that look there most").wait_for()
    assert painted.count() >= 2
    settle(page)
    before = painted.count()
    cell(page, 12, 6).focus()
    page.keyboard.press("Space")
    expect(painted).to_have_count(before + 1)
    expect(cell(page, 12, 6)).to_have_attribute("aria-selected", "true")
    settle(page)
    page.keyboard.press("ArrowLeft")
    expect(cell(page, 12, 5)).to_be_focused()
    page.get_by_role("link", name="Layers", exact=True).click()
    page.locator(".heads .head").first.wait_for()
    page.get_by_role("link", name="Detector", exact=True).click()
    expect(painted).to_have_count(before + 1)
