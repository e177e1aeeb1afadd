"""A room with a teacher and a learner in two browsers."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import settle
from tests.browser.test_predict import commit

pytestmark = pytest.mark.browser


def test_answers_arrive_are_held_and_survive_a_reload(page, browser, app):
    page.goto(f"{app}/Class")
    page.get_by_text("Open a room: learners").click()
    page.get_by_role("button", name="Open the room").click()
    address = page.get_by_test_id("stMain").locator("code").first
    expect(address).to_contain_text("/Predict?room=")
    context = browser.new_context(viewport={"width": 390, "height": 844})
    learner = context.new_page()
    learner.goto(f"{address.inner_text()}&sheet=cat-twice&step=1")
    learner.get_by_label("Your name, if you like").first.fill("Zoë <b>Müller</b>")
    learner.get_by_role("button", name="Come in").click()
    learner.get_by_text("Each answer is handed in as you lock it").wait_for()
    page.get_by_text("0 of 1").wait_for()  # within some seconds, by itself
    page.get_by_role("radio", name="wait: first vote").click()
    settle(learner)
    commit(learner)
    learner.get_by_text("Locked and handed in").wait_for()
    page.get_by_text("1 of 1").wait_for()
    learner.reload()
    learner.get_by_text("Locked and handed in").wait_for()
    page.get_by_role("radio", name="wait: second vote").click()
    learner.get_by_text("Talk to your neighbours").wait_for()  # without a press of theirs
    settle(learner)
    commit(learner)
    learner.get_by_text("Both answers are handed in").wait_for()
    page.get_by_text("1 have voted a second time").wait_for()
    page.get_by_role("radio", name="shown as each locks").click()
    learner.get_by_text("What do you see?").wait_for()  # without a press of theirs
    page.get_by_text("Before and after talking").wait_for()
    assert learner.locator("b", has_text="Müller").count() == 0
    page.reload()
    page.get_by_text("1 of 1").wait_for()
    page.get_by_role("button", name="End the room").click()
    page.get_by_role("button", name="End it and delete everything").click()
    page.get_by_text("these three learners are invented").wait_for()
    context.close()
