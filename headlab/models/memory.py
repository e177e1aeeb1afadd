"""How much memory a model needs and how much is free, asked before it is loaded."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch

from headlab.errors import HeadlabError
from headlab.models.hf import AutoModelForCausalLM
from headlab.units import gigabytes

_CGROUP = Path("/sys/fs/cgroup")


def needed_memory(config: Any, dtype: torch.dtype) -> int:
    """Bytes that the parameters of a configuration take in ``dtype``; nothing is allocated."""
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(copy.deepcopy(config))
    return sum(parameter.numel() for parameter in network.parameters()) * dtype.itemsize


def free_memory(device: torch.device) -> int | None:
    """Bytes free on ``device``, or None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    known = [size for size in (_free_on_machine(), _free_in_container()) if size is not None]
    return min(known, default=None)


@contextmanager
def enough_memory() -> Iterator[None]:
    """Memory that runs out inside the ``with`` block becomes a HeadlabError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # torch says it with a RuntimeError on a CPU, with one of its own elsewhere
        out = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not out and "DefaultCPUAllocator" not in str(error):
            raise
        raise HeadlabError(
            "The memory ran out: take a shorter text or a smaller model, or close other programs."
        ) from error


def check_reading(n_tokens: int, needed: int, free: int | None) -> None:
    """Raise HeadlabError where reading a text would not fit into what is free.

    Asked before, because a system that is out of memory stops the whole server instead of saying
    so.
    """
    if free is not None and needed > free:
        raise HeadlabError(
            f"Reading a text of {n_tokens:,} tokens needs {gigabytes(needed)} of memory and "
            f"{gigabytes(free)} are free: take a shorter text, or close other programs."
        )


def check_memory(name: str, needed: int, free: int | None) -> None:
    """Raise HeadlabError where a model does not fit into what is free."""
    if free is not None and needed > free:
        raise HeadlabError(
            f"{name} needs {gigabytes(needed)} of memory and {gigabytes(free)} are free: close "
            "other programs, or choose a smaller model."
        )


def _free_on_machine() -> int | None:
    try:
        return int(psutil.virtual_memory().available)
    except (psutil.Error, OSError, RuntimeError):
        return None


def _free_in_container(folder: Path = _CGROUP) -> int | None:
    """What a container's limit leaves; file pages that can be dropped do not count as used."""
    try:
        limit = int((folder / "memory.max").read_text())  # "max" without a limit
        used = int((folder / "memory.current").read_text())
        facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, limit - used + int(facts["inactive_file"]))
    except (OSError, ValueError, KeyError):
        return None


def used_memory() -> int | None:
    """Bytes that this process holds, or None where the system does not say."""
    try:
        return int(psutil.Process().memory_info().rss)
    except (psutil.Error, OSError, RuntimeError):
        return None
