"""A class on one server: N learners for M minutes, through the real server.

    PYTHONPATH=. python benchmarks/load/run.py [--learners 40] [--minutes 10] [--browsers 2]
        [--address http://...] [--seed 0] [--json FILE]

Starts a server of its own on a free port, unless --address names one. The teacher opens it first
("open first": a new server loads the model then). All learners open within --within seconds (30),
then each acts every --every seconds (5) on average: another text, a slide, a head locked, a text of
their own, a step of a sheet, another page, a report; an action may take two or three answers, and
its time is that of all. Most speak Streamlit's protocol without a browser; --browsers of them are
real Chromium (with playwright), which also paint.
Prints for each action how often it was done and p50, p95 and p99 of the seconds until the answer
was complete, every error, and the server's memory over the time with its slope over the second
half. With --every 10000 learners only open a page and keep it: what one of them takes is shown.
Exit code 1: an error, or slower than p95 1.5 s or p99 3 s (all but "open first").
"""

import argparse
import asyncio
import collections
import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from learner import Learner, WentWrong

from headlab.cli.checks import watch
from headlab.exercises import sheets
from headlab.exercises.guided import guided_texts

ROOT = Path(__file__).resolve().parents[2]
P95, P99 = 1.5, 3.0  # seconds
FIRST = "open first"  # on a new server
WORDS = "the cat sat on a mat while Maria gave the ball to Tom and left for Oslo".split()
TITLES = {name: text.title for name, text in guided_texts().items()}
SHEETS = sheets().sheets


class Log:
    """What was done, how long it took, what went wrong."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = collections.defaultdict(list)
        self.errors: collections.Counter[str] = collections.Counter()
        self.memory: list[tuple[float, int]] = []

    @contextlib.asynccontextmanager
    async def timed(self, action: str):
        begin = time.monotonic()
        try:
            yield
        except Exception as error:
            self.errors[f"{action}: {type(error).__name__}: {error}"[:200]] += 1
            raise
        self.seconds[action].append(time.monotonic() - begin)


async def another_text(learner: Learner, rng: random.Random) -> None:
    if learner.page != "Layers":
        await learner.go("Layers")
    text = rng.choice(list(TITLES.values()))
    await learner.set(learner.the("selectbox", "Text"), "string_value", text)


async def slide(learner: Learner, rng: random.Random) -> None:
    await view(learner, {"layer": rng.randrange(12), "head": None})


async def lock(learner: Learner, rng: random.Random) -> None:
    await view(learner, {"layer": rng.randrange(12), "head": rng.randrange(12)})


async def view(learner: Learner, chosen: dict) -> None:
    if learner.find("bidi_component", "headlab_head_grid") is None:
        await learner.go("Layers")
    grid = learner.the("bidi_component", "headlab_head_grid")
    await learner.set(grid, "json_value", json.dumps({"view": chosen}))


async def own_text(learner: Learner, rng: random.Random) -> None:
    if learner.page != "Your_text":
        await learner.go("Your_text")
    text = " ".join(rng.choices(WORDS, k=rng.randint(6, 30)))
    await learner.set(learner.the("text_area", "Text"), "string_value", text)


async def sheet(learner: Learner, rng: random.Random) -> None:
    """Open a step of a sheet and lock an answer where it is chosen from chips."""
    name = rng.choice(list(SHEETS))
    step = rng.randint(1, len(SHEETS[name].steps))
    await learner.go("Predict", sheet=name, step=str(step))
    if learner.find("button_group", "Your answer") is None:
        return
    await learner.choose("Your answer", rng.randrange(16))
    await learner.choose("How sure are you?", rng.randrange(5))
    await learner.press("Lock my answer")


async def another_page(learner: Learner, rng: random.Random) -> None:
    name = rng.choice([name for name in learner.pages if name not in ("Models", "Class", "")])
    await learner.go(name)


async def report(learner: Learner, rng: random.Random) -> None:
    """Open the page that draws a report of the text."""
    await learner.go("Report")


ACTIONS = {
    another_text: 4,
    slide: 5,
    lock: 5,
    own_text: 3,
    sheet: 2,
    another_page: 2,
    report: 1,
}


async def work(address: str, number: int, options: argparse.Namespace, log: Log) -> None:
    """One learner, from opening until the time is over; after an error they open again."""
    rng = random.Random(options.seed * 1000 + number)
    await asyncio.sleep(options.within * number / max(options.learners, 1))
    end = options.begin + options.within + 60 * options.minutes
    learner = None
    while time.monotonic() < end:
        try:
            if learner is None:
                learner = Learner(address)
                async with log.timed("open"):
                    await learner.open("Layers")
            else:
                action = rng.choices(list(ACTIONS), list(ACTIONS.values()))[0]
                async with log.timed(action.__name__):
                    await action(learner, rng)
        except (WentWrong, OSError, TimeoutError, KeyError, StopIteration, ValueError) as error:
            print(f"learner {number}: {type(error).__name__}: {error}"[:300], file=sys.stderr)
            learner = None
        except Exception as error:  # a connection closed by the server
            print(f"learner {number}: {type(error).__name__}"[:300], file=sys.stderr)
            learner = None
        pause = min(rng.expovariate(1 / options.every), 4 * options.every)
        await asyncio.sleep(max(min(pause, end - time.monotonic()), 0))
    if learner is not None:
        await learner.close()


async def browse(address: str, browsers: int, options: argparse.Namespace, log: Log) -> None:
    """Real Chromium: open, slide, lock, and read what came."""
    from playwright.async_api import async_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])

        async def one(number: int) -> None:
            rng = random.Random(options.seed * 1000 + 500 + number)
            page = await (await chromium.new_context()).new_page()
            page.set_default_timeout(60_000)
            async with log.timed("browser: open"):
                await page.goto(f"{address}/Layers")
                await page.locator(".heads .head").first.wait_for()
            end = options.begin + options.within + 60 * options.minutes
            while time.monotonic() < end:
                head = rng.randrange(12)
                layer = parse_layer(page.url)
                if f"head={head}" in page.url:
                    continue
                async with log.timed("browser: lock"):
                    await page.locator(".heads .head").nth(head).click()
                    await page.get_by_role("heading", name=f"L{layer}.H{head}").first.wait_for()
                await asyncio.sleep(min(rng.expovariate(1 / options.every), 4 * options.every))

        await asyncio.gather(*(one(n) for n in range(browsers)), return_exceptions=True)
        await chromium.close()


def parse_layer(url: str) -> int:
    """The layer an address shows."""
    return int(url.partition("layer=")[2].partition("&")[0] or 0)


async def follow(address: str, log: Log, options: argparse.Namespace) -> None:
    """The server's memory, every ten seconds."""
    while True:
        with contextlib.suppress(Exception):
            figures = await asyncio.to_thread(watch, address)
            log.memory.append((time.monotonic() - options.begin, figures.get("memory bytes", 0)))
        await asyncio.sleep(10)


