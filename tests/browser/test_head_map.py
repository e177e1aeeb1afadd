"""The map of all heads in a real browser: what it says, by mouse and by keyboard."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from headlab import load_model, profile_model
from headlab.figures.labels import label_letters

pytestmark = pytest.mark.browser


def test_the_map_says_every_head_and_gives_the_one_chosen(page, serve):
    profile = profile_model(load_model("mini"))
    address = serve(Path(__file__).with_name("map_app.py"))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    cells = page.locator(".cells .cell")
    expect(cells).to_have_count(profile.label.size)
    by_rows = [str(name) for name in profile.label.T.flat]  # head down, layer across
    assert cells.all_text_contents() == [label_letters(name) for name in by_rows]
    said = page.locator(".said")
    expect(said).to_have_text(f"L2.H5: usually {profile.label_text(2, 5)}")
    assert page.locator(".cell[tabindex='0']").count() == 1

    def cell(layer, head):
        return cells.nth(head * profile.n_layers + layer)

    expect(cell(2, 5)).to_have_attribute("aria-pressed", "true")
    spoken = f"Layer 1 head 0: usually {profile.label_text(1, 0)}; marked"
    expect(cell(1, 0)).to_have_attribute("aria-label", spoken)
    cell(3, 4).hover()
    expect(said).to_have_text(f"L3.H4: usually {profile.label_text(3, 4)}")
    cell(3, 4).click()
    expect(page.get_by_text("chosen: L3.H4")).to_be_visible()
    cell(3, 4).focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_text("chosen: L4.H5")).to_be_visible()
    expect(cell(4, 5)).to_be_focused()
    box = cell(0, 0).bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
