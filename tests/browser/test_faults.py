"""A server that dies while learners work: the page says so, and what they did comes back."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from headlab.exercises.sheets import sheets
from tests.browser.test_predict import commit

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def own_server(serve):
    """A server that may be killed, and how to start it again."""
    address = serve(ROOT / "streamlit_app.py")

    def again():
        serve(ROOT / "streamlit_app.py", int(address.rpartition(":")[2]))

    yield address, lambda: serve.kill(address), again
    if address in serve.running:
        serve.kill(address)


def test_what_was_committed_and_typed_outlives_the_server(page, own_server):
    address, kill, again = own_server
    page.set_default_timeout(60_000)  # it starts twice
    page.goto(f"{address}/Layers?text=own")
    page.get_by_role("textbox", name="Your own text").fill("words that shall come back")
    page.keyboard.press("Control+Enter")
    page.locator(".heads .head").first.wait_for()
    page.get_by_role("link", name="Predict", exact=True).click()
    page.get_by_role("link", name=sheets()["cat-twice"].title).click()
    page.wait_for_url("**sheet=cat-twice")  # a link to the open page moves the address too
    commit(page)
    page.wait_for_function("(localStorage.getItem('headlab') || '').includes('layer 3')")

    kill()
    notice = page.get_by_text("Connection error").first
    notice.wait_for()
    again()
    notice.wait_for(state="hidden")
    page.get_by_text("It is locked.").wait_for()
    page.get_by_role("textbox").first.fill("a bright line below the diagonal")
    page.get_by_role("button", name="Lock what you saw").click()
    page.get_by_role("button", name="Lock my sentence").wait_for()
    kept = page.evaluate("localStorage.getItem('headlab')")
    assert "layer 3" in kept and "a bright line" in kept
    page.get_by_role("link", name="Layers", exact=True).click()
    expect(page.locator(".strip")).to_contain_text("words·that·shall·come·back")