@contextlib.contextmanager
def own_server(**settings: str):
    """A server for this run, with the settings of `start.py serve`, on this machine only."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    command += [f"--server.port={port}", "--server.headless=true"]
    environment = os.environ | {"HEADLAB_PUBLIC": "1", "PYTHONPATH": str(ROOT)} | settings
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        address = f"http://localhost:{port}"
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            time.sleep(0.2)
        try:
            yield address, process
        finally:
            process.terminate()


async def everything(address: str, options: argparse.Namespace) -> Log:
    log = Log()
    teacher = Learner(address)
    async with log.timed(FIRST):
        await teacher.open("Layers")
    await teacher.close()
    options.begin = time.monotonic()
    following = asyncio.create_task(follow(address, log, options))
    people = [work(address, n, options, log) for n in range(options.learners - options.browsers)]
    if options.browsers:
        people.append(browse(address, options.browsers, options, log))
    await asyncio.gather(*people)
    following.cancel()
    return log


def summary(log: Log, options: argparse.Namespace) -> dict:
    """The table as data."""

    def row(seconds: list[float]) -> dict[str, float]:
        p50, p95, p99 = np.percentile(seconds, (50, 95, 99))
        return {"n": len(seconds), "p50": p50, "p95": p95, "p99": p99, "max": max(seconds)}

    every = [s for name, each in log.seconds.items() for s in each if name != FIRST]
    sizes = [size for at, size in log.memory if size and at <= options.within + 10]
    begin = options.within + 30 * options.minutes
    later = [(t / 60, size / 1e6) for t, size in log.memory if t >= begin and size]
    slope = float(np.polyfit(*zip(*later, strict=True), 1)[0]) if len(later) > 2 else float("nan")
    return {
        "learners": options.learners,
        "browsers": options.browsers,
        "minutes": options.minutes,
        "actions": {name: row(each) for name, each in sorted(log.seconds.items())},
        "all": row(every) if every else {},
        "errors": dict(log.errors),
        "memory MB per learner, opening": (sizes[-1] - sizes[0]) / 1e6 / options.learners,
        "memory MB by time": [(round(t), round(size / 1e6)) for t, size in log.memory],
        "memory MB per minute, second half": slope,
    }


def show(found: dict) -> None:
    print(f"{'action':<18}{'n':>7}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}   seconds")
    for name, row in [*found["actions"].items(), ("all", found["all"])]:
        if row:
            figures = "".join(f"{row[key]:8.2f}" for key in ("p50", "p95", "p99", "max"))
            print(f"{name:<18}{row['n']:>7}{figures}")
    print(f"errors: {sum(found['errors'].values())}")
    for error, count in found["errors"].items():
        print(f"  {count} x {error}")
    curve = found["memory MB by time"]
    print("memory MB:", " ".join(f"{t}s:{size}" for t, size in curve[:: max(len(curve) // 12, 1)]))
    print(f"for each learner who opened: {found['memory MB per learner, opening']:.2f} MB")
    print(f"slope over the second half: {found['memory MB per minute, second half']:.1f} MB/min")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=40, help="in all, browsers included")
    parser.add_argument("--browsers", type=int, default=0, help="of them real Chromium")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--within", type=float, default=30, help="seconds in which all open")
    parser.add_argument("--every", type=float, default=5, help="mean seconds between actions")
    parser.add_argument("--address", help="a running server, instead of one of its own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args()
    given = contextlib.nullcontext((options.address, None))
    with given if options.address else own_server() as (address, _):
        found = summary(asyncio.run(everything(address, options)), options)
    show(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    total = found["all"]
    quick = bool(total) and total["p95"] <= P95 and total["p99"] <= P99
    return 0 if quick and not found["errors"] else 1


if __name__ == "__main__":
    sys.exit(main())
