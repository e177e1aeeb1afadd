"""The sections of a report, in the order in which they stand.

A section is a template of its own name in ``templates/sections``, drawn from the report's data. To
add one: add what it says to ``contents.py``, write the template, and add a line here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headlab.errors import HeadlabError, unknown
from headlab.exercises import Record


@dataclass(frozen=True)
class Given:
    """What a learner brings to a report, and what was measured for it."""

    record: Record | None
    notes: str
    has_text: bool = True
    removes: bool = False
    explains: bool = False
    corpus: bool = False
    compares: bool = False

    @property
    def has_answers(self) -> bool:
        """Whether the record holds any answer."""
        return self.record is not None and any(entry.first for entry in self.record.entries)


@dataclass(frozen=True)
class Section:
    """One section: the name of its template, its heading, and whether there is anything in it.

    ``missing`` says what to bring where it was asked for and there is nothing.
    """

    name: str
    title: str
    has: Callable[[Given], bool] = lambda given: True
    missing: str = ""


def _has_text(given: Given) -> bool:
    return given.has_text


_A_TEXT = "a text: give it with --text"

SECTIONS = {
    section.name: section
    for section in (
        Section("summary", "In plain words", _has_text, _A_TEXT),
        Section("text", "The text", _has_text, _A_TEXT),
        Section("maps", "Every head, behaviour by behaviour", _has_text, _A_TEXT),
        Section("passports", "Head passports", _has_text, _A_TEXT),
        Section(
            "corpus",
            "The same heads on ordinary text",
            lambda given: given.has_text and given.corpus,
            "the corpus: add --corpus",
        ),
        Section(
            "interventions",
            "What happens without these heads",
            lambda given: given.has_text and given.removes,
            "heads to remove: name them with --remove, or take --every",
        ),
        Section(
            "mechanisms",
            "Why it looks there, and who tells it",
            lambda given: given.has_text and given.explains,
            "a look to explain: name it with --explain",
        ),
        Section("statistics", "Over the whole model", _has_text, _A_TEXT),
        Section("layers", "Layer by layer", _has_text, _A_TEXT),
        Section(
            "comparison",
            "Beside another model",
            lambda given: given.compares,
            "another model or its profile: name it with --compare",
        ),
        Section(
            "record",
            "Predictions and observations",
            lambda given: given.has_answers,
            "a learning record with answers: give it with --record",
        ),
        Section(
            "notes",
            "Notes and conclusion",
            lambda given: bool(given.notes.strip()),
            "notes: give a file with --notes",
        ),
        Section("limits", "What this report cannot tell"),
        Section("provenance", "Where the figures come from"),
    )
}


def chosen_sections(asked: Sequence[str] | None, given: Given) -> list[str]:
    """The sections asked for, in their order; without asking, all that have something in them."""
    if asked is None:
        return [name for name, section in SECTIONS.items() if section.has(given)]
    for name in asked:
        if name not in SECTIONS:
            raise unknown("section", name, SECTIONS)
        if not SECTIONS[name].has(given):
            raise HeadlabError(f"The section {name!r} needs {SECTIONS[name].missing}.")
    return [name for name in SECTIONS if name in asked]
