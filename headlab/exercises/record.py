"""The learning record: everything a learner committed, as versioned JSON.

Entries are frozen; every commitment makes a new entry, and what is committed cannot be committed
again. Nothing here touches a disk: the page offers the JSON for download. A record proves nothing
about who made it.
"""

import json
import math
import platform
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from headlab.__version__ import __version__
from headlab.errors import HeadlabError
from headlab.exercises.context import MeasurementContext
from headlab.exercises.format import Sheet
from headlab.exercises.prepared import (
    RIGHT,
    SKIPPED,
    WRONG,
    Key,
    PreparedQuestion,
    outcome,
)
from headlab.languages import N_

SCHEMA = "headlab.record/1"
MAX_BYTES = 5_000_000  # bytes of a record file
MAX_LENGTH = 5_000  # characters a learner may write in one place
MAX_ENTRIES = 2_000

SURENESS = range(1, 6)
SURE_WORDS = {
    **{1: N_("a guess"), 2: N_("unsure"), 3: N_("fairly sure")},
    **{4: N_("sure"), 5: N_("certain")},
}
HIGH = 4  # sureness from which a wrong answer is a confident miss

PREDICT, OBSERVE, EXPLAIN, REVISE, TRANSFER, DONE = STAGES = (
    *("predict", "observe", "explain", "revise", "transfer", "done"),
)


@dataclass(frozen=True)
class Answer:
    """What was chosen, in words too, how sure the learner was (1 to 5), and when (UTC)."""

    value: str
    text: str
    sureness: int
    at: str


