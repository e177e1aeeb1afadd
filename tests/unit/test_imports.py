"""Imports look one way: the order of docs/ARCHITECTURE.md, read from the source itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A part imports from itself and from parts above it; those in one set do not know each other.
ORDER = (
    {"errors", "heads", "settings", "places", "log", "__version__"},
    {"models"},
    {"behaviours"},
    {"measuring"},
    {"interventions", "profiles"},
    {"evidence"},
    {"exercises", "figures"},
    {"report"},
    {"doctor"},
    {"cli", "ui"},
    {"pages"},
)
GROUND = ORDER[0]
RANK = {part: rank for rank, parts in enumerate(ORDER) for part in parts}
DOOR = "headlab"  # headlab/__init__.py: re-exports, so nothing inside takes names from it


def part_of(path: Path) -> str:
    """The part of the house a source file belongs to: `headlab/models/loading.py` -> `models`."""
    place = path.relative_to(ROOT).with_suffix("").parts
    if place[0] != "headlab":
        return "pages"
    if place[1] == "__main__":
        return "cli"
    return DOOR if place[1] == "__init__" else place[1]


def imported_modules(tree: ast.AST, package: str) -> set[str]:
    """Full names of everything imported; `from a import b` counts as `a.b`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: package.count(".") + 2 - node.level]
            base = ".".join([*parents * bool(node.level), *[node.module] * bool(node.module)])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def offences(source: str, part: str, package: str = "headlab") -> list[str]:
    """What one source file imports against the order."""
    found = []
    for name in sorted(imported_modules(ast.parse(source), package)):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if top == "streamlit" and part not in {"ui", "pages"}:
            found.append(f"{part} imports streamlit; only headlab/ui and pages may")
        elif top in {"torch", "transformers"} and part != "models":
            found.append(f"{part} imports {top}; only headlab/models may")
        elif top == DOOR and part != DOOR and rest:
            if target not in RANK:
                if part != "pages":
                    found.append(f"{part} imports {name} through headlab/__init__.py")
            elif target != part and not RANK[target] < RANK[part] and {part, target} - GROUND:
                found.append(f"{part} imports {target}, which stands to its right")
    return found


SOURCES = [
    *sorted((ROOT / "headlab").rglob("*.py")),
    *sorted((ROOT / "pages").glob("*.py")),
    *sorted(ROOT.glob("streamlit_app.py")),
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_look_left(path):
    part = part_of(path)
    assert part in RANK or part == DOOR, f"give {part} its place in ORDER and in ARCHITECTURE.md"
    package = ".".join(path.relative_to(ROOT).parent.parts)
    assert offences(path.read_text(encoding="utf-8"), part, package) == []


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("models", "from headlab.measuring.scoring import score_patterns"),
        ("models", "from headlab import profile"),
        ("models", "from ..profile import Profile"),
        ("scoring", "import torch"),
        ("scoring", "def f():\n    import torch.nn"),
        ("report", "import streamlit as st"),
        ("cli", "from headlab.ui import state"),
        ("ui", "import headlab.cli"),
        ("reading", "from headlab import load_model"),
    ],
)
def test_a_wrong_import_is_seen(part, source):
    assert len(offences(source, part, f"headlab.{part}")) == 1


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("models", "import torch\nfrom headlab.errors import HeadlabError"),
        ("profiles", "from headlab.measuring import confidence, probes"),
        ("pages", "import streamlit\nfrom headlab import read_text\nfrom headlab.ui import state"),
        ("headlab", "from headlab.profiles.profile import Profile"),
    ],
)
def test_a_right_import_passes(part, source):
    assert offences(source, part) == []
