"""Behaviours of your own: one file each, in the folder that ``HEADLAB_BEHAVIOURS`` names.

Or modules of installed packages, which their entry points in the group ``headlab.behaviours`` name.
"""

import importlib.util
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import numpy as np

from headlab import settings
from headlab.behaviours.base import Behaviour, Spans
from headlab.errors import HeadlabError
from headlab.files import reason

GROUP = "headlab.behaviours"
PROBES = ("repeats", "sentences", "facts", "names")
TEMPLATE = '''"""{title}: say in a sentence where such a head looks.

Source: say who describes it, or that it is yours.
"""

from headlab.behaviours.base import Behaviour, Rung, positions


def targets(tokens, token_texts=None, spans=None):
    """The cells [query, key] that the behaviour asks for: here, three tokens back."""
    q, k = positions(len(tokens))
    return k == q - 3


BEHAVIOUR = Behaviour(
    name="{name}",
    title="{title}",
    summary="Looks three tokens back.",
    label_order=95,
    probes=("sentences",),
    threshold=0.4,
    reason="Provisional: say why a head counts from here on.",
    rung3=Rung("what it writes has not been looked at", applies=False),
    rung4=Rung("On plain sentences, removing it raises the loss more than another head's removal."),
    asks="four tokens or more",
    example="The quick brown fox jumps over the lazy dog.",
    targets=targets,
)
'''


def load_file(path: str | Path) -> ModuleType:
    """The module of a behaviour's file; HeadlabError with file, line and what went wrong."""
    path = Path(path)
    if not path.is_file():
        raise HeadlabError(f"{path} is no file: name the file of a behaviour.")
    name = f"headlab_own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise HeadlabError(f"{path} is no Python file: a behaviour's ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise HeadlabError(
            f"{path}{_line(path, error)} cannot be read ({type(error).__name__}: {error}): mend "
            "it, then run `headlab behaviours check` on it."
        ) from error
    if not isinstance(getattr(module, "BEHAVIOUR", None), Behaviour):
        raise HeadlabError(f"{path} has no BEHAVIOUR = Behaviour(...): see CONTRIBUTING.md.")
    return module


def _line(path: Path, error: BaseException) -> str:
    """Where in the file it went wrong, as ", line 3"."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f", line {error.lineno}"
    found, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            found = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


def own_modules() -> tuple[list[ModuleType], dict[str, str]]:
    """The behaviours of the folder that is named, and a sentence for each file left out, by name.

    A public server takes none: their code would run for strangers.
    """
    if settings.public():
        return [], {}
    found, problems = _of_packages()
    folder = settings.behaviours()
    if folder is None:
        return found, problems
    try:
        files = sorted(folder.glob("*.py"))
    except OSError as error:
        return found, problems | {folder.name: f"{folder} cannot be read ({reason(error)})."}
    for file in files:
        try:
            module = load_file(file)
            if wrong := problems_of(module.BEHAVIOUR):
                raise HeadlabError(f"{file}: {wrong[0]}")
        except HeadlabError as error:
            problems[file.name] = str(error)
        else:
            found.append(module)
    return found, problems


def _of_packages() -> tuple[list[ModuleType], dict[str, str]]:
    """The behaviours of installed packages: modules named by the entry points of ``GROUP``."""
    found, problems = [], {}
    for point in entry_points(group=GROUP):
        try:
            module = point.load()
            behaviour = getattr(module, "BEHAVIOUR", None)
            if not isinstance(behaviour, Behaviour):
                raise HeadlabError("it has no BEHAVIOUR = Behaviour(...).")
            if wrong := problems_of(behaviour):
                raise HeadlabError(wrong[0])
        except Exception as error:  # somebody else's code
            problems[point.name] = f"{point.name} ({point.value}) is left out: {error}"
        else:
            found.append(module)
    return found, problems


def problems_of(behaviour: Behaviour) -> list[str]:
    """What a behaviour gets wrong of what every one keeps, a sentence each; none if all is well."""
    found = []
    if not behaviour.name.isidentifier() or behaviour.name != behaviour.name.lower():
        found.append(f"name {behaviour.name!r}: write it with small letters and underscores.")
    if (behaviour.targets is None) == (behaviour.measure is None):
        found.append("Give either targets or measure, not both and not neither.")
    known = {*PROBES, *([behaviour.name] if behaviour.sentences or behaviour.prompts else [])}
    if not behaviour.probes or (unknown := [p for p in behaviour.probes if p not in known]):
        named = f"{unknown[0]!r} is no probe" if behaviour.probes else "probes is empty"
        found.append(
            f"{named}: take some of {', '.join(PROBES)}, or its own name with sentences or prompts."
        )
    if not 0 < behaviour.threshold <= 1:
        found.append(f"threshold {behaviour.threshold}: a share above 0 and at most 1.")
    if behaviour.targets is not None:
        found += _problems_of_targets(behaviour)
    return found


def _problems_of_targets(behaviour: Behaviour) -> list[str]:
    """The rules that targets keep, tried on short texts and on its own example."""
    assert behaviour.targets is not None
    rng, seen = np.random.default_rng(0), False
    usual = [" the", " cat", ",", " sat", "."]
    tried = [[usual[code] for code in rng.integers(0, len(usual), n)] for n in (1, 2, 5, 12)]
    told = [behaviour.example or "", *behaviour.sentences[:1]]
    tried += [pieces for text in told if (pieces := re.findall(r"\s?\w+|\s?[^\w\s]", text))]
    for words in tried:
        n, tokens = len(words), np.unique(words, return_inverse=True)[1]
        tokens.flags.writeable = False
        spans = Spans((0,), (n - 1,)) if n > 1 else None
        try:
            cells = behaviour.targets(tokens, words, spans)
            again = behaviour.targets(np.array(words), words, spans)
            bare = behaviour.targets(tokens, None, None)
        except Exception as error:
            return [f"targets fails on {n} tokens ({type(error).__name__}: {error})."]
        for each in (cells, bare):
            if each is None:
                continue
            if not isinstance(each, np.ndarray) or each.shape != (n, n) or each.dtype != bool:
                return [f"targets gives no boolean array [{n}, {n}] for {n} tokens."]
            if np.triu(each, 1).any():
                return ["targets looks ahead: no key may come after its query."]
        alike = cells is again if cells is None or again is None else (cells == again).all()
        if not alike:
            return ["targets differs for ids and for words: compare tokens with == only."]
        seen = seen or (cells is not None and bool(cells.any()))
    if not seen:
        return ["targets asks for nothing on any text that was tried: look at it again."]
    return []
