"""What a learner waits for: the first heads on screen, a slide, a lock, a new text.

    PYTHONPATH=. python benchmarks/grid_speed.py [--actions 50]

Starts the app, opens the Layers page in Chromium, and prints: seconds from the command to painted
heads; milliseconds of script a slide takes before the frame is painted, and the browser's frame
times while sliding; milliseconds from locking a head to its passport, and from a new text of 30
tokens to its painted grid; and the bytes of the grid. Needs Chromium and requirements-dev.txt.
"""

import argparse
import base64
import json
import random
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
from headlab.exercises.guided import guided_texts
from headlab.measuring.pictures import draw_pictures
from headlab.ui.components.head_grid import GridView, grid_data

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


# Milliseconds from a click until `when` holds, by the browser's own clock and frames.
WATCH = """([click, when]) => new Promise(resolve => {
    const find = (root, selector) => {
        for (const element of root.querySelectorAll('*')) {
            if (element.matches(selector)) return element
            const inside = element.shadowRoot && find(element.shadowRoot, selector)
            if (inside) return inside
        }
    }
    const holds = new Function('find', `return ${when}`)
    const begin = performance.now()
    if (click) find(document, click).click()
    const look = () => holds(find)
        ? requestAnimationFrame(() => resolve(performance.now() - begin))
        : requestAnimationFrame(look)
    look()
})"""
WORDS = "cat dog mat house tree bird fish boat road hill".split()


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


def lock(page: Page, actions: int) -> list[float]:
    """Locking one head after another, until the passport's heading names it."""
    times = []
    for action in range(actions):
        head = action % 12
        heading = f"h => h.textContent.startsWith('L1.H{head}:')"
        named = f"[...document.querySelectorAll('h3')].some({heading})"
        times.append(page.evaluate(WATCH, [f".head:nth-child({head + 1})", named]))
        page.wait_for_timeout(150)
    return times


def new_text(page: Page, actions: int) -> list[float]:
    """A text nobody has read yet, until its tokens and heads are painted."""
    box = page.get_by_label("Your own text", exact=True).last
    choose, times = random.Random(0), []
    for action in range(actions):
        if action:  # the box is folded away once there is a text
            page.get_by_role("button", name="Edit").click()
            box.wait_for()
        text = " ".join(choose.choices(WORDS, k=30))
        box.fill(text)
        letters = json.dumps(text.replace(" ", ""))
        shown = f"find(document, '.strip')?.textContent.replaceAll('·', '').endsWith({letters})"
        begin = time.perf_counter()
        box.press("Control+Enter")
        page.evaluate(WATCH, [None, shown])
        times.append(1000 * (time.perf_counter() - begin))
        page.keyboard.press("Escape")
        page.wait_for_timeout(300)
    return times


def payload() -> None:
    """Print the bytes of the grid for a text of 30 tokens."""
    model, text = load_model("mini"), guided_texts()["homes"].text
    longer = f"{text} Lima. Anna likes her home, and she likes it"
    reading = read_text(model, longer)
    pictures = draw_pictures(model, longer)
    data = grid_data(reading, pictures, GridView(0, None), profile_model(model))
    patterns = len(base64.b64decode(data["pictures"]))
    total = len(json.dumps(data))
    heads = reading.n_layers * reading.n_heads
    print(
        f"{len(reading.tokens)} tokens x {heads} heads: {total / 1000:.0f} kB in all, "
        f"{patterns / 1000:.0f} kB of pictures"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--actions", type=int, default=50)
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
            measured = page.evaluate(SLIDE, options.actions)
            print(f"work of a slide: {percentiles(measured['work'])}")
            print(f"time from frame to frame: {percentiles(measured['frames'])}")
            page.goto(f"{address}/Layers?layer=1")
            page.locator(".heads .head .hint").nth(11).wait_for()
            page.wait_for_timeout(1500)
            print(
                f"from locking a head to its passport: {percentiles(lock(page, options.actions))}"
            )
            page.goto(f"{address}/Layers?text=own")
            page.get_by_label("Your own text", exact=True).last.wait_for()
            page.wait_for_timeout(1500)
            times = new_text(page, options.actions)
            print(f"from a new text to its grid: {percentiles(times)}")
        finally:
            app.terminate()
            app.wait(10)
            browser.close()
    payload()


if __name__ == "__main__":
    main()
