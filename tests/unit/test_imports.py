"""Imports look one way: the order of docs/ARCHITECTURE.md, read from the source itself."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A part imports from itself and from parts above it; those in one set do not know each other.
ORDER = (
    {"errors", "files", "heads", "languages", "settings", "places", "log", "units", "__version__"},
    {"models"},
    {"behaviours"},
    {"measuring"},
    {"interventions", "profiles"},
    {"mechanisms", "sweeps"},
    {"evidence"},
    {"exercises", "figures"},
    {"report", "rooms"},
    {"ui"},
    {"cli"},
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
        ("ui", "from headlab.cli import main"),
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


def module_of(path: Path) -> str:
    """`headlab/models/loading.py` -> `headlab.models.loading`; a package goes by its own name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def import_graph(sources: dict[str, str], packages: set[str]) -> dict[str, set[str]]:
    """Which module imports which, packages that are run on the way included.

    What stands behind `if TYPE_CHECKING` is never imported. A package is run before its own
    modules, so that they come from within it is no import of it.
    """
    graph = {}
    for name, source in sources.items():
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                node.body = []
        package = name if name in packages else name.rpartition(".")[0]
        found = set()
        for imported in imported_modules(tree, package):
            parts = imported.split(".")
            exact = imported if imported in sources else ".".join(parts[:-1])
            ways = {".".join(parts[:end]) for end in range(1, len(parts) + 1)} & sources.keys()
            found |= {way for way in ways if way == exact or not f"{name}.".startswith(f"{way}.")}
        graph[name] = found - {name}
    return graph


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of a cycle, the first one again at the end; none if there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


HEADLAB = sorted((ROOT / "headlab").rglob("*.py"))


def test_no_module_imports_itself_in_the_end():
    packages = {module_of(path) for path in HEADLAB if path.stem == "__init__"}
    sources = {module_of(path): path.read_text(encoding="utf-8") for path in HEADLAB}
    assert cycle(import_graph(sources, packages)) == []


@pytest.mark.parametrize(
    "sources",
    [
        {"p": "", "p.a": "from p import b", "p.b": "import p.a"},
        {"p": "from p.a import x", "p.a": "from p import x"},
        {"p": "from p.a import x", "p.a": "from q.b import y", "q": "", "q.b": "import p.c"},
        {"p": "", "p.a": "def f():\n    from p.b import x", "p.b": "from p.a import f"},
    ],
)
def test_a_cycle_is_seen(sources):
    sources = {"p.c": ""} | sources
    assert cycle(import_graph(sources, {"p", "q"}))


def test_what_is_no_cycle_is_not_taken_for_one():
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.b import x"
    sources = {"p": "from p.a import x", "p.a": types, "p.b": "from p import a"}
    assert cycle(import_graph(sources, {"p"})) == []


def test_only_one_file_imports_transformers():
    found = {
        module_of(path)
        for path in HEADLAB
        if any(
            name.partition(".")[0] == "transformers"
            for name in imported_modules(ast.parse(path.read_text(encoding="utf-8")), "")
        )
    }
    assert found == {"headlab.models.hf"}


TWO_THREADS = """
import importlib, sys, threading

errors, begin = [], threading.Barrier(2)

def bring(modules):
    begin.wait()
    try:
        for module in modules:
            importlib.import_module(module)
    except BaseException as error:
        errors.append(error)

modules = sys.argv[1:]
threads = [threading.Thread(target=bring, args=[order]) for order in (modules, modules[::-1])]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.exit(f"{errors}" if errors else 0)
"""


def test_two_threads_may_import_different_modules_at_once():
    ours = (path for path in HEADLAB if "migrations" not in path.parts)  # those Alembic imports
    modules = [module_of(path) for path in ours if "__main__" not in path.name]
    done = subprocess.run(
        [sys.executable, "-c", TWO_THREADS, *modules], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
