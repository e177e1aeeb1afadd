"""The words headlab uses and what attention cannot tell, from ``prompts/glossary.toml``."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from headlab.behaviours.base import MIN_ROWS
from headlab.errors import HeadlabError
from headlab.evidence.references import get_reference
from headlab.measuring.confidence import INTERVAL, MIN_PROMPTS, N_RESAMPLES
from headlab.measuring.reading import DOMINANT

FILE = Path(__file__).parents[2] / "prompts" / "glossary.toml"
OWN_PROBE = "texts of its own"  # that a behaviour brings
PROBES = {
    "sentences": "plain English sentences",
    "repeats": "random words said twice",
    "facts": "facts with a question about one of them",
    "names": "sentences of two given names",
}
FIGURES = {
    "probes": "; ".join(PROBES.values()),
    "redraws": f"{N_RESAMPLES:,}",
    "interval": f"{INTERVAL[1] - INTERVAL[0]:g}",
    "min_prompts": f"{MIN_PROMPTS}",
    "min_rows": f"{MIN_ROWS}",
    "dominant": f"{100 * DOMINANT:g}",
}


@dataclass(frozen=True)
class Term:
    """A word and what it means here, in a sentence or two; ``sources`` name references."""

    group: str
    name: str
    meaning: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limit:
    """Something that attention cannot tell, with the references that say so."""

    meaning: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Glossary:
    """All terms and limits, in the order in which they are explained."""

    terms: tuple[Term, ...]
    limits: tuple[Limit, ...]

    @property
    def groups(self) -> dict[str, list[Term]]:
        """The terms under their headings."""
        found: dict[str, list[Term]] = {}
        for term in self.terms:
            found.setdefault(term.group, []).append(term)
        return found


@cache
def glossary(file: Path = FILE) -> Glossary:
    """The glossary in a file; HeadlabError naming what is wrong in it."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        return Glossary(
            tuple(Term(**_filled(each)) for each in data["term"]),
            tuple(Limit(**_filled(each)) for each in data["limit"]),
        )
    except (OSError, ValueError, TypeError, AttributeError, LookupError, HeadlabError) as error:
        raise HeadlabError(
            f"The glossary cannot be read, for {file.name} is not as it should be ({error}): put "
            "the file back."
        ) from error


def _filled(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with its figures put in, and with references that exist."""
    sources = tuple(get_reference(name).name for name in entry.get("sources", ()))
    return entry | {"meaning": str.format_map(entry["meaning"], FIGURES), "sources": sources}
