"""A real server and a real Chromium, one of each for all browser tests."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

expect.set_options(timeout=15_000)  # a page draws late where another worker keeps the core busy
collect_ignore = ["axes_app.py", "map_app.py"]  # pages, not tests
ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


SETTLED = """() => new Promise((resolve, reject) => {
    const began = Date.now()
    let last = began
    const watch = new MutationObserver(() => { last = Date.now() })
    const all = { subtree: true, childList: true, attributes: true, characterData: true }
    watch.observe(document, all)
    const look = () => {
        const app = document.querySelector('[data-testid=stApp]')
        if (app?.dataset.testScriptState !== 'notRunning') last = Date.now()
        if (document.querySelector('[data-testid=stSkeleton]')) last = Date.now()
        if (Date.now() - last > 250) { watch.disconnect(); resolve() }
        else if (Date.now() - began > 60000) reject(new Error('the page never came to rest'))
        else requestAnimationFrame(look)
    }
    look()
})"""


def settle(page) -> None:
    """Until the server's run is over and nothing on the page has changed for a moment."""
    page.evaluate(SETTLED)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Servers:
    """Real servers, each at an address of its own."""

    def __init__(self, folder) -> None:
        self.folder, self.running = folder, {}

    def __call__(self, script: Path, port: int = 0, **settings: str) -> str:
        """Start `streamlit run SCRIPT` with these settings and give its address."""
        port = port or free_port()
        address = f"http://localhost:{port}"
        store = str(self.folder / "rooms.sqlite")
        command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true"]
        with self.log(address).open("a") as output:
            process = subprocess.Popen(
                [*command, f"--server.port={port}", "--server.address=localhost"],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT), "HEADLAB_STORE": store} | settings,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.running[address] = process
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                return address
            except OSError:
                if process.poll() is not None:
                    break
                time.sleep(0.2)  # a process tells nobody that it has begun to listen
        pytest.fail(f"the server did not start:\n{self.log(address).read_text()}")

    def log(self, address: str) -> Path:
        """What the server has printed."""
        return self.folder / f"{address.rpartition(':')[2]}.txt"

    def kill(self, address: str) -> None:
        """End a server without a word of warning."""
        process = self.running.pop(address)
        process.kill()
        process.wait(10)

    def stop(self) -> None:
        for process in self.running.values():
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Starts servers; everything is stopped at the end."""
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def app(serve) -> str:
    """The address of the laboratory."""
    return serve(ROOT / "streamlit_app.py")


@pytest.fixture(scope="session")
def browser(chromium):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser):
    """What pages share: the files of the app, fetched and compiled once."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    yield context
    context.close()


@pytest.fixture
def page(context):
    """A page as in a fresh browser, which fails its test if anything leaves this machine."""
    page = context.new_page()
    page.set_default_timeout(30_000)
    outside, origins = [], set()
    page.on("request", lambda request: outside.append(request.url))
    page.on("framenavigated", lambda frame: origins.add("/".join(frame.url.split("/")[:3])))
    yield page
    kept = {"storageTypes": "cookies,local_storage,indexeddb"}
    developer = context.new_cdp_session(page)
    for origin in origins:
        if origin.startswith("http"):
            developer.send("Storage.clearDataForOrigin", {"origin": origin, **kept})
    page.close()
    local = ("http://localhost", "ws://localhost", "data:", "blob:")
    assert [url for url in outside if not url.startswith(local)] == []
