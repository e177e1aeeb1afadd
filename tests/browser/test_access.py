"""Every page in a real browser: no barriers that axe-core finds, and no width it does not fit."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import settle

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "start": "/",
    "layers": "/Layers?layer=3&head=1&behaviour=induction",
    "layers, all at once": "/Layers?overview=on&lens=on",
    "head": "/Head?layer=3&head=1&behaviour=induction",
    "two heads": "/Head?layer=3&head=1&beside=L5.H2&lens=on",
    "your text": "/Your_text?own=Maria+lives+in+Oslo.+Tom+lives+in+Lima.",
    "rankings": "/Rankings",
    "cause": "/Cause?removed=L3.H1-L0.H0",
    "patching": "/Cause?patching=on",
    "circuit": "/Circuit?text=cat-on-the-mat&layer=3&head=7",
    "detector": "/Detector?text=cat-on-the-mat",
    "compare": "/Compare?with=uploaded",
    "training": "/Compare?training=on",
    "sheets": "/Predict",
    "a step": "/Predict?sheet=cat-twice",
    "models": "/Models",
    "report": "/Report?text=mary-and-john",
    "glossary": "/Glossary",
    "class": "/Class",
}


def open_page(page, address):
    """Open a page and wait until its last element is there."""
    page.goto(address)
    page.get_by_role("heading", level=1).wait_for()
    settle(page)


def barriers(page, *rules):
    """Rules that axe-core calls serious or critical, with the elements that break them."""
    only = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else None
    found = Axe().run(page, options=only).response["violations"]
    grave = [each for each in found if each["impact"] in ("serious", "critical")]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in grave]


@pytest.mark.parametrize("name", PAGES)
def test_no_serious_barrier_in_light_or_dark_and_it_fits_its_window(page, app, name):
    page.emulate_media(color_scheme="light")
    open_page(page, app + PAGES[name])
    if name == "compare":
        profile = ROOT / "headlab" / "models" / "mini" / "profile.json"
        page.locator("input[type=file]").set_input_files(profile)
        page.get_by_text("Labels before and after").first.wait_for()
    if name == "your text":
        page.get_by_text("Mark facts, to see").click()
        page.get_by_role("button", name="Add this fact").wait_for()
    for scheme, rules in (("light", ()), ("dark", ("color-contrast",))):  # what colours can change
        page.emulate_media(color_scheme=scheme)
        expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", scheme)
        settle(page)
        assert (scheme, barriers(page, *rules)) == (scheme, [])
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_reduced_motion_is_respected(page, app):
    page.emulate_media(reduced_motion="reduce")
    open_page(page, app + PAGES["layers"])
    moving = page.locator(".lab").evaluate(
        """lab => [...lab.querySelectorAll('*')].filter(element => {
            const style = getComputedStyle(element)
            return style.animationName !== 'none' || parseFloat(style.transitionDuration) > 0
        }).length"""
    )
    assert moving == 0
