"""How much memory a model needs and how much is free, asked before it is loaded."""

import copy
import ctypes
import os
from pathlib import Path
from typing import Any

import torch

from headlab.errors import HeadlabError
from headlab.models.catalogue import gigabytes
from headlab.models.hf import AutoModelForCausalLM

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


def check_memory(name: str, needed: int, free: int | None) -> None:
    """Raise HeadlabError where a model does not fit into what is free."""
    if free is not None and needed > free:
        raise HeadlabError(
            f"{name} needs {gigabytes(needed)} of memory and {gigabytes(free)} are free: close "
            "other programs, or choose a smaller model."
        )


def _free_on_machine() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    if os.name == "nt":
        return _free_on_windows()
    try:  # macOS tells what is built in, not what is free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _free_on_windows() -> int | None:
    class Status(ctypes.Structure):
        """MEMORYSTATUSEX of the Windows API."""

        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "free", "pages", "pages_free", "virtual", "virtual_free", "more")
        ]

    status = Status(length=ctypes.sizeof(Status))
    found = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status.free) if found else None


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
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
