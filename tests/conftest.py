"""What every test may ask for, and the one rule of CI: only what reads ../shared may skip."""

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest

# Before anything reads them: tests do not depend on what the person who runs them has set, and
# workers and servers do not fight over cores with threads that gain nothing at these sizes.
for _name in list(os.environ):
    if _name.startswith(("HEADLAB_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_")):
        del os.environ[_name]
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

ROOT = Path(__file__).resolve().parent.parent
MAY_SKIP = "needs ../shared"
NOT_FETCHED = "needs smollm2, which is not on this machine"  # in CI it is fetched
LEFT_OUT = "Browser tests were left out"
NO_DATABASE = "Tests of rooms in PostgreSQL were left out, it is not installed"
IN_CI = bool(os.environ.get("CI"))
CHROMIUM_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
CHROMIUM_PLACES = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)


@pytest.fixture(scope="session", autouse=True)
def own_hub_cache(tmp_path_factory):
    """Tests neither see nor fill the models that the person who runs them has downloaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of outside recordings and texts beside the repository."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{MAY_SKIP}: there is no folder {folder}")
    return folder


@pytest.fixture(scope="session")
def postgresql_server():
    """A PostgreSQL server of the tests' own; its socket's path must be short."""
    from tests.postgresql import PostgreSQL, found

    programs = found()
    if programs is None:
        pytest.skip(f"{NO_DATABASE} (Debian and Ubuntu: sudo apt install postgresql).")
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = PostgreSQL(programs, Path(folder))
        yield server
        server.stop()


@pytest.fixture
def postgresql(postgresql_server):
    """An empty database."""
    postgresql_server.empty()
    return postgresql_server


def what_node_lacks(node: str) -> str | None:
    """Why Playwright's own node does not start, and what to install; None where it starts."""
    done = subprocess.run([node, "--version"], capture_output=True, text=True)
    if done.returncode == 0:
        return None
    library = re.search(r"(lib[\w.+-]+\.so[.\d]*)", done.stderr)
    if library and library[1] == "libatomic.so.1":
        return "install libatomic.so.1 (Debian and Ubuntu: sudo apt install libatomic1)"
    if library:
        return f"install the system's package that holds {library[1]}"
    return f"Playwright's node says {(done.stderr.strip() or 'nothing').splitlines()[-1]!r}"


@pytest.fixture(scope="session")
def chromium() -> str:
    """The Chromium or Chrome of this machine, for playwright's `executable_path`."""
    from playwright._impl._driver import compute_driver_executable

    found = [path for name in CHROMIUM_NAMES if (path := shutil.which(name))]
    found += [path for path in CHROMIUM_PLACES if Path(path).exists()]
    if not found:
        pytest.skip(
            f"{LEFT_OUT}, they need Chromium or Chrome: install it with your "
            "system's packages (Debian and Ubuntu: sudo apt install chromium)."
        )
    if lack := what_node_lacks(compute_driver_executable()[0]):
        pytest.skip(f"{LEFT_OUT}, Playwright cannot start: {lack}.")
    return found[0]


def reason_of(report) -> str:
    """Why a test was skipped."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def forbidden_skips(reports) -> list[str]:
    """The skips that CI does not allow, a line for each reason."""
    counts = Counter(map(reason_of, reports))
    return [
        f"{count} skipped: {reason}"
        for reason, count in counts.items()
        if not reason.startswith(MAY_SKIP)
    ]


def pytest_sessionfinish(session: pytest.Session) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if IN_CI and terminal and forbidden_skips(terminal.stats.get("skipped", [])):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    for report in skipped:  # one line for all that was left out for one reason
        if reason_of(report).startswith(LEFT_OUT):
            report.longrepr = (str(ROOT / "tests" / "browser"), None, reason_of(report))
    lines = forbidden_skips(skipped) if IN_CI else []
    if lines:
        terminalreporter.section("skipped, though CI allows it only for tests that read ../shared")
        terminalreporter.write_line("\n".join(lines))
