"""The layer grid in a real browser: load, slide, hover, lock, keyboard."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest

from headlab import load_model, read_text
from headlab.guided import guided_texts

pytestmark = pytest.mark.browser
NAME, GUIDED = next(iter(guided_texts().items()))


@pytest.fixture(scope="module")
def reading():
    return read_text(load_model("mini"), GUIDED.text)


def open_layers(page, app, query=""):
    page.goto(f"{app}/Layers?text={NAME}{query}")
    page.locator(".heads .head").nth(11).wait_for()


def captions(page, part):
    return page.locator(f".heads .{part}").all_text_contents()


def test_twelve_heads_and_exactly_what_the_model_saw(page, app, reading):
    open_layers(page, app)
    assert captions(page, "id") == [f"L0.H{head}" for head in range(12)]
    assert captions(page, "hint") == [str(hint) for hint in reading.hints[0]]
    chips = page.locator(".strip .chip").all_text_contents()
    assert [chip.replace("·", " ") for chip in chips] == reading.token_texts


def test_sliding_a_layer_asks_nothing_of_the_server_before_it_paints(page, app, reading):
    open_layers(page, app)
    painted = page.evaluate(
        """() => {
            const slider = document.querySelector('[data-testid="stBidiComponentRegular"]')
            const find = root => {
                for (const e of root.querySelectorAll('*')) {
                    if (e.matches('#layer')) return e
                    if (e.shadowRoot) { const f = find(e.shadowRoot); if (f) return f }
                }
            }
            const input = find(document)
            input.value = 7
            input.dispatchEvent(new Event('input'))
            return [...input.getRootNode().querySelectorAll('.head .hint')].map(e => e.textContent)
        }"""
    )
    assert painted == [str(hint) for hint in reading.hints[7]]
    page.wait_for_url(re.compile("layer=7"))


def test_hover_shows_the_engine_s_value(page, app, reading):
    open_layers(page, app, "&layer=3")
    n = len(reading.tokens)
    canvas = page.locator(".heads .head canvas").nth(5)
    box = canvas.bounding_box()
    query, key = n - 1, 2
    canvas.hover(
        position={"x": (key + 0.5) * box["width"] / n, "y": (query + 0.5) * box["height"] / n}
    )
    text = page.locator(".readout").text_content()
    assert text.startswith("L3.H5") and f"at {query} (query)" in text and f"at {key} (key)" in text
    shown = float(re.search(r"([\d.]+) %", text)[1])
    assert shown == pytest.approx(100 * reading.pattern(3, 5)[query, key], abs=0.26)


def test_lock_by_mouse_shows_head_and_passport_and_survives_a_reload(page, app):
    open_layers(page, app, "&layer=2")
    page.locator(".heads .head").nth(4).click()
    page.locator(".detail .title").get_by_text("L2.H4").wait_for()
    page.get_by_role("heading", name=re.compile("L2.H4: ")).wait_for()
    page.wait_for_url(re.compile("head=4"))
    page.reload()
    page.locator(".detail .title").get_by_text("L2.H4").wait_for()
    assert page.locator('.head[aria-pressed="true"] .id').all_text_contents() == ["L2.H4"]


def test_keyboard_moves_locks_changes_layer_and_releases(page, app):
    open_layers(page, app)
    page.locator(".heads .head").first.focus()
    for key in ("ArrowRight", "ArrowRight", "PageUp", "Enter"):
        page.keyboard.press(key)
    page.locator(".detail .title").get_by_text("L1.H2").wait_for()
    assert "Head L1.H2 locked" in page.locator(".live").text_content()
    page.get_by_role("heading", name=re.compile("L1.H2: ")).wait_for()
    page.locator(".heads .head").nth(2).focus()
    page.keyboard.press("Escape")
    page.locator(".detail").wait_for(state="hidden")


def test_query_and_key_are_not_swapped(page, serve):
    page.goto(serve(Path(__file__).with_name("axes_app.py")))
    canvas = page.locator(".heads .head canvas").first
    canvas.wait_for()
    pixels = canvas.evaluate(
        "c => btoa(String.fromCharCode(...c.getContext('2d').getImageData(0, 0, 5, 5).data))"
    )
    image = np.frombuffer(base64.b64decode(pixels), dtype=np.uint8).reshape(5, 5, 4)
    bright = image[..., 0] > 128
    assert bright[3, 1] and not bright[1, 3] and not bright[3, 3]
    assert (image[..., 3] > 0).tolist() == np.tri(5, dtype=bool).tolist()
    assert page.locator(".strip b").count() == 0  # markup in a token is text
    assert page.locator(".strip .chip").last.text_content() == "·<b>four</b>"


def test_markup_in_the_learner_s_text_is_text(page, app):
    page.goto(f"{app}/Layers?text=own")
    box = page.get_by_label("Your own text", exact=True).last
    box.fill('<img src=x onerror="window.hacked=1"> and <script>window.hacked=1</script> words')
    box.press("Control+Enter")
    page.locator(".heads .head").first.wait_for()
    assert page.evaluate("window.hacked") is None
    assert page.locator(".strip img").count() == 0


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_the_page_fits_its_window(browser, app, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    open_layers(page, app)
    page.locator(".heads .head").nth(3).click()
    page.locator(".detail .title").wait_for()
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert wide <= width
