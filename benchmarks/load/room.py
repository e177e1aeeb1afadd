"""A lesson in one room: a gate, two votes, an answer; what took how long, and what was lost.

    PYTHONPATH=. python benchmarks/load/room.py [--learners 40] [--minutes 10]
        [--servers 2] [--kill 3] [--seed 0]

One server with a SQLite file; with --servers several behind nginx (the configuration of
docs/DEPLOY.md) and one PostgreSQL, both from this machine's packages. --kill ends one of them
without a word after so many minutes.

In each round the teacher lets answers wait; all learners lock one within 20 seconds, wait, vote a
second time, and are shown the answer. The teacher's page and those who wait run by themselves, as
browsers run them. Prints p50, p95 and p99 of each action, how far the teacher's board was behind,
errors, memory, and how many answers that a learner had seen locked are not in the store.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent))
from learner import Learner, WentWrong
from run import Log, own_server

from headlab.exercises import parse_record
from headlab.rooms import FIRST, FREE, SECOND, Store
from tests.browser.conftest import free_port
from tests.browser.test_servers import FRAME, NGINX, configuration
from tests.postgresql import PostgreSQL, found

SHEET, STEPS = "cat-twice", 3
LOCK_WITHIN = 20.0  # seconds, of all learners in a round
WAITING_S, BOARD_S = 4.0, 3.0  # as the pages do
LOCKED = re.compile(r"\*\*(\d+) of (\d+)\*\* have locked")
GONE = (OSError, TimeoutError, EOFError)


class Lesson:
    """What all take part in: the room, the time, what was locked and when it was seen."""

    def __init__(self, address: str, store: Store, options: argparse.Namespace) -> None:
        self.address, self.store, self.options, self.log = address, store, options, Log()
        self.room, self.secret = store.open("A lesson", 2)
        self.begin = time.monotonic()
        self.end = self.begin + 60 * options.minutes
        self.round, self.phase = 0, FREE
        self.done: set[int] = set()  # learners who have locked in this phase
        self.locked: dict[int, set[tuple[int, int, str]]] = {}  # learner: (attempt, step, vote)
        self.lags: list[float] = []
        self.back: list[float] = []
        self.records: dict[int, str] = {}
        self.last = self.whole = self.killed = 0.0  # when: an answer was locked, all were, a kill

    def begin_phase(self, phase: str) -> None:
        self.done.clear()
        self.store.hold(self.room.code, self.secret, phase)
        self.phase, self.since = phase, time.monotonic()


async def teach(lesson: Lesson) -> None:
    """The rounds, and the teacher's page beside them."""
    n = lesson.options.learners
    await until(lambda: len(lesson.locked) == n, lesson)
    while time.monotonic() < lesson.end - 3 * LOCK_WITHIN:
        for phase in (FIRST, SECOND):
            lesson.begin_phase(phase)
            lesson.round += phase == FIRST
            await until(lambda: len(lesson.done) == n, lesson)
            if phase == FIRST:
                lesson.whole = lesson.last
        lesson.begin_phase(FREE)
        await until(lambda: len(lesson.done) == n, lesson)
    lesson.end = min(lesson.end, time.monotonic())


async def until(is_so, lesson: Lesson) -> None:
    """Wait for it, at most until the lesson is over or a phase takes a minute too long."""
    limit = time.monotonic() + LOCK_WITHIN + 60
    while not is_so() and time.monotonic() < min(limit, lesson.end):
        await asyncio.sleep(0.1)


async def watch_board(lesson: Lesson) -> None:
    """The teacher's page; how long after the last learner locked it says that all have."""
    page = None
    while time.monotonic() < lesson.end:
        began = time.monotonic()
        try:
            if page is None:
                page = Learner(lesson.address, "headlab_server=teacher")
                async with lesson.log.timed("teacher: open"):
                    await page.open("Class", room=lesson.room.code, teacher=lesson.secret)
            async with lesson.log.timed("teacher: board"):
                await page.poll()
            words = " ".join(p.body for k, p, _ in page.shown.values() if k == "markdown")
            says = LOCKED.search(words)
            if lesson.whole and says and int(says[1]) == lesson.options.learners:
                lesson.lags.append(time.monotonic() - lesson.whole)
                lesson.whole = 0.0
        except (WentWrong, *GONE, Exception) as error:
            note(lesson, "teacher", error)
            page = None
        await asyncio.sleep(max(0.0, BOARD_S - (time.monotonic() - began)))
    if page is not None:
        await page.close()


