"""One head in a real browser: the text view, the heat map, links from and to other pages."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from headlab import load_model, read_text
from headlab.exercises.guided import guided_texts

pytestmark = pytest.mark.browser
NAME, GUIDED = next(iter(guided_texts().items()))


@pytest.fixture(scope="module")
def reading():
    return read_text(load_model("mini"), GUIDED.text)


def open_head(page, app, query="layer=3&head=7"):
    page.goto(f"{app}/Head?text={NAME}&{query}")
    page.locator(".text .token").last.wait_for()


def shares(page):
    return page.locator(".text .share").all_text_contents()


def worded(value):
    """A share as the page writes it, in the steps in which it was sent."""
    value = np.rint(value * 65_535) / 65_535
    return "< 0.1 %" if 0 < value < 0.001 else f"{100 * value:.1f} %"


def test_the_text_is_shaded_by_the_engine_s_values(page, app, reading):
    open_head(page, app, "layer=3&head=7&token=9")
    row = reading.pattern(3, 7)[9]
    expect(page.locator(".text .token").nth(9)).to_have_attribute("aria-pressed", "true")
    assert shares(page) == [worded(v) if k <= 9 else "" for k, v in enumerate(row)]


def test_the_reverse_shows_who_looks_at_a_token(page, app, reading):
    open_head(page, app, "layer=3&head=7&token=3&toward=on")
    column = reading.pattern(3, 7)[:, 3]
    assert shares(page) == [worded(v) if q >= 3 else "" for q, v in enumerate(column)]


def test_choosing_a_token_goes_to_the_address_and_hovering_does_not(page, app):
    open_head(page, app)
    tokens = page.locator(".text .token")
    tokens.nth(5).hover()
    expect(page.locator(".said")).to_contain_text("at 5 looks most at")
    tokens.nth(4).click()
    page.wait_for_url("**token=4")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**token=5")
    page.reload()
    expect(tokens.nth(5)).to_have_attribute("aria-pressed", "true")


def test_arcs_are_the_pairs_above_the_limit(page, app, reading):
    open_head(page, app, "layer=3&head=7&arcs=40")
    pattern = reading.pattern(3, 7)
    n = len(pattern)
    expected = sum(pattern[q, k] >= 0.4 for q in range(n) for k in range(q))
    expect(page.locator(".arcs path")).to_have_count(int(expected))


def test_the_heat_map_shows_the_exact_value_on_hover(page, app, reading):
    open_head(page, app)
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    plot.wait_for()
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    n, query, key = len(reading.tokens), 9, 3
    plot.hover(
        position={"x": (key + 0.5) * box["width"] / n, "y": (query + 0.5) * box["height"] / n}
    )
    label = page.locator(".hoverlayer .hovertext").first
    label.wait_for()
    text = label.text_content()
    assert re.search(r"from 9 ·cat.*to 3 ·sat", text)
    assert f"{reading.pattern(3, 7)[query, key]:.4f}" in text


def test_locking_in_the_grid_leads_to_the_head_and_back(page, app):
    page.goto(f"{app}/Layers?text={NAME}&layer=3")
    page.locator(".heads .head").nth(7).click()
    page.get_by_role("link", name="Open L3.H7 on its own page").click()
    page.get_by_role("heading", name="Head L3.H7").wait_for()
    page.get_by_role("link", name="See L3.H7 among its neighbours").click()
    expect(page.locator('.head[aria-pressed="true"] .id')).to_have_text("L3.H7")


def test_markup_in_the_text_is_text_on_every_part_of_the_page(page, app):
    hostile = "<img src=x onerror=window.hacked=1> <b>bold</b> words"
    page.goto(f"{app}/Head?own={hostile}&layer=1&head=1&beside=L2.H2")
    page.locator(".js-plotly-plot").nth(2).wait_for()
    page.goto(f"{app}/Head?own={hostile}&layer=1&head=1")
    page.locator(".text .token").last.wait_for()
    assert page.evaluate("window.hacked") is None
    assert page.locator(".view img, .view b").count() == 0
