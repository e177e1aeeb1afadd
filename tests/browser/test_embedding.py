"""The grid and one head as documents of their own: they work with no server behind them."""

import pytest
from playwright.sync_api import expect

from headlab import embed, load_model, profile_model, read_text, show

pytestmark = pytest.mark.browser
TEXT = "The cat sat on the mat. The cat sat on the"


@pytest.fixture(scope="module")
def reading():
    return read_text(load_model("mini"), TEXT)


def test_the_grid_slides_and_answers_words(page, reading):
    page.set_content(show(reading, 3, profile_model(load_model("mini"))).html)
    heads = page.locator(".heads .head")
    expect(heads).to_have_count(12)
    expect(page.locator(".heads .id").first).to_have_text("L3.H0")
    page.locator("#layer").fill("5")
    expect(page.locator(".heads .id").first).to_have_text("L5.H0")
    page.locator(".strip .chip").nth(9).hover()
    expect(page.locator(".readout")).to_contain_text("cat")


def test_one_head_shades_its_words(page, reading):
    page.set_content(embed(reading, "L3.H5", 9).html)
    share = page.locator(".text .token").nth(3).locator(".share")
    expect(share).to_have_text(f"{100 * reading.pattern(3, 5)[9, 3]:.1f} %")
    page.locator(".text .token").nth(5).hover()
    expect(page.locator(".said")).to_contain_text("at 5 looks most at")


def test_a_page_in_a_frame_has_no_menu(page, app):
    page.set_content(f'<iframe src="{app}/Layers?embed=1&layer=3" width=1200 height=800></iframe>')
    inside = page.frame_locator("iframe")
    expect(inside.locator(".heads .head")).to_have_count(12)
    for part in ("stSidebar", "stHeader"):
        expect(inside.get_by_test_id(part)).to_be_hidden()
    inside.locator(".heads .head").nth(2).click()
    expect(inside.get_by_text("L3.H2").first).to_be_visible()
    expect(inside.get_by_test_id("stSidebar")).to_be_hidden()
