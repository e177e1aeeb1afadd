"""The behaviours a head is scored on: one file each, found by themselves; yours beside ours."""

import hashlib
import importlib
import inspect
import pkgutil
from functools import cache
from types import ModuleType

from headlab.behaviours import base, own
from headlab.behaviours.base import Behaviour, Evidence, Prompt, Rung, Spans
from headlab.errors import unknown

__all__ = [
    "Behaviour",
    "Evidence",
    "Prompt",
    "Rung",
    "Spans",
    "behaviour_problems",
    "behaviours",
    "get_behaviour",
]


NO_BEHAVIOURS = {"base", "detector", "own"}  # modules of this package that hold none


@cache
def _modules() -> tuple[ModuleType, ...]:
    """The module of every behaviour: ours by name, then your own."""
    return (*_ours(), *_own()[0])


def _ours() -> list[ModuleType]:
    names = [i.name for i in pkgutil.iter_modules(__path__) if i.name not in NO_BEHAVIOURS]
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


@cache
def _own() -> tuple[list[ModuleType], dict[str, str]]:
    """Your own behaviours that can be used, and a sentence for each file that cannot."""
    taken = {module.BEHAVIOUR.name for module in _ours()}
    found, problems = own.own_modules()
    kept = []
    for module in found:
        name = module.BEHAVIOUR.name
        if name in taken:
            file = f"{module.__name__.removeprefix('headlab_own_')}.py"
            problems[file] = f"{file}: there is a behaviour {name!r} already: name yours otherwise."
        else:
            taken.add(name)
            kept.append(module)
    return kept, problems


def behaviour_problems() -> dict[str, str]:
    """A sentence for each file of your own that is left out, by its name."""
    return dict(_own()[1])


@cache
def _registry() -> dict[str, Behaviour]:
    found: dict[str, Behaviour] = {}
    for module in _modules():
        behaviour = module.BEHAVIOUR
        if behaviour.name in found:
            raise ValueError(f"two behaviours are called {behaviour.name!r}")
        found[behaviour.name] = behaviour
    return dict(sorted(found.items(), key=lambda item: item[1].label_order))


def behaviours() -> dict[str, Behaviour]:
    """Every behaviour by name, in the order in which labels are decided."""
    return dict(_registry())


@cache
def code_digest() -> str:
    """A hash of the code of all behaviours, comments and empty lines left out.

    What was measured with other code is not taken for what this code would give.
    """
    digest = hashlib.sha256()
    for module in (base, *_modules()):
        digest.update(code_of(module).encode())
    return digest.hexdigest()


def code_of(module: ModuleType) -> str:
    """The source of a module without comments and empty lines."""
    lines = (line.rstrip() for line in inspect.getsource(module).splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def get_behaviour(name: str) -> Behaviour:
    """The behaviour called ``name``; an error with the nearest name if there is none."""
    registry = _registry()
    if name not in registry:
        raise unknown("behaviour", name, registry)
    return registry[name]
