"""The kinds of questions: one file each, found by themselves."""

import importlib
import pkgutil
from functools import cache

from headlab.errors import unknown
from headlab.exercises.format import Question
from headlab.exercises.kinds.base import Figures, Keys, Kind, Mistake

__all__ = ["Figures", "Keys", "Kind", "Mistake", "get_kind", "kinds", "needs_second"]


@cache
def _registry() -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for module_info in pkgutil.iter_modules(__path__):
        if module_info.name == "base":
            continue
        kind = importlib.import_module(f"{__name__}.{module_info.name}").KIND
        if kind.name in found:
            raise ValueError(f"two kinds of questions are called {kind.name!r}")
        found[kind.name] = kind
    return dict(sorted(found.items()))


def kinds() -> dict[str, Kind]:
    """Every kind of question by its name."""
    return dict(_registry())


def get_kind(name: str) -> Kind:
    """The kind called ``name``; an error with the nearest name if there is none."""
    registry = _registry()
    if name not in registry:
        raise unknown("kind", name, registry)
    return registry[name]


def needs_second(question: Question) -> bool:
    """Whether the question compares the open model with a second one."""
    return get_kind(question.kind).compares_by(question.measure)
