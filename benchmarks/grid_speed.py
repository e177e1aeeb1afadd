"""What a learner waits for: the first heads on screen, and each slide of a layer.

    PYTHONPATH=. python benchmarks/grid_speed.py [--slides 50]

Starts the app, opens the Layers page in Chromium, and prints: seconds from the command to painted
heads; milliseconds of script a slide takes before the frame is painted, and the browser's frame
times while sliding; and the bytes of the grid. Needs Chromium and requirements-dev.txt.
"""

import argparse
import base64
import json
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from headlab import load_model, profile_model, read_text
from headlab.guided import guided_texts
from headlab.ui.head_grid import GridView, grid_data

ROOT = Path(__file__).resolve().parents[1]
SLIDE = """async slides => {
    const find = root => {
        for (const element of root.querySelectorAll('*')) {
            if (element.matches('#layer')) return element
            const inside = element.shadowRoot && find(element.shadowRoot)
            if (inside) return inside
        }
    }
    const input = find(document)
    const frame = () => new Promise(resolve => requestAnimationFrame(resolve))
    const work = [], frames = []
    let before = await frame()
    for (let i = 0; i < slides; i++) {
        input.value = (i * 5 + 1) % 12
        const begin = performance.now()
        input.dispatchEvent(new Event('input'))
        input.getBoundingClientRect()  // layout belongs to the work
        work.push(performance.now() - begin)
        const now = await frame()
        frames.push(now - before)
        before = now
    }
    return { work, frames }
}"""


def wait_until_up(address: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise SystemExit("The app did not start.")


def first_heads(page: Page, address: str) -> None:
    page.goto(f"{address}/Layers")
    page.locator(".heads .head .hint").nth(11).wait_for(timeout=120_000)


def percentiles(values: list[float]) -> str:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"p50 {statistics.median(ordered):.1f}, p95 {p95:.1f}, worst {ordered[-1]:.1f} ms"


def payload() -> None:
    """Print the bytes of the grid for a text of 30 tokens."""
    model, text = load_model("mini"), guided_texts()["homes"].text
    longer = f"{text} Lima. Anna likes her home, and she likes it"
    reading = read_text(model, longer)
    data = grid_data(reading, GridView(0, None), profile_model(model))
    patterns = len(base64.b64decode(data["patterns"]))
    total = len(json.dumps(data))
    heads = reading.n_layers * reading.n_heads
    print(
        f"{len(reading.tokens)} tokens x {heads} heads: {total / 1000:.0f} kB in all, "
        f"{patterns / 1000:.0f} kB of patterns"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slides", type=int, default=50)
    options = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://localhost:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        begin = time.perf_counter()
        app = subprocess.Popen(
            [*command, "--server.headless=true", f"--server.port={port}"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_until_up(address)
            first_heads(page, address)
            print(f"command to painted heads: {time.perf_counter() - begin:.1f} s")
            begin = time.perf_counter()
            first_heads(page, address)
            print(f"a second visit: {time.perf_counter() - begin:.1f} s")
            page.wait_for_timeout(1500)
            measured = page.evaluate(SLIDE, options.slides)
            print(f"work of a slide: {percentiles(measured['work'])}")
            print(f"time from frame to frame: {percentiles(measured['frames'])}")
        finally:
            app.terminate()
            app.wait(10)
            browser.close()
    payload()


if __name__ == "__main__":
    main()