def note(lesson: Lesson, who: object, error: Exception) -> None:
    """An error, unless it is a server's that was killed on purpose."""
    words = f"{type(error).__name__}: {error}"[:200]
    print(f"{who}: {words}", file=sys.stderr)
    if not lesson.killed or time.monotonic() - lesson.killed > 30:
        lesson.log.errors[words] += 1


async def learn(lesson: Lesson, number: int) -> None:
    """One learner of the lesson, who comes back where their server is gone."""
    rng = random.Random(lesson.options.seed * 1000 + number)
    await asyncio.sleep(20 * number / lesson.options.learners)
    page, lost = None, 0.0
    mine = (0, FREE)
    kept = "{}"
    while time.monotonic() < lesson.end:
        try:
            if page is None:
                page = Learner(lesson.address, f"headlab_server={number}")
                page.kept = kept
                async with lesson.log.timed("open"):
                    await page.open("Predict", room=lesson.room.code, sheet=SHEET, step="1")
                if page.find("button", "Come in") is not None:
                    async with lesson.log.timed("come in"):
                        await page.press("Come in")
                lesson.locked.setdefault(number, set())
                if lost:
                    lesson.back.append(time.monotonic() - lost)
                    lost = 0.0
            if mine != (lesson.round, lesson.phase) and lesson.round:
                mine = (lesson.round, lesson.phase)
                await act(lesson, number, page, rng, *mine)
            else:
                await asyncio.sleep(WAITING_S)
                async with lesson.log.timed("wait"):
                    await page.poll()
            kept = page.kept
        except (WentWrong, *GONE, Exception) as error:
            note(lesson, f"learner {number}", error)
            page, lost = None, lost or time.monotonic()
            mine = (0, FREE)
            await asyncio.sleep(0.5)
    if page is not None:
        await page.close()