@dataclass(frozen=True)
class Setting:
    """The model and start-token policy under which a question was asked.

    With those of the second model, if the question could compare two.
    """

    model: str
    content_hash: str
    start_token: int | None
    start_text: str | None
    second_hash: str | None = None
    second_start: int | None = None

    @classmethod
    def of(cls, lab: MeasurementContext) -> "Setting":
        """The setting of a lab."""
        second = lab.second
        return cls(
            lab.model_name,
            lab.content_hash,
            lab.start_token,
            lab.start_text,
            None if second is None else second.content_hash,
            None if second is None else second.start_token,
        )

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes two settings the same, whatever the models are called."""
        return (self.content_hash, self.start_token, self.second_hash, self.second_start)


@dataclass(frozen=True)
class AskedQuestion:
    """A question as it was asked, and its computed key: None until an answer is committed.

    A record may be downloaded at any time, so it must not hold the answer before.
    """

    ask: str
    kind: str
    text: str
    key: Key | None = None

    @classmethod
    def of(cls, prepared: PreparedQuestion) -> "AskedQuestion":
        """What is kept of a prepared question before it is answered.

        One that cannot be prepared gets a key that says why.
        """
        key = (
            None if prepared.options else Key(accepted=(), text="", graded=False, why=prepared.why)
        )
        return cls(prepared.ask, prepared.question.kind, prepared.question.text.words, key)


@dataclass(frozen=True)
class Entry:
    """One step of one sheet, as far as the learner has come. ``step`` counts from 1.

    ``attempt`` counts from 1 and grows when a step is revisited. ``skipped`` names stages.
    ``second`` is the vote in a room after talking to neighbours, before anything was shown.
    """

    sheet: str
    sheet_title: str
    sheet_hash: str
    step: int
    step_title: str
    attempt: int
    setting: Setting
    started: str
    question: AskedQuestion
    first: Answer | None = None
    second: Answer | None = None
    observation: str = ""
    explanation: str = ""
    revised: Answer | None = None
    transfer: AskedQuestion | None = None
    transfer_answer: Answer | None = None
    skipped: tuple[str, ...] = ()
    finished: str | None = None

    @classmethod
    def start(
        cls,
        sheet: Sheet,
        step: int,
        prepared: PreparedQuestion,
        lab: MeasurementContext,
        attempt: int = 1,
        now: str = "",
    ) -> "Entry":
        """A step (from 1) that begins; one that cannot be prepared counts as skipped at once."""
        entry = cls(
            sheet=sheet.name,
            sheet_title=sheet.title,
            sheet_hash=sheet.content_hash,
            step=step,
            step_title=sheet.steps[step - 1].title,
            attempt=attempt,
            setting=Setting.of(lab),
            started=now or _now(),
            question=AskedQuestion.of(prepared),
        )
        return entry if prepared.options else entry.skip(now)

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes two entries the same piece of work."""
        return (*self.place, self.attempt)

    @property
    def place(self) -> tuple[Any, ...]:
        """The step and setting, whichever attempt."""
        return (self.sheet, self.sheet_hash, self.step, *self.setting.identity)

    @property
    def stage(self) -> str:
        """The first stage that is neither done nor skipped."""
        if PREDICT in self.skipped:
            return DONE
        done = {
            PREDICT: self.first is not None,
            OBSERVE: bool(self.observation),
            EXPLAIN: bool(self.explanation),
            REVISE: self.revised is not None,
            TRANSFER: self.transfer_answer is not None,
        }
        open_ = (stage for stage, is_done in done.items() if not is_done)
        return next((stage for stage in open_ if stage not in self.skipped), DONE)

    @property
    def verdicts(self) -> dict[str, str]:
        """The outcomes of the first, the revised and the transfer answer, and of a second vote."""
        found = {
            "first": _outcome(self.question, self.first),
            "revised": _outcome(self.question, self.revised),
            "transfer": _outcome(self.transfer, self.transfer_answer),
        }
        if self.second is not None:
            found["second"] = _outcome(self.question, self.second)
        return found

    @property
    def predictions(self) -> list[tuple[Answer, str]]:
        """The graded predictions, first and transfer answer, each with its outcome."""
        verdicts = self.verdicts
        found = [(self.first, verdicts["first"]), (self.transfer_answer, verdicts["transfer"])]
        return [(a, o) for a, o in found if a is not None and o in (RIGHT, WRONG)]

    def commit(
        self, prepared: PreparedQuestion, value: str, sureness: int, now: str = ""
    ) -> "Entry":
        """Lock the prediction."""
        self._must_be(PREDICT)
        question = replace(AskedQuestion.of(prepared), key=prepared.key)
        return self._on(now, question=question, first=_answer(prepared, value, sureness, now))

    @property
    def may_vote_again(self) -> bool:
        """Whether a first answer is locked and nothing was shown yet."""
        return self.first is not None and self.second is None and self.stage == OBSERVE

    def vote_again(
        self, prepared: PreparedQuestion, value: str, sureness: int, now: str = ""
    ) -> "Entry":
        """Keep a second vote beside the first."""
        if not self.may_vote_again:
            raise HeadlabError("There is nothing to vote on again: this step stays as it is.")
        return self._on(now, second=_answer(prepared, value, sureness, now))

    def observe(self, words: str, now: str = "") -> "Entry":
        """Keep what the learner saw."""
        self._must_be(OBSERVE)
        return self._on(now, observation=_words(words))

    def explain(self, words: str, now: str = "") -> "Entry":
        """Keep the learner's own explanation."""
        self._must_be(EXPLAIN)
        return self._on(now, explanation=_words(words))

    def revise(
        self, prepared: PreparedQuestion, value: str, sureness: int, now: str = ""
    ) -> "Entry":
        """Keep the revised answer beside the first."""
        self._must_be(REVISE)
        return self._on(now, revised=_answer(prepared, value, sureness, now))

    def answer_transfer(
        self, prepared: PreparedQuestion, value: str, sureness: int, now: str = ""
    ) -> "Entry":
        """Keep the answer to the transfer question."""
        self._must_be(TRANSFER)
        answer = _answer(prepared, value, sureness, now)
        transfer = replace(AskedQuestion.of(prepared), key=prepared.key)
        return self._on(now, transfer=transfer, transfer_answer=answer)

    def skip(self, now: str = "") -> "Entry":
        """Skip the present stage; skipping the prediction skips the step."""
        if self.stage == DONE:
            raise HeadlabError("This step is finished: go on to the next one.")
        return self._on(now, skipped=(*self.skipped, self.stage))

    def _must_be(self, stage: str) -> None:
        if self.stage != stage:
            raise HeadlabError(
                f"This step is at {self.stage!r}, not at {stage!r}: it stays as it is."
            )

    def _on(self, now: str, **changes: Any) -> "Entry":
        entry = replace(self, **changes)
        return replace(entry, finished=now or _now()) if entry.stage == DONE else entry


