"""The report that a learner is writing: kept in the session and by the browser, nowhere else."""

import json
import zlib
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import streamlit as st

from headlab.exercises import Record
from headlab.heads import Head
from headlab.interventions import Intervention, Sweep
from headlab.mechanisms import AttentionExplanation, Faithfulness
from headlab.profiles.corpus import CorpusLooks
from headlab.report import Told, make_report, read_report, report_date
from headlab.ui.services.results import ChosenText, get_profile, get_whole_reading
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of

KEPT_AS = "report"
_DRAWN = "report as drawn"


@dataclass(frozen=True)
class Draft:
    """What the learner has chosen and written; an empty list stands for the usual choice.

    ``without``: say what happens without the heads that the address removes; ``every``: remove
    every head in turn; ``why``: why the address's head looks where it does; ``circuit``: what was
    collected on the Circuit page, and how much of it is left alone; ``corpus``: what the heads of
    the passports do on ordinary text.
    """

    sections: tuple[str, ...] = ()
    behaviours: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    title: str = ""
    name: str = ""
    course: str = ""
    notes: str = ""
    without: bool = False
    every: bool = False
    why: bool = False
    circuit: bool = False
    corpus: bool = False


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured for a report beside reading and profile, as ``make_report`` takes it."""

    interventions: tuple[Intervention, ...] = ()
    sweep: Sweep | None = None
    explanations: tuple[AttentionExplanation, ...] = ()
    told: tuple[Told, ...] = ()
    kept: tuple[Faithfulness, ...] = ()
    corpus: CorpusLooks | None = None


@dataclass(frozen=True)
class Drawn:
    """A report as a session keeps it: its file, packed. All else is in there."""

    packed: bytes

    def html(self) -> str:
        return zlib.decompress(self.packed).decode()

    def to_json(self) -> str:
        return read_report(self.html()).to_json()

    def to_csv(self) -> str:
        return read_report(self.html()).to_csv()


def get_draft() -> Draft:
    """The draft; what the browser kept is taken as far as it fits."""
    try:
        kept = json.loads(st.session_state.get(KEPT_AS) or "{}")
    except ValueError:
        kept = {}
    kept = kept if isinstance(kept, dict) else {}
    return Draft(**{f.name: _fitting(kept.get(f.name), f.default) for f in fields(Draft)})


def _fitting(value: Any, usual: Any) -> Any:
    """The value if it is of the usual one's kind."""
    if isinstance(usual, str | bool):
        return value if isinstance(value, type(usual)) else usual
    is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return tuple(value) if is_list else usual


def drafted(part: str, offered: Any = None) -> dict[str, Any]:
    """Arguments that tie a widget to a part of the draft; of a list, what is ``offered``."""
    key = f"report {part}"
    value = getattr(get_draft(), part)
    st.session_state[key] = value if offered is None else [v for v in value if v in offered]

    def taken() -> None:
        chosen = st.session_state[key]
        change: dict[str, Any] = {part: chosen if offered is None else tuple(chosen)}
        st.session_state[KEPT_AS] = json.dumps(asdict(replace(get_draft(), **change)))

    return {"key": key, "on_change": taken}


def drafted_report(
    selection: Selection,
    chosen: ChosenText,
    draft: Draft,
    record: Record | None,
    measured: Measured,
) -> Drawn:
    """The report as it stands; only this session holds it, for it bears a name."""
    model, profile = model_of(selection), get_profile(selection)
    committed = hash(record.to_json()) if record else 0
    removed = tuple((each.heads, each.watched) for each in measured.interventions)
    looks = (selection.layer, selection.head, selection.token, selection.key, selection.circuit)
    text = (model.reading_hash, selection.model, selection.start_token, chosen)
    key = (*text, draft, committed, removed, looks, report_date())
    kept = st.session_state.get(_DRAWN)
    if kept is not None and kept[0] == key:
        return kept[1]
    reading = get_whole_reading(selection, chosen)
    with st.spinner("Drawing the report …"):
        report = make_report(
            reading,
            profile,
            **vars(measured),
            record=record,
            sections=draft.sections or None,
            behaviours=draft.behaviours or None,
            heads=[Head.parse(name) for name in draft.heads] or None,
            entities=chosen.facts,
            title=draft.title,
            name=draft.name,
            course=draft.course,
            notes=draft.notes,
            model=selection.model,
        )
        drawn = Drawn(zlib.compress(report.html().encode()))
    st.session_state[_DRAWN] = (key, drawn)
    return drawn
