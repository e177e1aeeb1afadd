"""What stands on the first screen, and where pages begin; each page is opened once a size."""

import pytest
from playwright.sync_api import expect

from headlab.behaviours import behaviours
from tests.browser.conftest import settle

pytestmark = pytest.mark.browser

SIZES = {(1366, 768), (1440, 900), (390, 844)}
TOP = "document.querySelector('[data-testid=stMain]').scrollTop"
TO_END = "document.querySelector('[data-testid=stMain]').scrollTo(0, 1e6)"
SHEET = "Predict?sheet=trophy-and-suitcase"


@pytest.fixture(scope="module", params=sorted(SIZES), ids="{0[0]}x{0[1]}".format)
def screen(request, browser):
    """A browser window of one size, by touch where it is narrow; no wider than it may be."""
    width, height = request.param
    narrow = width < 500
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=narrow, is_mobile=narrow
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page, width, height
    context.close()


def bottom(page, found) -> float:
    """Where something ends, in pixels from the top of the unscrolled page."""
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    return found.evaluate("element => element.getBoundingClientRect().bottom")


def fits(page, width) -> bool:
    return page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_question_and_its_lock_are_on_the_first_screen(screen, app):
    page, width, height = screen
    page.goto(f"{app}/{SHEET}")
    lock = page.get_by_role("button", name="Lock my answer")
    lock.wait_for()
    settle(page)
    assert bottom(page, lock) < height
    assert bottom(page, page.get_by_text("heads in layer 0 give more").first) < height / 2
    assert fits(page, width)


def test_layers_shows_everything_at_once(screen, app):
    page, width, height = screen
    page.goto(f"{app}/Layers?text=trophy")
    page.locator(".heads .head").nth(11).wait_for()
    settle(page)
    cards = page.locator(".heads .head")
    assert cards.count() == 12 and bottom(page, cards.last) <= height
    for part in (".strip", "#layer", ".play"):
        assert bottom(page, page.locator(part)) <= height
    boxes = [card.bounding_box() for card in cards.all()]
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            beside = one["x"] + one["width"] <= other["x"] or one["y"] + one["height"] <= other["y"]
            assert beside or other["x"] + other["width"] <= one["x"]
    if width > 500:  # beside the cards; on a phone a sheet that a press opens
        assert bottom(page, page.locator(".detail")) <= height
        assert boxes[0]["y"] < 200
        inside = "element => element.scrollWidth <= element.clientWidth + 1"
        assert page.locator(".st-key-controls").evaluate(inside)  # no control is cut off
    assert fits(page, width)


def test_layers_fits_a_low_window_with_its_slider(page, app):
    page.set_viewport_size({"width": 1366, "height": 650})
    page.goto(f"{app}/Layers?text=trophy")
    page.locator(".heads .head").nth(11).wait_for()
    settle(page)
    assert bottom(page, page.locator(".heads .head").last) <= 650
    assert bottom(page, page.locator(".detail")) <= 650 and page.locator("#layer").is_visible()
    for narrow in (683, 390, 320):
        page.set_viewport_size({"width": narrow, "height": 768})
        settle(page)
        assert fits(page, narrow)


def test_your_text_shows_its_text_and_the_first_verdicts(screen, app):
    page, width, height = screen
    page.goto(f"{app}/Your_text?own=The+cat+sat+on+the+mat.+The+cat+slept.")
    box = page.get_by_role("textbox", name="Text")
    box.wait_for()
    settle(page)
    assert box.input_value() == "The cat sat on the mat. The cat slept."
    rows = page.locator("[class*=st-key-row-]")
    assert rows.count() == len(behaviours())
    least = 7 if width > 500 else 2
    assert sum(bottom(page, rows.nth(index)) < height for index in range(least)) == least
    assert fits(page, width)


def test_cause_opens_on_a_removal_to_predict(screen, app):
    page, width, height = screen
    page.goto(f"{app}/Cause")
    lock = page.get_by_role("button", name="Lock my prediction")
    lock.wait_for()
    settle(page)
    assert bottom(page, lock) < height and fits(page, width)
    page.get_by_role("radio", name="hardly changes").click()
    settle(page)
    lock.click()
    page.get_by_text("You predicted").wait_for()
    settle(page)
    drawn = page.locator(".bar.large")
    assert drawn.count() == 2 and bottom(page, drawn.last) < (
        height if width > 500 else 1.3 * height
    )
    if width > 500:  # the map of all heads is the picker, beside the result
        page.get_by_role("button", name="Layer 1 head 2:").click()
        page.wait_for_url("**removed=*L1.H2*")


def test_enter_removes_the_one_head_that_was_typed(page, app):
    page.goto(f"{app}/Cause?removed=L0.H0")
    box = page.get_by_role("combobox", name="Heads to remove")
    box.wait_for()
    settle(page)  # a run that is not over yet would draw the box anew, empty
    box.fill("L3.H1")
    expect(page.get_by_role("option").first).to_contain_text("L3.H1")  # the list is narrowed
    page.keyboard.press("Enter")
    page.wait_for_url("**removed=L0.H0-L3.H1")
    box.click()
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_function("location.search.match(/L[0-9]+[.]H[0-9]+/g).length !== 2")
    assert page.evaluate("location.search.match(/L[0-9]+[.]H[0-9]+/g).length") == 3


def test_steps_and_sheets_begin_at_their_top_and_a_verdict_comes_into_view(page, app):
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto(f"{app}/{SHEET}")
    page.get_by_role("radio", name="3 heads").wait_for()
    settle(page)
    page.get_by_role("radio", name="3 heads").click()
    settle(page)
    page.get_by_role("radio", name="4 sure").click()
    settle(page)
    page.get_by_role("button", name="Lock my answer").click()
    page.get_by_role("textbox").wait_for()
    settle(page)
    prompt = page.get_by_role("textbox").evaluate("box => box.getBoundingClientRect().bottom")
    assert 0 < prompt < 768
    page.evaluate(TO_END)
    page.get_by_role("link", name="Next:").click()
    page.get_by_text("Step 2 of 3").wait_for()
    settle(page)
    assert page.evaluate(TOP) == 0
    page.evaluate(TO_END)
    page.get_by_role("link", name="All sheets").click()
    page.get_by_role("heading", name="Predict before you click").wait_for()
    settle(page)
    assert page.evaluate(TOP) == 0
    page.evaluate(TO_END)
    page.get_by_role("link", name="Claims on trial").click()
    page.get_by_text("Step 1 of 5").wait_for()
    settle(page)
    assert page.evaluate(TOP) == 0


def test_a_cell_of_the_rankings_map_opens_its_head(page, app):
    page.goto(f"{app}/Rankings?behaviour=induction")
    points = page.locator(".js-plotly-plot").first.locator(".scatterlayer .point")
    points.first.wait_for()
    settle(page)
    box = points.nth(40).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url("**/Head?*behaviour=induction")
    assert "head=" in page.url


def test_the_phone_s_menu_closes_after_a_choice(browser, app):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    try:
        page = context.new_page()
        page.goto(f"{app}/Class")
        page.get_by_role("heading", level=1).wait_for()
        settle(page)
        menu = page.locator("[data-testid=stSidebar]")
        page.get_by_test_id("stExpandSidebarButton").click()
        page.locator("[data-testid=stSidebar][data-collapsed=false]").wait_for()
        menu.get_by_role("link", name="Glossary").click()
        page.get_by_role("heading", name="Glossary").wait_for()
        page.locator("[data-testid=stSidebar][data-collapsed=true]").wait_for(state="attached")
    finally:
        context.close()
