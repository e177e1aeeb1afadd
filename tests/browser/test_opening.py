"""A fresh server in front of a class: six tabs on six pages before it has imported anything."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parents[2]
PATHS = ("", "Layers", "Predict", "Class", "Models", "Glossary")


def test_six_tabs_on_six_pages_of_a_fresh_server(browser, serve):
    address = serve(ROOT / "streamlit_app.py")
    context = browser.new_context()
    tabs = {path: context.new_page() for path in PATHS}
    for path, tab in tabs.items():  # none waits for another
        tab.goto(f"{address}/{path}", wait_until="commit")
    for tab in tabs.values():
        expect(tab.get_by_role("heading", level=1).first).to_be_visible(timeout=90_000)
        assert tab.get_by_test_id("stException").count() == 0
        assert tab.get_by_test_id("stAlertContentError").count() == 0
    context.close()
    serve.kill(address)
    assert "Traceback" not in serve.log(address).read_text()
