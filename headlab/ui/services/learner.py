"""The learner's side of the exercises: their record, and the model as exercises see it.

The record is kept as JSON in the session and by the browser; in a room it is handed in as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import streamlit as st

from headlab.errors import HeadlabError
from headlab.exercises import (
    Entry,
    MeasurementContext,
    PreparedQuestion,
    Question,
    Record,
    Sheet,
    Text,
    parse_record,
    read_sheet,
)
from headlab.heads import Head
from headlab.interventions import Intervention
from headlab.languages import spoken
from headlab.measuring.reading import Reading
from headlab.mechanisms import Edge, Faithfulness
from headlab.models.tokens import resolve_start_token
from headlab.profiles.corpus import CorpusLooks
from headlab.profiles.profile import Profile
from headlab.ui.services import rooms
from headlab.ui.services.effects import get_removal
from headlab.ui.services.mechanisms import get_faithfulness, get_senders
from headlab.ui.services.results import (
    ChosenText,
    get_profile,
    get_whole_reading,
    ready_corpus,
)
from headlab.ui.services.second import has_second, second_profile
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of, result_cache

RECORD = "record"
_PARSED = "record as an object"
_TRIED = "sheet to try"


def get_record() -> Record:
    """The learner's record; a new one where there is none or the browser's copy is damaged."""
    source = st.session_state.get(RECORD) or ""
    kept, record = st.session_state.get(_PARSED, (None, None))
    if record is None or kept != source:
        try:
            record = parse_record(source) if source else Record.new()
        except HeadlabError as error:
            st.warning(f"{error} A new record is begun.")
            record = Record.new()
        st.session_state[_PARSED] = (source, record)
    return record


def keep_record(record: Record) -> None:
    """Keep this state of the record."""
    source = record.to_json()
    st.session_state[RECORD] = source
    st.session_state[_PARSED] = (source, record)
    rooms.hand_in(source)


def keep_entry(entry: Entry) -> None:
    """Keep a step's new state in the record."""
    keep_record(get_record().with_entry(entry))


@dataclass(frozen=True, eq=False)
class SharedContext(MeasurementContext):
    """The selected model with the readings, profile and removals that learners share."""

    selection: Selection = field(default_factory=Selection)

    def reading(self, text: Text) -> Reading:
        return get_whole_reading(self.selection, ChosenText(text.words, text.facts))

    def profile(self) -> Profile:
        return get_profile(self.selection)

    def removal(self, text: Text, heads: tuple[Head, ...], token: str | None) -> Intervention:
        asked = replace(self.selection, removed=heads)
        return get_removal(asked, ChosenText(text.words), "mean", token)

    def senders(self, text: Text, other: str, head: Head, query: int, key: int) -> tuple[Edge, ...]:
        return get_senders(self.selection, ChosenText(text.words), other, head, query, key)

    def corpus(self) -> CorpusLooks:
        return ready_corpus(self.selection) or super().corpus()

    def prepared(
        self, question: Question, make: Callable[[], PreparedQuestion]
    ) -> PreparedQuestion:
        """All learners are asked the same; what cannot be told today may be told tomorrow."""
        sides = [(self.model_name, self.content_hash)]  # what is asked names the model
        if self.second is not None:
            sides.append((self.second.model_name, self.second.content_hash))
        key = ("prepared", *sides, self.start_token, spoken(), question)
        found = result_cache().find(key)
        if found is None:
            found = make()
            if found.askable.key is not None:
                result_cache().put(key, found)
        return found

    def kept(
        self, text: Text, other: str, heads: tuple[Head, ...], end: Head, query: int, key: int
    ) -> Faithfulness:
        chosen = ChosenText(text.words)
        return get_faithfulness(self.selection, chosen, other, heads, end, query, key)[0]


def get_lab(selection: Selection, sheet: Sheet | None = None) -> MeasurementContext:
    """The selected model as exercises see it.

    For a ``sheet`` that compares two models the second one stands beside it, if one is chosen.
    """
    model = model_of(selection)
    start = resolve_start_token(model, "model" if selection.start_token else None)
    lab = SharedContext(model, start, selection=selection)
    if sheet is not None and sheet.needs_second and has_second(selection):
        return lab.beside(second_profile(selection))
    return lab


def try_sheet(source: bytes, name: str) -> Sheet:
    """A teacher's own sheet, held for this session only."""
    sheet = read_sheet(source, name)
    st.session_state[_TRIED] = sheet
    return sheet


def tried_sheet() -> Sheet | None:
    """The sheet that was handed in to be tried, if any."""
    return st.session_state.get(_TRIED)
