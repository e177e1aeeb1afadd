"""Is this machine ready for headlab, and how does a running server do?

Each check gives what was found and, where something is wrong, what to do. :func:`watch` reads the
figures that a server publishes about itself: counts and sizes, nothing about anybody.
"""

import platform
import re
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import httpx2

from headlab import settings
from headlab.__version__ import __version__
from headlab.behaviours import behaviour_problems
from headlab.errors import HeadlabError
from headlab.exercises import sheets
from headlab.exercises.guided import guided_pairs, guided_problems, guided_texts
from headlab.models import hub
from headlab.models.catalogue import CATALOGUE
from headlab.models.loading import best_device
from headlab.models.memory import free_memory
from headlab.places import app_folder, cache_folder
from headlab.units import gigabytes

GOOD, WORTH_KNOWING, WRONG = "good", "note", "wrong"
REQUIREMENTS = app_folder() / "requirements.txt"
ROOM_FOR_A_CLASS = 2_000_000_000  # bytes: mini, torch and forty sessions, with air
TIMEOUT_S = 3.0  # seconds to wait for the hub
FIGURES = {
    "active_sessions": "sessions",
    "headlab_waiting": "waiting",
    "headlab_cache_hits_total": "hits",
    "headlab_cache_misses_total": "misses",
    "headlab_cache_bytes": "kept bytes",
    "headlab_model_milliseconds_total": "model ms",
    "headlab_memory_bytes": "memory bytes",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: how it is, and what to do about it."""

    check: str
    state: str
    found: str
    remedy: str = ""


def examine(port: int = 8501) -> Iterator[Finding]:
    """Everything worth checking before a lesson, each as soon as it is known."""
    yield _python()
    yield from _packages()
    yield _settings()
    device = best_device()
    yield Finding("device", GOOD, f"models run on {device.type}")
    yield _memory(free_memory(device))
    yield _folder()
    yield _models()
    yield _prompts()
    yield _hub()
    yield _port(port)


def _python() -> Finding:
    found = f"headlab {__version__}, Python {platform.python_version()}, {platform.platform()}"
    return Finding("python", GOOD, found)


def _packages() -> Iterator[Finding]:
    """Those of requirements.txt that are missing or of another version; or that all are right."""
    try:
        lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    pinned = [match.groups() for line in lines if (match := re.match(r"([\w-]+)==([\w.]+)", line))]
    wrong = False
    for name, wanted in pinned:
        try:
            here = version(name)
        except PackageNotFoundError:
            here = ""
        if here.partition("+")[0] != wanted:
            wrong = True
            found = f"{name} {here or 'is missing'}, {wanted} was tested"
            state = WORTH_KNOWING if here else WRONG
            yield Finding("packages", state, found, f"Run `pip install {name}=={wanted}`.")
    if not wrong:
        yield Finding("packages", GOOD, f"{len(pinned)} as tested")


def _settings() -> Finding:
    if problems := settings.problems():
        return Finding("settings", WRONG, "not all can be meant so", " ".join(problems))
    given = [name for name in settings.SETTINGS if settings.is_set(name)]
    return Finding("settings", GOOD, ", ".join(given) or "none is set")


def _memory(free: int | None) -> Finding:
    if free is None:
        return Finding("memory", WORTH_KNOWING, "this system does not say how much is free")
    found = f"{gigabytes(free)} free"
    if free < ROOM_FOR_A_CLASS:
        remedy = "Close other programs: a class on mini takes about 2 GB."
        return Finding("memory", WRONG, found, remedy)
    return Finding("memory", GOOD, found)


def _folder() -> Finding:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"headlab" * 100_000)
    except OSError as error:
        remedy = "Free space, or name a folder of yours in HEADLAB_CACHE: else every profile is "
        return Finding("cache", WRONG, f"{folder}: {error.strerror}", f"{remedy}measured again.")
    return Finding("cache", GOOD, f"{folder} can be written")


def _models() -> Finding:
    here = [name for name, entry in CATALOGUE.items() if entry.folder or hub.find_model(name)]
    return Finding("models", GOOD, f"on this machine: {', '.join(here)}")


def _prompts() -> Finding:
    """Whether every sheet, guided text and pair can be offered."""
    offered = sheets()
    left_out = (guided_problems(), offered.problems, behaviour_problems())
    problems = [sentence for each in left_out for sentence in each.values()]
    if problems:
        return Finding("prompts", WRONG, f"{len(problems)} left out", " ".join(problems))
    texts = f"{len(guided_texts())} texts, {len(guided_pairs())} pairs"
    return Finding("prompts", GOOD, f"{texts} and {len(offered.sheets)} sheets can be read")


def _hub() -> Finding:
    wanted = hub.settings()
    if wanted.offline:
        return Finding("hub", WORTH_KNOWING, "switched off by HF_HUB_OFFLINE; mini needs none")
    try:
        answer = httpx2.head(f"{wanted.endpoint}/gpt2/resolve/main/config.json", timeout=TIMEOUT_S)
        if answer.status_code < 400:
            return Finding("hub", GOOD, f"{wanted.endpoint} answers")
        found = f"{wanted.endpoint} answers {answer.status_code}"
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        found = f"{wanted.endpoint} does not answer"
    remedy = (
        "mini and what is on this machine work without it. To download, check the network, "
        "HTTPS_PROXY or HF_ENDPOINT."
    )
    return Finding("hub", WORTH_KNOWING, found, remedy)


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", port)) == 0
    if taken:
        remedy = "If that is not headlab, start with --server.port 8600."
        return Finding("port", WORTH_KNOWING, f"somebody listens on {port} already", remedy)
    return Finding("port", GOOD, f"{port} is free")


def watch(address: str) -> dict[str, int]:
    """What a running server says about itself, by the names of :data:`FIGURES`."""
    try:
        answer = httpx2.get(
            f"{address.rstrip('/')}/_stcore/metrics",
            params={"families": [name.removesuffix("_total") for name in FIGURES]},
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise HeadlabError(
            f"No server answers at {address[:200]}: start one, or give its address with --address."
        ) from error
    values = dict(re.findall(r"^(\w+) (\d+)$", answer.text, re.MULTILINE))
    return {words: int(values[name]) for name, words in FIGURES.items() if name in values}
