"""Which models that were fetched are on this machine; nothing here makes a request.

Those of the hub are looked for where every Hugging Face program keeps them, so that what one has
fetched the others find; one that came as a Python package lies in headlab's own cache.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from headlab.models.catalogue import CATALOGUE, ModelEntry
from headlab.places import cache_folder

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
TOKENIZERS = ({"tokenizer.json"}, {"vocab.json", "merges.txt"}, {"tokenizer.model"})
# Weights in the order of preference: one file, or an index and the parts it names.
FORMATS = (
    ("model.safetensors", re.compile(r"model(-\d+-of-\d+)?\.safetensors(\.index\.json)?")),
    ("pytorch_model.bin", re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin(\.index\.json)?")),
)


@dataclass(frozen=True)
class Settings:
    """What the environment says about the hub, with the same names as every program uses."""

    endpoint: str
    cache: Path
    offline: bool
    timeout: float


def settings() -> Settings:
    """The settings of this moment; huggingface_hub itself reads them once, when it is imported."""
    environment = os.environ
    caches = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{caches}/huggingface"
    cache = (
        environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    )
    offline = environment.get("HF_HUB_OFFLINE") or environment.get("TRANSFORMERS_OFFLINE") or ""
    try:
        timeout = float(environment.get("HF_HUB_DOWNLOAD_TIMEOUT") or 10)
    except ValueError:
        timeout = 10.0
    return Settings(
        endpoint=(environment.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/"),
        cache=Path(os.path.expandvars(os.path.expanduser(cache))),
        offline=offline.upper() in ("1", "ON", "YES", "TRUE"),
        timeout=timeout,
    )


def can_be_fetched(name: str) -> bool:
    """Whether ``name`` is something to download: of the catalogue, or owner/name on the hub."""
    entry = CATALOGUE.get(name)
    return bool(entry.hub or entry.wheel) if entry else HUB_NAME.fullmatch(name) is not None


def find_model(name: str) -> Path | None:
    """The folder of a complete model in the caches of this machine; no request is made.

    The pinned revision of the catalogue goes first, then what other programs fetched last.
    """
    if not can_be_fetched(name):
        return None
    entry = CATALOGUE.get(name)
    if entry and entry.wheel:
        folder = converted_folder(entry)
        return folder if is_complete(folder) else None
    repositories = [entry.hub, entry.also] if entry else [name]
    pinned = [entry.revision] if entry else []
    for repository in filter(None, repositories):
        folder = repository_folder(settings().cache, repository)
        for commit in filter(None, [*pinned, _main_commit(folder)]):
            snapshot = folder / "snapshots" / commit
            if is_complete(snapshot):
                return snapshot
    return None


def default_model() -> str:
    """GPT-2 small where it is on this machine already, else mini; no request is made."""
    return "gpt2" if find_model("gpt2") is not None else "mini"


def is_complete(folder: Path) -> bool:
    """Whether a folder holds a configuration, a tokenizer and every file of the weights."""
    try:
        names = {path.name for path in folder.iterdir() if path.exists()}  # no dangling links
    except OSError:
        return False
    weights = weight_files(folder)
    return (
        "config.json" in names
        and any(files <= names for files in TOKENIZERS)
        and bool(weights)
        and all(path.is_file() for path in weights)
    )


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a folder's weights, there or not: safetensors before pickles."""
    for single, _ in FORMATS:
        if (folder / single).exists():
            return [folder / single]
        index = folder / f"{single}.index.json"
        if index.exists():
            try:
                parts = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
                return [folder / Path(part).name for part in sorted(set(parts))]
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                return []
    return []


def converted_folder(entry: ModelEntry) -> Path:
    """Where the model of a Python package lies once it was fetched and converted."""
    assert entry.wheel is not None
    return cache_folder() / "models" / entry.wheel.sha256[:12] / entry.name


def repository_folder(cache: Path, repository: str) -> Path:
    """Where the cache keeps a repository."""
    return cache / f"models--{repository.replace('/', '--')}"


def _main_commit(folder: Path) -> str | None:
    try:
        commit = (folder / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return commit if COMMIT.fullmatch(commit) else None