async def act(
    lesson: Lesson, number: int, page: Learner, rng: random.Random, turn: int, phase: str
) -> None:
    """What a learner does in a phase: lock an answer, or look at what was measured."""
    step = 1 + (turn - 1) % STEPS
    if phase == FREE:
        async with lesson.log.timed("see the answer"):
            await page.run()
        for label in ("Skip", "Skip", "Keep my first answer", "Skip this question"):
            await asyncio.sleep(rng.uniform(2, 10))  # they look, write, think again
            async with lesson.log.timed("go on"):
                await page.press(label)
        lesson.done.add(number)
        return
    left = LOCK_WITHIN - (time.monotonic() - lesson.since)
    await asyncio.sleep(rng.uniform(0, max(left, 0)))
    if phase == FIRST:
        async with lesson.log.timed("next step"):
            await page.go("Predict", room=lesson.room.code, sheet=SHEET, step=str(step))
        again = page.find("button", "Try this step again")
        if again is not None:
            await page.run(again[2], again)
    else:
        await page.run()
    if page.find("button_group", "Your answer") is not None:
        async with lesson.log.timed("choose"):
            await page.choose("Your answer", rng.randrange(16))
        async with lesson.log.timed("choose"):
            await page.choose("How sure are you?", rng.randrange(5))
        async with lesson.log.timed("lock"):
            await page.press("Lock my answer")
        lesson.locked[number].add((1 + (turn - 1) // STEPS, step, phase))
    lesson.last = time.monotonic()
    lesson.records[number] = page.kept
    lesson.done.add(number)


def lost_answers(lesson: Lesson) -> tuple[int, int]:
    """How many answers were locked before a learner's eyes, and how many the store lacks."""
    stored = {}
    for handed in lesson.store.all_handed(lesson.room.code, lesson.secret):
        record = parse_record(handed.record)
        stored[record.id] = {
            (entry.attempt, entry.step, phase)
            for entry in record.entries
            for phase, answer in ((FIRST, entry.first), (SECOND, entry.second))
            if answer is not None
        }
    total = missing = 0
    for number, locked in lesson.locked.items():
        held = json.loads(lesson.records.get(number, "{}")).get("record", "{}")
        mine = stored.get(json.loads(held or "{}").get("id"), set())
        total, missing = total + len(locked), missing + len(locked - mine)
    return total, missing


@contextlib.contextmanager
def one_server(_: argparse.Namespace):
    """A server and its file."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "rooms.sqlite"
        with own_server(HEADLAB_STORE=str(place)) as (address, process):
            yield address, str(place), [process]


@contextlib.contextmanager
def several_servers(options: argparse.Namespace):
    """Servers behind nginx, with one PostgreSQL."""
    programs = found()
    assert programs and NGINX, "needs the packages postgresql and nginx-light"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg")))
        database = PostgreSQL(programs, folder)
        stack.callback(database.stop)
        place = database.address
        servers = [
            stack.enter_context(own_server(HEADLAB_STORE=place)) for _ in range(options.servers)
        ]
        config, port = configuration(), free_port()
        for number, (address, _) in enumerate(servers):
            written = f"127.0.0.1:{8501 + number}"
            config = config.replace(written, address.replace("http://localhost", "127.0.0.1"))
        config = config.replace("listen 8080", f"listen 127.0.0.1:{port}")
        frame = FRAME.replace("{{}}", "{{ worker_connections 1024; }}", 1)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (home / "nginx.conf").write_text(frame.format(folder=home, config=config))
        nginx = subprocess.Popen(
            [NGINX, "-c", home / "nginx.conf", "-p", home], stderr=subprocess.DEVNULL
        )
        stack.callback(nginx.terminate)
        time.sleep(1)  # nginx tells nobody that it listens
        yield f"http://localhost:{port}", place, [process for _, process in servers]


async def play(lesson: Lesson, processes: list) -> None:
    """The whole lesson, with what is to go wrong in it."""

    async def follow() -> None:
        while time.monotonic() < lesson.end:
            size = sum(
                psutil.Process(p.pid).memory_info().rss for p in processes if p.poll() is None
            )
            lesson.log.memory.append((time.monotonic() - lesson.begin, size))
            await asyncio.sleep(10)

    async def kill() -> None:
        await asyncio.sleep(60 * lesson.options.kill)
        lesson.killed = time.monotonic()
        processes[0].kill()

    parts = [teach(lesson), watch_board(lesson), follow()]
    parts += [learn(lesson, number) for number in range(lesson.options.learners)]
    if lesson.options.kill:
        parts.append(kill())
    await asyncio.gather(*parts)


def show(lesson: Lesson) -> int:
    """The figures; the exit code."""
    print(f"{'action':<18}{'n':>7}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}   seconds")
    every = [s for each in lesson.log.seconds.values() for s in each]
    for name, seconds in [*sorted(lesson.log.seconds.items()), ("all", every)]:
        p50, p95, p99 = np.percentile(seconds, (50, 95, 99))
        print(f"{name:<18}{len(seconds):>7}{p50:8.2f}{p95:8.2f}{p99:8.2f}{max(seconds):8.2f}")
    total, missing = lost_answers(lesson)
    print(f"rounds: {lesson.round}; answers locked: {total}; lost: {missing}")
    lags = lesson.lags or [float("nan")]
    print(f"board behind the last lock: median {np.median(lags):.1f} s, longest {max(lags):.1f} s")
    if lesson.back:
        print(f"back after the kill: {len(lesson.back)} learners, longest {max(lesson.back):.1f} s")
    curve = lesson.log.memory
    sizes = " ".join(f"{t:.0f}s:{m / 1e6:.0f}" for t, m in curve[:: max(len(curve) // 12, 1)])
    print(f"memory MB: {sizes}")
    cut = "ConnectionClosedError"  # of who was on the server that was killed
    errors = {e: n for e, n in lesson.log.errors.items() if not (lesson.killed and cut in e)}
    print(f"errors: {sum(errors.values())} {errors}")
    return 1 if missing or errors else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--kill", type=float, default=0, metavar="MINUTE")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with (several_servers if options.servers > 1 else one_server)(options) as set_up:
        address, place, processes = set_up
        with contextlib.closing(Store(place)) as store:
            lesson = Lesson(address, store, options)
            asyncio.run(play(lesson, processes))
            return show(lesson)


if __name__ == "__main__":
    sys.exit(main())