@dataclass(frozen=True)
class Record:
    """Everything one learner committed, over any number of sheets and models."""

    id: str
    created: str
    versions: Mapping[str, str]
    name: str = ""
    entries: tuple[Entry, ...] = ()

    @classmethod
    def new(cls, name: str = "", now: str = "") -> "Record":
        """An empty record of its own."""
        packages = ("numpy", "torch", "transformers", "streamlit")
        versions = {"headlab": __version__, "python": platform.python_version()}
        versions |= {package: version(package) for package in packages}
        return cls(uuid.uuid4().hex, now or _now(), versions, name)

    def with_entry(self, entry: Entry) -> "Record":
        """The record with this entry in place of its earlier state, or added."""
        entries = {old.identity: old for old in self.entries}
        entries[entry.identity] = entry
        return replace(self, entries=tuple(entries.values()))

    def find(self, sheet: Sheet, step: int, lab: MeasurementContext) -> Entry | None:
        """The latest attempt at a step (from 1) in this lab's setting, to go on with."""
        wanted = (sheet.name, sheet.content_hash, step, *Setting.of(lab).identity)
        found = [entry for entry in self.entries if entry.place == wanted]
        return max(found, key=lambda entry: entry.attempt, default=None)

    def merge(self, other: "Record") -> "Record":
        """Both records' entries; of two states of one entry the one that has come further."""
        entries = {entry.identity: entry for entry in self.entries}
        for entry in other.entries:
            mine = entries.get(entry.identity)
            if mine is None or _progress(entry) > _progress(mine):
                entries[entry.identity] = entry
        created = min(self.created, other.created)
        name = self.name or other.name
        return replace(self, name=name, created=created, entries=tuple(entries.values()))

    def following(self, earlier: "Record") -> "Record":
        """This record with every answer as it was locked in an earlier state of it."""
        entries = {entry.identity: entry for entry in self.entries}
        for old in earlier.entries:
            new = entries.get(old.identity)
            if new is None or any(old_ not in (None, new_) for old_, new_ in _locked(old, new)):
                entries[old.identity] = old
        return replace(self, entries=tuple(entries.values()))

    def revisit(self) -> list[Entry]:
        """Steps whose latest first answer was wrong and confident, most confident first."""
        latest: dict[tuple[Any, ...], Entry] = {}
        for entry in sorted(self.entries, key=lambda entry: entry.attempt):
            if entry.first is not None:
                latest[entry.place] = entry
        missed = [(e.first.sureness, e) for e in latest.values() if e.first and _missed(e)]
        return [entry for _, entry in sorted(missed, key=lambda pair: -pair[0])]

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON types."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "created": self.created,
            "versions": dict(self.versions),
            "name": self.name,
            "entries": [_entry_json(entry) for entry in self.entries],
        }

    def to_json(self) -> str:
        """The record as the text of a file."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False)


@dataclass(frozen=True)
class CalibrationRow:
    """Predictions made with one sureness, and the share of them that was right (NaN: none)."""

    sureness: int
    answers: int
    right: int

    @property
    def share(self) -> float:
        """Right answers of all, 0 to 1."""
        return self.right / self.answers if self.answers else math.nan


def calibration(entries: Iterable[Entry]) -> list[CalibrationRow]:
    """How sure against how right: graded first and transfer answers, one row for each sureness."""
    predictions = [pair for entry in entries for pair in entry.predictions]
    rows = []
    for sureness in SURENESS:
        outcomes = [outcome_ for answer, outcome_ in predictions if answer.sureness == sureness]
        rows.append(CalibrationRow(sureness, len(outcomes), outcomes.count(RIGHT)))
    return rows


def _missed(entry: Entry) -> bool:
    return (
        entry.first is not None
        and entry.first.sureness >= HIGH
        and entry.verdicts["first"] == WRONG
    )


def _locked(old: Entry, new: Entry) -> Iterable[tuple[Answer | None, Answer | None]]:
    """The answers of two states of an entry, in pairs."""
    names = ("first", "second", "revised", "transfer_answer")
    return ((getattr(old, name), getattr(new, name)) for name in names)


def _progress(entry: Entry) -> tuple[int, bool, str]:
    return STAGES.index(entry.stage), entry.second is not None, entry.finished or ""


def _outcome(asked: AskedQuestion | None, answer: Answer | None) -> str:
    if asked is None or asked.key is None or answer is None:
        return SKIPPED
    return outcome(asked.key, answer.value)


def _answer(prepared: PreparedQuestion, value: str, sureness: int, now: str) -> Answer:
    if sureness not in SURENESS:
        raise HeadlabError("Sureness is one of 1, 2, 3, 4, 5: choose one.")
    option = prepared.option(value)
    return Answer(option.value, option.text, sureness, now or _now())


def _words(words: str) -> str:
    words = words.strip()
    if not words:
        raise HeadlabError("There is nothing written yet: write a few words, or skip.")
    if len(words) > MAX_LENGTH:
        raise HeadlabError(f"This is longer than {MAX_LENGTH:,} characters: shorten it.")
    return words


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _entry_json(entry: Entry) -> dict[str, Any]:
    data = asdict(entry)
    for name in ("question", "transfer"):
        asked = getattr(entry, name)
        if asked is not None and asked.key is not None:
            data[name]["key"]["figures"] = dict(asked.key.figures)
    if entry.second is None:  # as in the files of those who never voted twice
        del data["second"]
    return {**data, "verdicts": entry.verdicts}
