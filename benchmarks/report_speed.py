"""How large a report is, how long it takes to make, and how fast a browser opens it.

    PYTHONPATH=. python benchmarks/report_speed.py [--shapes 12x12x30 48x25x30] [--opens 5]

For `mini` on a text of 30 tokens, and for networks of random weights of each shape (layers x heads
x tokens; 8 wide a head), prints: bytes of the HTML and of the data in it, seconds to put the data
together and to draw them, and milliseconds from the start of a navigation until Chromium has loaded
the file and run its script, and until its first paint (median of the opens). A random network's
profile is measured without variants and controls. Needs Chromium and requirements-dev.txt.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from headlab import LoadedModel, Profile, load_model, make_report, profile_model, read_text
from tests.conftest import CHROMIUM_NAMES, CHROMIUM_PLACES
from tests.models import gpt2_config, tiny_model

WORDS = "The cat sat on the mat and the dog lay by the door. " * 40
TIMES = """() => new Promise(resolve => requestAnimationFrame(() => setTimeout(() => {
    const [load] = performance.getEntriesByType('navigation')
    const [paint] = performance.getEntriesByType('paint')
    resolve([load.loadEventEnd, paint ? paint.startTime : NaN])
})))"""


def chromium() -> str:
    """The Chromium or Chrome of this machine."""
    found = [path for name in CHROMIUM_NAMES if (path := shutil.which(name))]
    found += [path for path in CHROMIUM_PLACES if Path(path).exists()]
    return found[0]


def text_of(model: LoadedModel, n_tokens: int) -> str:
    """A text of this many tokens, start token counted."""
    words = WORDS.split()
    count = next(
        n
        for n in range(2, len(words))
        if len(read_text(model, " ".join(words[:n]), layers=[]).tokens) >= n_tokens
    )
    return " ".join(words[:count])


def random_model(shape: str) -> tuple[LoadedModel, Profile, int]:
    """A network of random weights, its profile, and the tokens asked for."""
    n_layers, n_heads, n_tokens = map(int, shape.split("x"))
    model = tiny_model(gpt2_config(n_layer=n_layers, n_head=n_heads, n_embd=8 * n_heads))
    return model, profile_model(model, variants=False, controls=0, cache=False), n_tokens


def opening(browser: Browser, path: Path) -> tuple[float, float]:
    """Milliseconds until a fresh page has loaded the file, and until its first paint."""
    page = browser.new_page()
    page.goto(path.as_uri())
    load, paint = page.evaluate(TIMES)
    page.close()
    return load, paint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="*", default=["12x12x30", "48x25x30"])
    parser.add_argument("--opens", type=int, default=5)
    options = parser.parse_args()
    mini = load_model("mini")
    cases = [("mini", mini, profile_model(mini), 30)]
    cases += [(shape, *random_model(shape)) for shape in options.shapes]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name, model, profile, n_tokens in cases:
            reading = read_text(model, text_of(model, n_tokens))
            begin = time.perf_counter()
            report = make_report(reading, profile)
            put_together = time.perf_counter()
            html = report.html()
            drawn = time.perf_counter()
            path = Path(folder, "report.html")
            report.save(path)
            times = [opening(browser, path) for _ in range(options.opens)]
            loaded, painted = (statistics.median(column) for column in zip(*times, strict=True))
            print(
                f"{name}: {len(reading.tokens)} tokens, {len(html.encode()) / 1e6:.2f} MB "
                f"({len(report.to_json().encode()) / 1e6:.2f} MB of data), put together in "
                f"{put_together - begin:.2f} s, drawn in {drawn - put_together:.2f} s; loaded in "
                f"{loaded:.0f} ms, painted after {painted:.0f} ms"
            )
        browser.close()


if __name__ == "__main__":
    main()
