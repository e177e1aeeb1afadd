"""The layer grid in a real browser: load, slide, hover, lock, keyboard."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect
from plotly.colors import sample_colorscale

from headlab import load_model, read_text
from headlab.exercises.guided import guided_texts
from headlab.measuring.pictures import without_first
from tests.browser.conftest import settle

pytestmark = pytest.mark.browser
NAME, GUIDED = next(iter(guided_texts().items()))


@pytest.fixture(scope="module")
def reading():
    return read_text(load_model("mini"), GUIDED.text)


def open_layers(page, app, query=""):
    query = query if "layer=" in query else f"&layer=0{query}"
    page.goto(f"{app}/Layers?text={NAME}{query}")
    page.locator(".heads .head").nth(11).wait_for()
    settle(page)  # the cards have the size that they keep


def readout(page):
    return page.locator(".readout").text_content()


def captions(page, part):
    return page.locator(f".heads .{part}").all_text_contents()


def test_twelve_heads_and_exactly_what_the_model_saw(page, app, reading):
    open_layers(page, app)
    assert captions(page, "id") == [f"L0.H{head}" for head in range(12)]
    assert captions(page, "hint") == [str(reading.hint(0, head)) for head in range(12)]
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
    assert painted == [str(reading.hint(7, head)) for head in range(12)]
    page.wait_for_url(re.compile("layer=7"))


def test_hover_shows_the_engine_s_value(page, app, reading):
    open_layers(page, app, "&layer=3")
    n = len(reading.tokens)
    canvas = page.locator(".heads .head canvas.now").nth(5)
    box = canvas.bounding_box()
    query, key = n - 1, 2
    canvas.hover(
        position={"x": (key + 0.5) * box["width"] / n, "y": (query + 0.5) * box["height"] / n}
    )
    text = readout(page)
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
    expect(page.locator('.head[aria-pressed="true"]')).to_have_count(0)


def test_query_and_key_are_not_swapped(page, serve):
    page.goto(serve(Path(__file__).with_name("axes_app.py")))
    canvas = page.locator(".heads .head canvas.now").first
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


def test_hovering_a_word_marks_its_row_and_column_in_every_picture(page, app, reading):
    open_layers(page, app, "&layer=3")
    page.locator(".strip .chip").nth(9).hover()
    rows = page.locator(".heads .row")
    expect(rows).to_have_count(12)
    n = len(reading.tokens)
    for overlay in (rows, page.locator(".heads .column")):
        for mark in overlay.all():
            assert mark.is_visible()
    frame = page.locator(".heads .frame").first.bounding_box()
    row, column = rows.first.bounding_box(), page.locator(".heads .column").first.bounding_box()
    assert row["y"] - frame["y"] == pytest.approx(9 * frame["height"] / n, abs=1)
    assert column["x"] - frame["x"] == pytest.approx(9 * frame["width"] / n, abs=1)
    best = reading.patterns[3, :, 9].argmax(-1)
    for head, text in enumerate(captions(page, "hint")):
        shown = int(re.search(r"(\d+) %$", text)[1])
        assert shown == pytest.approx(100 * reading.pattern(3, head)[9, best[head]], abs=0.71)
    page.mouse.move(5, 5)
    assert captions(page, "hint") == [str(reading.hint(3, head)) for head in range(12)]


def test_a_word_that_the_model_wrote_shows_the_row_it_was_written_from(page, app, reading):
    open_layers(page, app, "&layer=3")
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("spinbutton", name="Tokens").fill("2")
    page.keyboard.press("Tab")
    settle(page)
    page.get_by_role("button", name="Continue").click()
    written = page.locator(".strip .chip.written")
    expect(written).to_have_count(2)
    settle(page)
    page.keyboard.press("Escape")
    written.first.hover()
    n = len(reading.tokens) + 2
    frame = page.locator(".heads .frame").first.bounding_box()
    row = page.locator(".heads .row").first.bounding_box()
    last = len(reading.tokens) - 1
    assert row["y"] - frame["y"] == pytest.approx(last * frame["height"] / n, abs=1)


def test_the_lens_shows_what_is_left_and_how_much(page, app, reading):
    open_layers(page, app, "&layer=3&lens=on")
    rest, left = without_first(reading.patterns[3])
    means = left[:, 1:].mean(-1)
    shown = [int(text.removesuffix(" % left")) for text in captions(page, "hint")]
    assert shown == pytest.approx(100 * means, abs=0.56)
    canvas = page.locator(".heads .head canvas.now").nth(7)
    opacity = float(canvas.evaluate("c => getComputedStyle(c).opacity"))
    assert opacity == pytest.approx(0.15 + 0.85 * means[7], abs=0.01)
    box, n = canvas.bounding_box(), len(reading.tokens)
    canvas.hover(position={"x": 3.5 * box["width"] / n, "y": 9.5 * box["height"] / n})
    share, of = re.search(r": ([\d.]+) % of the ([\d.]+) % left", readout(page)).groups()
    assert float(share) == pytest.approx(100 * rest[7, 9, 3], abs=0.26)
    assert float(of) == pytest.approx(100 * left[7, 9], abs=0.26)


def test_heads_active_on_this_text_are_marked_across_layers(page, app, reading):
    open_layers(page, app, "&layer=3&behaviour=induction")
    active = reading.status["induction"] == "active"
    marked = [text.endswith("◆") for text in captions(page, "id")]
    assert marked == active[3].tolist()
    layers = page.locator(".ruler button")
    counts = active.sum(1)
    expected = [f"layer {layer}: {count}" for layer, count in enumerate(counts) if count]
    assert layers.all_text_contents() == expected
    layers.last.click()
    last = int(np.nonzero(counts)[0][-1])
    expect(page.locator(".heads .id").first).to_have_text(re.compile(f"L{last}.H0"))


def test_all_layers_at_once_and_one_of_them_locked(page, app):
    open_layers(page, app, "&overview=on")
    heads = page.locator(".heads .head")
    expect(heads).to_have_count(144)
    heads.nth(3 * 12 + 7).click()
    page.wait_for_url(re.compile("layer=3&head=7"))
    page.get_by_role("heading", name=re.compile("L3.H7: ")).wait_for()
    heads.nth(3 * 12 + 7).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("layer=4&head=7"))


def test_a_long_text_is_pooled_and_fetches_layers_as_the_learner_gets_there(page, app):
    text = "The cat sat on the mat and ran. " * 12
    page.goto(f"{app}/Layers?own={text}&layer=2")
    page.locator(".heads .head").nth(11).wait_for()
    expect(page.locator(".help")).to_contain_text("2 × 2 tokens")
    painted = "c => c.getContext('2d').getImageData(0, c.height - 1, 1, 1).data[3] === 255"
    canvas = page.locator(".heads .head canvas.now").first
    for layer in (9, 10, 2):
        page.locator("#layer").fill(str(layer))
        page.wait_for_url(re.compile(f"layer={layer}"))
        expect(page.locator(".heads .id").first).to_have_text(f"L{layer}.H0")
        page.wait_for_function(painted, arg=canvas.element_handle())
    reading = read_text(load_model("mini"), text, layers=[2])
    assert captions(page, "hint") == [str(reading.hint(2, head)) for head in range(12)]


def test_a_head_is_put_beside_one_of_another_layer(page, app):
    open_layers(page, app)
    page.locator(".heads .head").nth(0).click()
    page.get_by_role("button", name="Beside …").click()
    page.get_by_role("slider").press("End")
    page.get_by_text("L11.H7", exact=True).wait_for()
    page.locator(".heads .head").nth(7).click()
    page.wait_for_url(re.compile(r"/Head\?.*beside=L11\.H7"))
    assert "layer=0" in page.url and "head=0" in page.url


def test_two_words_find_heads_and_one_click_opens_one(page, app, reading):
    open_layers(page, app)
    chips = page.locator(".strip .chip")
    chips.nth(12).click()  # lets go of the words the text opens with
    chips.nth(3).click()
    found = page.locator(".found button")
    expect(page.locator(".found .lead")).to_contain_text("the → sat:")
    best = int(reading.patterns[:, :, 12, 3].argmax())
    layer, head = divmod(best, 12)
    expect(found.first).to_contain_text(f"L{layer}.H{head} ")
    found.first.click()
    page.wait_for_url(re.compile(f"layer={layer}&head={head}"))
    expect(page.locator(".detail .title")).to_have_text(f"L{layer}.H{head}")


def test_a_changed_word_shows_which_cards_change_most(page, app, reading):
    open_layers(page, app, "&layer=3")
    page.locator(".strip .chip").nth(9).click()
    page.locator("#word").fill("dog")
    page.locator("#word").press("Enter")
    expect(page.locator(".strip .chip").nth(9)).to_have_text("·dog")
    expect(page.locator(".found .lead")).to_have_text("Changed most:")
    other = read_text(load_model("mini"), "The cat sat on the mat. The dog sat on the")
    rows, columns = np.tril_indices(len(other.tokens))
    moved = np.abs(other.patterns - reading.patterns)[:, :, rows, columns].mean(-1)
    expected = {f"L3.H{head} changed" for head in np.argsort(-moved[3])[:3]}
    assert set(page.locator(".head.changed .id").all_text_contents()) == expected
    first = page.locator(".found button").first.text_content()
    assert first == f"L{moved.argmax() // 12}.H{moved.argmax() % 12}"


def test_it_plays_to_the_last_layer_and_words_answer_meanwhile(page, app, reading):
    open_layers(page, app, "&layer=9")
    page.get_by_role("button", name="Play").click()
    page.locator(".strip .chip").nth(9).hover()
    expect(page.locator(".heads .id").first).to_have_text("L10.H0")
    assert all(text.startswith("→ ") for text in captions(page, "hint"))
    expect(page.locator(".heads .id").first).to_have_text("L11.H0")
    page.wait_for_url(re.compile("layer=11"))
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Play").click()  # from the beginning, a layer at a time
    expect(page.locator(".heads .id").first).to_have_text("L1.H0")
    page.get_by_role("button", name="Pause").click()
    page.wait_for_url(re.compile("layer=1(&|$)"))


def test_the_read_out_follows_the_slider_and_moves_nothing(page, app):
    open_layers(page, app, "&layer=3")
    slider = page.locator("#layer")
    before = slider.bounding_box()
    page.locator(".heads .head canvas.now").nth(5).hover(position={"x": 4, "y": 60})
    assert readout(page).startswith("L3.H5")
    slider.evaluate("s => { s.value = 6; s.dispatchEvent(new Event('input')) }")
    assert readout(page).startswith("L6.H5") and slider.bounding_box() == before


def luminance(colour):
    parts = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_attention_of_nothing_differs_from_what_cannot_be_looked_at(page, app, scheme):
    page.emulate_media(color_scheme=scheme)
    open_layers(page, app)
    ground = page.locator(".large").evaluate("c => getComputedStyle(c).columnRuleColor")
    black, white = "rgb(12, 21, 30)", "rgb(255, 255, 255)"
    assert contrast("rgb(0, 34, 78)", ground) >= 3  # attention 0, the first colour of the map
    for share in np.linspace(0, 1, 9):  # frames of two colours show on every colour of the map
        colour = sample_colorscale("Cividis", [share])[0]
        assert max(contrast(colour, black), contrast(colour, white)) >= 3
