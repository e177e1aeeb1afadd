"""A sheet in a real browser: what is hidden is not sent; what was committed outlives a reload."""

import base64
import re

import pytest
from playwright.sync_api import expect

from headlab import load_model
from headlab.exercises.sheets import sheets
from headlab.heads import Head
from headlab.measuring.pictures import draw_pictures
from tests.browser.conftest import settle

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def question():
    return sheets()["cat-twice"].steps[0].question


@pytest.fixture(scope="module")
def secret(question):
    """The pictures of the question's text, as bytes: all of them are the answer's."""
    cells = draw_pictures(load_model("mini"), question.text.words, "model").cells
    return {Head(*place): cells[place].tobytes() for place in [(0, 0), (0, 2), (3, 1), (11, 11)]}


def listen(page):
    """All that the server sends to this page from now on."""
    received = []

    def keep(frame):
        received.append(frame if isinstance(frame, bytes) else frame.encode())

    page.on("websocket", lambda socket: socket.on("framereceived", keep))
    return received


def pictures_in(received):
    """Every picture sent, decoded: the drawings of all grids, one behind the other."""
    sent = re.findall(rb'"pictures": ?"([A-Za-z0-9+/=]+)"', b"".join(received))
    return b"".join(base64.b64decode(each) for each in sent)


def commit(page):
    """Answer the first question, whatever it is."""
    page.get_by_role("radio", name="layer 3", exact=True).click()
    page.get_by_role("radio", name="4 sure").click()
    page.get_by_role("button", name="Lock my answer").click()
    page.get_by_text("It is locked.").wait_for()


def test_the_pictures_are_not_in_the_page_before_the_answer_is_locked(page, app, secret):
    received = listen(page)
    page.goto(f"{app}/Predict?sheet=cat-twice")
    page.get_by_text("The text asked about, hidden").wait_for()
    before = pictures_in(received)
    assert before  # the exploration's pictures
    assert [head for head, picture in secret.items() if picture in before] == []
    commit(page)
    expect(page.get_by_text("The text asked about, hidden")).to_have_count(0)
    after = pictures_in(received)
    assert [head for head, picture in secret.items() if picture not in after] == []


def test_the_figures_are_not_in_the_page_before_the_answer_is_locked(page, app):
    """The verdict quotes what was measured; nothing of it is sent ahead."""
    received = listen(page)
    page.goto(f"{app}/Predict?sheet=cat-twice")
    page.get_by_role("button", name="Lock my answer").wait_for()
    settle(page)
    ahead = len(received)
    commit(page)
    page.get_by_role("textbox").first.fill("a bright line")
    page.get_by_role("button", name="Lock what you saw").click()
    page.get_by_role("button", name="Lock my sentence").wait_for()
    verdict = page.locator("[data-testid=stAlertContainer]").last.inner_text()
    figures = re.findall(r"\d\.\d\d", verdict)
    assert figures
    early, late = b"".join(received[:ahead]), b"".join(received[ahead:])
    sentence = verdict.split(".")[0].encode()
    assert sentence in late and sentence not in early


def test_a_reload_goes_on_where_the_learner_was(page, app):
    page.goto(f"{app}/Predict?sheet=cat-twice")
    commit(page)
    page.get_by_role("textbox").first.fill("a bright line below the diagonal")
    page.get_by_role("button", name="Lock what you saw").click()
    page.get_by_role("button", name="Lock my sentence").wait_for()
    page.reload()
    page.get_by_role("button", name="Lock my sentence").wait_for()
    expect(page.get_by_text("It is locked.")).to_be_visible()
    expect(page.get_by_text("a bright line below the diagonal")).to_be_visible()


def test_another_learner_sees_nothing_of_it(page, app, browser):
    page.goto(f"{app}/Predict?sheet=cat-twice")
    commit(page)
    other = browser.new_context()
    try:
        stranger = other.new_page()
        stranger.goto(f"{app}/Predict?sheet=cat-twice")
        stranger.get_by_text("The text asked about, hidden").wait_for(timeout=30_000)
        expect(stranger.get_by_text("It is locked.")).to_have_count(0)
    finally:
        other.close()
