"""A report in a real browser: nothing leaves it, nothing foreign runs in it, all can read it."""

import json
import random
import re
import shlex

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from headlab import (
    ablate,
    ablation_sweep,
    compare_profiles,
    explain_attention,
    load_model,
    make_report,
    open_report,
    profile_model,
    read_text,
)
from headlab.cli import DONE, main
from headlab.exercises import Entry, MeasurementContext, Record, parse_record, prepare, sheets
from headlab.heads import Head
from tests.browser.conftest import settle
from tests.profiles import weakened
from tests.reports import made_up_profile, made_up_reading, made_up_removal, made_up_sweep

pytestmark = pytest.mark.browser

TEXT = "The cat sat on the mat. The cat sat on the"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def record():
    sheet, lab = sheets()["cat-twice"], MeasurementContext.of(load_model("mini"))
    prepared = prepare(sheet.steps[0].question, lab)
    entry = Entry.start(sheet, 1, prepared, lab).commit(prepared, prepared.options[0].value, 4)
    return Record.new("Anna").with_entry(entry.observe("A line.").explain("It looks back."))


@pytest.fixture(scope="module")
def report(record, tmp_path_factory):
    """The path of a report with everything in it."""
    model = load_model("mini")
    profile = profile_model(model)
    made = make_report(
        read_text(model, TEXT), profile, record=record, title="Who repeats?",
        name="Anna", course="A course", notes="# Conclusion\n\nIt *repeats*.", date="2025-11-21",
        interventions=[ablate(model, TEXT, "L3.H1", mode) for mode in ("mean", "zero")],
        explanations=[explain_attention(model, TEXT, "L3.H7", 6, 2)],
        sweep=ablation_sweep(model, TEXT), comparison=compare_profiles(profile, weakened(profile)),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("report") / "report.html"
    made.save(path)
    return path


class Watched:
    """A page of its own that writes down every request, dialog and complaint."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(offline=True, **options)
        self.page = self.context.new_page()
        self.seen, self.arrived = [], []
        self.context.on("request", lambda request: self._requested(request.url))
        self.context.on("requestfinished", lambda request: self.arrived.append(request.url))
        self.page.on("dialog", self._asked)
        self.page.on("console", lambda message: self.seen.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))

    def _requested(self, url):
        if url != self.address and not url.startswith("data:image/svg+xml,"):
            self.seen.append(f"request: {url}")

    def _asked(self, dialog):
        self.seen.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, path):
        self.address = path.as_uri()
        self.page.goto(self.address)
        return self.page


@pytest.fixture
def watched(browser):
    opened = []

    def watch(**options):
        opened.append(Watched(browser, **options))
        return opened[-1]

    yield watch
    for each in opened:
        each.context.close()


def test_every_control_works_without_a_network(report, watched, tmp_path):
    watch = watched()
    page = watch.open(report)
    page.locator("svg.map").nth(1).hover(position={"x": 60, "y": 60})
    says = page.locator("figure", has=page.locator("svg.map")).nth(1).locator(".readout")
    expect(says).to_have_text(re.compile(r"^L\d+\.H\d+, .+: \d\.\d{3}$"))
    page.locator("svg.pattern").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    first = page.locator(".card .readout").first
    expect(first).to_contain_text('to "<|endoftext|>" (0)')
    page.get_by_label("Colours").select_option("greys")
    white = "getComputedStyle(document.querySelector('.legend .c31')).fill"
    assert page.evaluate(white) == "rgb(255, 255, 255)"
    page.get_by_label("Layer", exact=True).select_option("3")
    expect(page.locator(".explorer figure")).to_have_count(12)
    expect(page.locator(".explorer figure").first).to_contain_text("L3.H0")
    table = page.locator("table.sortable", has_text="Layer by layer")
    table.get_by_role("button", name="sinks").click()
    sinks = [int(words) for words in table.locator("tbody td:nth-child(3)").all_inner_texts()]
    assert sinks == sorted(sinks, reverse=True) and len(set(sinks)) > 1
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the data").click()
    saved.value.save_as(tmp_path / "data.json")
    assert json.loads((tmp_path / "data.json").read_text()) == open_report(report).data
    for kind, start in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with page.expect_download() as saved:
            page.get_by_role("button", name=f"Save as {kind}: Induction").click()
        saved.value.save_as(tmp_path / kind)
        assert saved.value.suggested_filename == f"induction.{kind.lower()}"
        assert (tmp_path / kind).read_bytes().startswith(start)
    assert "mini · start token" in (tmp_path / "SVG").read_text()
    assert watch.seen == []


def test_hovering_says_the_number_that_the_data_hold(report, watched):
    page = watched().open(report)
    patterns = open_report(report).patterns
    found = page.evaluate(
        """() => [...document.querySelectorAll('svg.pattern')].map(svg => {
            svg.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowDown' }))
            for (let i = 0; i < 5; i++)
                svg.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowDown' }))
            svg.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }))
            return svg.parentElement.querySelector('.readout').textContent
        })"""
    )
    assert len(found) > 3
    for words in found:
        head = Head.parse(words.split(",")[0])
        assert words.endswith(f": {patterns[head.layer, head.head, 5, 1]:.4f}")


def test_without_scripts_tables_and_pictures_stay(report, watched):
    watch = watched(java_script_enabled=False)
    page = watch.open(report)
    assert page.get_by_role("heading", level=2).count() == len(open_report(report).data["sections"])
    for kind in ("svg.map", "svg.pattern", "svg.labels", "table"):
        assert page.locator(kind).first.is_visible()
    for kind in (".tools", ".explorer", ".save"):
        assert page.locator(kind).count() == 0 or not page.locator(kind).first.is_visible()
    assert watch.seen == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_in_a_report(record, watched, scheme, tmp_path):
    reading, profile = made_up_reading(3, 4, 12), made_up_profile(3, 4)
    made = make_report(
        reading, profile, record=record,
        interventions=[made_up_removal(reading)], sweep=made_up_sweep(reading),
        comparison=compare_profiles(profile, made_up_profile(2, 4, content_hash="1")),
        notes="# A\n\n[b](https://a.org)\n\n> c\n\n| d |\n|---|\n| e |", name="A", course="B",
    )  # fmt: skip
    made.save(tmp_path / "report.html")
    page = watched(color_scheme=scheme).open(tmp_path / "report.html")
    page.locator("summary").click()
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


FONTS = {"wide": "DejaVu Sans", "narrow": "Liberation Sans Narrow"}
IS_INSTALLED = """font => {
    const pen = document.createElement('canvas').getContext('2d')
    const width = family => {
        pen.font = `40px ${family}`
        return pen.measureText('Wide words, narrow paper').width
    }
    return width(`"${font}", monospace`) !== width('monospace')
}"""


@pytest.mark.parametrize("width", FONTS)
def test_it_fits_screens_and_paper(report, watched, width):
    page = watched().open(report)
    if not page.evaluate(IS_INSTALLED, FONTS[width]):
        pytest.skip(f"needs the font {FONTS[width]} (.ci/run names the Debian package)")
    page.evaluate(
        "font => document.documentElement.style.setProperty('--sans', font)", FONTS[width]
    )
    for pixels in (1440, 1024, 768, 560, 390, 320):
        page.set_viewport_size({"width": pixels, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= pixels
    page.emulate_media(media="print")
    for pixels in (680, 700):  # what margins leave of A4 and Letter, in CSS pixels
        page.set_viewport_size({"width": pixels, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= pixels
    assert not page.locator(".tools").is_visible()
    pages = (
        page.pdf(format="A4").count(b"/Type /Page\n"),
        page.pdf(format="Letter").count(b"/Type /Page\n"),
    )
    assert all(5 <= count <= 20 for count in pages), pages


PIECES = (
    *("<script>alert(1)</script>", "</script>", "<!--", "-->", "<![CDATA[", "]]>", "</title>"),
    *("</style>", '"', "'", "`", "&", "&lt;", "&#60;script&#62;", "<svg onload=alert(1)>", "\\"),
    *("<img src=//evil.example/x onerror=alert(1)>", "javascript:alert(1)", "{{7*7}}", "{% x %}"),
    *("<iframe srcdoc='<script>alert(1)</script>'>", "<base href=//evil.example>", "\u2028"),
    *("<link rel=stylesheet href=//evil.example/a.css>", "<style>@import '//evil.example'"),
    *("[a](javascript:alert(1))", "![p](//evil.example/p.png)", "<https://evil.example>", "\n"),
    *("[b]: data:text/html,x", "[b]", "```", "> ", "| a | b |\n|---|---|\n", "# ", "\t", "\x7f"),
    *("\u202e", "\u0000", "\x1b[31m", "\ud83d", "😀", "عربى", "../../etc/passwd", "C:\\con", "%00"),
    *("<math><mtext></form><form><mglyph><svg><mtext><textarea><path id='</textarea>", "\ufeff"),
    *("<meta http-equiv=refresh content='0;url=//evil.example'>", "$&", "\u0085", "x" * 3000),
)


def hostile(rng, writable=False):
    words = "".join(rng.choices(PIECES, k=rng.randint(1, 6)))
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "", words) if writable else words


def hostile_record(rng, record):
    """A record whose every free text is hostile, as somebody could write it by hand."""
    data = json.loads(record.to_json())
    entry = data["entries"][0]
    for part, name in (
        *((entry, name) for name in ("sheet_title", "step_title", "observation", "explanation")),
        *((entry["question"], name) for name in ("ask", "text")),
        (entry["question"]["key"], "text"),
        (entry["setting"], "model"),
    ):
        part[name] = hostile(rng, writable=True)[:500] or "x"
    entry["first"]["text"] = hostile(rng, writable=True)[:500]
    return parse_record(json.dumps(data))


def hostile_report(seed, record):
    rng = random.Random(seed)
    reading = made_up_reading(
        seed=seed, model_name=hostile(rng), start_text=hostile(rng), text=hostile(rng),
        token_texts=[re.sub("[\ud800-\udfff]", "", hostile(rng)) for _ in range(4)],
    )  # fmt: skip
    changes = {
        part: hostile(rng, writable=True)[:150] for part in ("title", "name", "course", "notes")
    }
    profile = made_up_profile(seed=seed, content_hash=hostile(rng)[:1_000])
    other = made_up_profile(3, seed=seed + 1, model_name=hostile(rng), start_text=hostile(rng))
    compared = {"comparison": compare_profiles(profile, other), "second": hostile(rng)}
    word = {"word": hostile(rng), "replaced_by": hostile(rng)}
    return make_report(
        reading,
        profile,
        interventions=[made_up_removal(reading, **word, control=None, no_control=hostile(rng))],
        sweep=made_up_sweep(reading, metric="log-probability", watched_text=hostile(rng)),
        **(compared if seed % 3 == 0 else {}),
        record=hostile_record(rng, record),
        heads=[Head(0, 0)],
        behaviours=["induction"],
        entities=[(hostile(rng), hostile(rng))],
        model=hostile(rng),
        date="2025-01-01",
        **(changes | {"notes": hostile(rng, writable=True)}),
    )


FOREIGN = "script:not(:last-of-type), img, iframe, object, embed, base, form, link, math, textarea"


def test_300_hostile_reports_do_nothing(record, watched, tmp_path):
    watch = watched()
    path = tmp_path / "report.html"
    for seed in range(300):
        made = hostile_report(seed, record)
        made.save(path)
        assert open_report(path) == made
        page = watch.open(path)
        ours = "body > script[type='application/json'], .tools:not([hidden])"
        foreign = page.evaluate(
            f"[document.querySelectorAll(`{FOREIGN}`).length, "
            f"document.querySelectorAll(`{ours}`).length, document.scripts.length, "
            "document.querySelectorAll('meta').length]"
        )
        assert foreign == [1, 2, 2, 5] and watch.seen == [], (seed, foreign, watch.seen)


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<img src=https://evil.example/x.png>",
        "<style>body { background: url(https://evil.example/x.png) }</style>",
    ],
)
def test_were_something_to_slip_through_the_policy_would_stop_it(report, watched, tmp_path, attack):
    path = tmp_path / "report.html"
    path.write_text(report.read_text().replace("</main>", f"{attack}</main>"))
    watch = watched()
    with watch.page.expect_console_message():
        watch.open(path)
    assert watch.seen and not any(words.startswith("dialog: ") for words in watch.seen)
    blocked = [words for words in watch.seen if "violates the following Content" in words]
    assert all(words in blocked or words.startswith("request: ") for words in watch.seen)
    assert blocked and watch.arrived == [watch.address]


# -- the page


def kept(record, **draft):
    """What the browser keeps, set before the page opens."""
    held = json.dumps({"record": record.to_json(), "report": json.dumps(draft)})
    return f"if (!sessionStorage.headlab) sessionStorage.setItem('headlab', {json.dumps(held)})"


def test_the_page_and_the_command_write_the_same_bytes(
    page, app, record, tmp_path, monkeypatch, capsys
):
    mine = {"title": "From the page", "name": "Anna", "notes": "*Mine*"}
    page.add_init_script(kept(record, **mine, heads=["L3.H5", "L0.H0"], without=True, every=True))
    page.goto(f"{app}/Report?text=mary-and-john&start=off&removed=L2.H4-L3.H1&watch=with")
    inside = page.frame_locator("iframe")
    expect(inside.get_by_role("heading", name="From the page")).to_be_visible(timeout=60_000)
    monkeypatch.chdir(tmp_path)
    settle(page)  # while the page still runs, the button's file may be replaced under the click
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download the report").click()
    saved.value.save_as("report.html")
    data = open_report("report.html").data
    assert data["record"]["id"] == record.id and data["notes"] == "*Mine*"
    assert data["interventions"][0]["heads"] == ["L2.H4", "L3.H1"] and data["sweep"]
    assert data["interventions"][0]["watched"][0]["text"] == " with"
    assert main(shlex.split(data["command"])[3:]) == DONE
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "report.html").read_bytes()


def test_what_is_written_survives_a_reload(page, app):
    page.goto(f"{app}/Report")
    inside = page.frame_locator("iframe")
    page.get_by_role("textbox", name="Title").fill("A title of mine")
    page.keyboard.press("Tab")
    expect(inside.get_by_role("heading", name="A title of mine")).to_be_visible(timeout=60_000)
    page.get_by_role("textbox", name="Notes and conclusion").fill("I saw a *line*.")
    page.keyboard.press("Tab")
    expect(inside.locator(".notes em")).to_have_text("line")
    page.reload()
    expect(inside.get_by_role("heading", name="A title of mine")).to_be_visible()
    expect(inside.locator(".notes em")).to_have_text("line")
    expect(page.get_by_role("textbox", name="Title")).to_have_value("A title of mine")
    assert "mine" not in page.url


def test_figures_can_be_saved_from_the_preview(page, app):
    page.goto(f"{app}/Report")
    inside = page.frame_locator("iframe")
    with page.expect_download() as saved:
        inside.get_by_role("button", name="Save as PNG: Induction").click()
    assert saved.value.suggested_filename == "induction.png"
