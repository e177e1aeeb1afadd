"""What would fail on a Mac's MPS, which knows no float64 and few decompositions, without a Mac."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from headlab.models import kernels

ROOT = Path(__file__).resolve().parents[2] / "headlab"
FILES = sorted(ROOT.rglob("*.py"))
DECOMPOSITIONS = {"composing", "logit_lens", "layout"}  # each of what `exact` or `.cpu()` gave


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_float64_is_made_on_the_cpu_only(path):
    """``kernels.exact`` is the one door: it moves to the CPU first."""
    source = path.read_text(encoding="utf-8")
    calls = [
        node.func.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    if path.stem != "kernels":
        assert "double" not in calls and not re.search(r"torch\.(float64|double)", source)
    if re.search(r"torch\.linalg\.", source):
        assert path.stem in DECOMPOSITIONS


class Far:
    """A tensor that is said to lie on a device that this machine lacks."""

    def __init__(self, kind):
        self.device = type("Device", (), {"type": kind})()


def test_numbers_for_mps_are_made_short(monkeypatch):
    moved = []
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device: moved.append(self.dtype) or self)
    for kind in ("mps", "cuda"):
        kernels.as_tensor(np.zeros(3), like=Far(kind))
    assert moved == [torch.float32, torch.float64]


def test_exact_is_on_the_cpu():
    found = kernels.exact(torch.ones(2, requires_grad=True, dtype=torch.float16))
    assert (found.dtype, found.device.type, found.requires_grad) == (torch.float64, "cpu", False)
