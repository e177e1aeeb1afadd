"""A real server and a real Chromium, one of each for all browser tests."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

collect_ignore = ["axes_app.py"]  # a page, not a test
ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Start `streamlit run SCRIPT` and give its address; everything is stopped at the end."""
    running = []

    def start(script: Path) -> str:
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true"]
        log = tmp_path_factory.mktemp("server") / "log.txt"
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, f"--server.port={port}", "--server.address=localhost"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        running.append(process)
        address = f"http://localhost:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                return address
            except OSError:
                if process.poll() is not None:
                    break
                time.sleep(0.2)
        pytest.fail(f"the server did not start:\n{log.read_text()}")

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


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


@pytest.fixture
def page(browser):
    """A fresh page that fails its test if anything leaves this machine."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(30_000)
    outside = []
    page.on("request", lambda request: outside.append(request.url))
    yield page
    context.close()
    local = ("http://localhost", "ws://localhost", "data:", "blob:")
    assert [url for url in outside if not url.startswith(local)] == []
