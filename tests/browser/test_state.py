"""What a learner chose and typed survives back, reload and other pages, and is theirs alone."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import settle

pytestmark = pytest.mark.browser


def grid(page):
    page.locator(".heads .head").nth(11).wait_for()


def locked(page):
    return page.locator('.head[aria-pressed="true"] .id')


def own_box(page):
    return page.get_by_label("Your own text", exact=True).last


def shows(page, text):
    expect(page.locator(".strip")).to_contain_text(text.replace(" ", "·"))


def write(page, text):
    if page.locator(".strip").count():
        page.get_by_role("button", name="Edit").click()
    own_box(page).fill(text)
    own_box(page).press("Control+Enter")
    shows(page, text)


def test_back_and_forward_bring_back_view_and_widgets(page, app):
    page.goto(f"{app}/Layers?layer=2")
    grid(page)
    page.locator(".heads .head").nth(4).click()
    page.wait_for_url("**layer=2&head=4")
    page.get_by_text("Sink lens").click()
    page.wait_for_url("**lens=on")
    expect(page.locator(".heads .hint").first).to_contain_text("left")
    page.go_back()
    page.wait_for_url("**layer=2&head=4")
    expect(page.locator(".heads .hint").first).not_to_contain_text("left")
    expect(page.get_by_role("switch", name="Sink lens")).not_to_be_checked()
    expect(locked(page)).to_have_text("L2.H4")
    page.go_back()
    expect(locked(page)).to_have_count(0)
    page.go_forward()
    expect(locked(page)).to_have_text("L2.H4")


def test_moving_between_pages_loses_nothing(page, app):
    page.goto(f"{app}/Layers?layer=3&head=1&lens=on&start=off&text=alice")
    grid(page)
    page.get_by_role("link", name="Rankings").click()
    page.get_by_role("heading", name="Which heads do what").wait_for()
    page.get_by_role("link", name="Head", exact=True).click()
    page.get_by_role("heading", name="Head L3.H1").wait_for()
    for part in ("text=alice", "start=off", "layer=3", "head=1", "lens=on"):
        assert part in page.url
    page.get_by_role("link", name="Layers", exact=True).click()
    expect(locked(page)).to_have_text("L3.H1")


def test_own_text_survives_a_reload_outside_the_address(page, app):
    page.goto(f"{app}/Layers?text=own")
    own_box(page).wait_for()
    write(page, "my secret words here")
    page.reload()
    grid(page)
    shows(page, "my secret words here")
    assert "secret" not in page.url


def test_two_tabs_keep_two_learners_apart(page, app):
    page.goto(f"{app}/Layers?text=own")
    own_box(page).wait_for()
    write(page, "the first learner writes")
    other = page.context.new_page()
    other.goto(f"{app}/Layers?text=own&layer=5&head=3")
    grid(other)
    write(other, "another learner is typing")
    for tab, text in ((page, "the first learner writes"), (other, "another learner is typing")):
        tab.reload()
        grid(tab)
        shows(tab, text)
    expect(locked(page)).to_have_count(0)
    expect(locked(other)).to_have_text("L5.H3")


def test_another_browser_sees_nothing_of_it(page, app, browser):
    page.goto(f"{app}/Layers?text=own")
    own_box(page).wait_for()
    write(page, "only in this browser")
    stranger = browser.new_context().new_page()
    stranger.goto(f"{app}/Layers?text=own")
    own_box(stranger).wait_for()
    settle(stranger)
    expect(own_box(stranger)).to_have_value("")
    stranger.context.close()


def test_a_copied_link_carries_the_text_and_the_address_drops_it(page, app, browser):
    page.goto(f"{app}/Layers?text=own&layer=4")
    own_box(page).wait_for()
    write(page, "words & signs + more?")
    page.get_by_role("button", name="Edit").click()
    link = page.locator("code").filter(has_text="own=").first.text_content()
    friend = browser.new_context().new_page()
    friend.goto(link)
    grid(friend)
    shows(friend, "words & signs + more?")
    friend.wait_for_url("**text=own&layer=4")
    friend.context.close()


def test_clear_this_browser_forgets_the_text(page, app):
    page.goto(f"{app}/Layers?text=own")
    own_box(page).wait_for()
    write(page, "to be forgotten")
    page.get_by_role("button", name="Shared machine?").click()
    page.get_by_role("button", name="Clear this browser").click()
    expect(own_box(page)).to_have_value("")
    kept = "[localStorage.getItem('headlab'), sessionStorage.getItem('headlab')]"
    page.wait_for_function(f"{kept}.every(each => each === null)")
    page.reload()
    own_box(page).wait_for()
    settle(page)
    expect(own_box(page)).to_have_value("")


def test_a_complaint_about_the_address_stays_until_the_learner_moves_on(page, app):
    page.goto(f"{app}/Layers?layer=99&head=-1&text=<script>alert(1)</script>")
    grid(page)
    settle(page)
    warnings = page.get_by_test_id("stAlertContentWarning")
    expect(warnings).to_have_count(3)
    page.wait_for_url("**/Layers?model=mini&layer=11")
    page.get_by_text("Sink lens").click()
    expect(warnings).to_have_count(0)
