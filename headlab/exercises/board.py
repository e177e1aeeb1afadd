"""The class board: many learning records side by side.

A record proves nothing about who made it; the board shows what a class answered, not who knows
what. Files that are no sound records are listed with the reason and left out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from headlab.errors import HeadlabError
from headlab.exercises.prepared import RIGHT, WRONG, Key
from headlab.exercises.record import (
    HIGH,
    Answer,
    AskedQuestion,
    CalibrationRow,
    Entry,
    Record,
    Setting,
    calibration,
)
from headlab.exercises.record_file import parse_record
from headlab.exercises.votes import Votes
from headlab.files import to_csv

COLUMNS = (
    *("learner", "sheet", "step", "step_title", "attempt", "part", "model", "content_hash"),
    *("start_token", "question", "text", "key", "graded", "margin", "answer", "sureness"),
    *("verdict", "answered_at", "observation", "explanation", "skipped", "versions"),
)


@dataclass(frozen=True)
class QuestionBoard:
    """What a class answered to one question on one model.

    ``part`` is "question" or "transfer". ``first``, ``second`` (a room's vote after talking) and
    ``revised`` count answers by their words, most frequent first (a transfer has only first ones).
    ``right_first`` and ``right_revised`` count the right ones. ``missing`` learners have not
    answered, ``skipped`` of them on purpose. ``keys`` above 1 means that the records disagree about
    the answer. ``votes`` sets the first beside the second, for those who gave both.
    """

    place: tuple[Any, ...]
    sheet: str
    sheet_title: str
    step: int
    step_title: str
    part: str
    ask: str
    text: str
    setting: Setting
    key: Key
    keys: int
    first: Mapping[str, int]
    second: Mapping[str, int]
    revised: Mapping[str, int]
    accepted: frozenset[str]
    right_first: int
    right_revised: int
    skipped: int
    missing: int
    votes: Votes


@dataclass(frozen=True)
class Miss:
    """A wrong answer that learners were sure of: which, to what, and how many gave it."""

    question: QuestionBoard
    answer: str
    learners: int


@dataclass(frozen=True)
class Board:
    """The sound records of a class, and which files were left out and why.

    ``merged`` counts files that repeat a record which is there already. ``shared`` holds, as places
    in ``records``, those that have one id and different names: several people at one browser, or a
    name that was corrected.
    """

    records: tuple[Record, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    merged: int = 0
    shared: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def read(
        cls,
        files: Iterable[tuple[str, str | bytes]],
        read: Callable[[str | bytes], Record] = parse_record,
    ) -> "Board":
        """A board over files given as (file name, content); ``read`` gets the record of one."""
        records: dict[tuple[str, str], Record] = {}
        left_out, merged = [], 0
        for name, content in files:
            try:
                record = read(content)
            except HeadlabError as error:
                left_out.append((name, str(error)))
                continue
            key = (record.id, record.name.strip())
            if key in records:
                merged += 1
                record = records[key].merge(record)
            records[key] = record
        places: dict[str, list[int]] = {}
        for place, (identity, _) in enumerate(records):
            places.setdefault(identity, []).append(place)
        shared = tuple(tuple(one) for one in places.values() if len(one) > 1)
        return cls(tuple(records.values()), tuple(left_out), merged, shared)

    @property
    def cautions(self) -> list[str]:
        """A sentence about each record that bears several names."""
        names = self.learners()
        return [
            f"One record bears several names: {', '.join(names[place] for place in places)}. They "
            "are counted as different people; what stands in several of their files counts for "
            "each. If only a name was corrected, leave the older file out."
            for places in self.shared
        ]

    @property
    def entries(self) -> list[Entry]:
        """Every entry of every record."""
        return [entry for record in self.records for entry in record.entries]

    def learners(self) -> list[str]:
        """A name for each record; unnamed ones get the beginning of their id."""
        return [record.name or f"unnamed {record.id[:6]}" for record in self.records]

    def anonymised(self) -> "Board":
        """The same without names and ids; what learners wrote stays."""
        records = (
            replace(record, id=f"learner-{index}", name=f"Learner {index}")
            for index, record in enumerate(self.records, 1)
        )
        files = ((f"file {i}", why) for i, (_, why) in enumerate(self.left_out, 1))
        return replace(self, records=tuple(records), left_out=tuple(files))

    def questions(self) -> list[QuestionBoard]:
        """Every question that anyone has met, in the order of sheets and steps."""
        return list(self._questions)

    @cached_property
    def _questions(self) -> tuple[QuestionBoard, ...]:
        groups: dict[tuple[Any, ...], list[Entry]] = {}
        for record in self.records:
            for entry in _first_attempts(record):
                groups.setdefault(entry.place, []).append(entry)
        ordered = sorted(groups.values(), key=lambda g: (g[0].sheet, g[0].step, g[0].setting.model))
        boards = []
        for entries in ordered:
            for part in ("question", "transfer"):
                board = self._question(entries, part)
                if board is not None:
                    boards.append(board)
        return tuple(boards)

    def _question(self, entries: Sequence[Entry], part: str) -> QuestionBoard | None:
        """One part of one step, None if nobody has answered it."""
        found = [_part(entry, part) for entry in entries]
        asked = [asked for asked, *_ in found if asked is not None and asked.key is not None]
        if not asked:
            return None
        keys = Counter(a.key.accepted for a in asked if a.key is not None)
        common = keys.most_common(1)[0][0]
        about = next(a for a in asked if a.key is not None and a.key.accepted == common)
        assert about.key is not None
        first = [answer for _, answer, _ in found if answer is not None]
        revised = [answer for _, _, answer in found if answer is not None]
        voted = [entry for entry in entries if entry.second is not None and part == "question"]
        second = [entry.second for entry in voted if entry.second is not None]
        verdict = {"question": "first", "transfer": "transfer"}[part]
        stage = {"question": "predict", "transfer": "transfer"}[part]
        entry = entries[0]
        return QuestionBoard(
            place=entry.place,
            sheet=entry.sheet,
            sheet_title=entry.sheet_title,
            step=entry.step,
            step_title=entry.step_title,
            part=part,
            ask=about.ask,
            text=about.text,
            setting=entry.setting,
            key=about.key,
            keys=len(keys),
            first=_counted(first),
            second=_counted(second),
            revised=_counted(revised),
            accepted=frozenset(a.text for a in (*first, *second, *revised) if a.value in common),
            right_first=sum(e.verdicts[verdict] == RIGHT for e in entries),
            right_revised=sum(
                e.verdicts["revised"] == RIGHT for e in entries if part == "question"
            ),
            skipped=sum(stage in e.skipped for e in entries),
            missing=len(self.records) - len(first),
            votes=Votes.of(voted),
        )

    def current(self) -> QuestionBoard | None:
        """The question that most learners answered last, None before anybody has."""
        latest = [max(r.entries, key=lambda e: e.started) for r in self.records if r.entries]
        places = Counter(entry.place for entry in latest if entry.first is not None)
        if not places:
            return None
        place = places.most_common(1)[0][0]
        return next(q for q in self._questions if q.place == place and q.part == "question")

    def calibration(self) -> list[CalibrationRow]:
        """How sure against how right, over the whole class."""
        return calibration(self.entries)

    def confident_misses(self, top: int = 10) -> list[Miss]:
        """Wrong answers given with high sureness, most common first."""
        misses = []
        for question in self.questions():
            answers: Counter[str] = Counter()
            for record in self.records:
                for entry in _first_attempts(record):
                    answers.update(_confident_miss(entry, question))
            misses += [Miss(question, answer, n) for answer, n in answers.items()]
        return sorted(misses, key=lambda miss: -miss.learners)[:top]

    def missing(self) -> pd.DataFrame:
        """Which steps of the sheets met by anyone each learner has not finished: a tidy table."""
        steps = {entry.place: entry for entry in self.entries}
        rows = []
        for learner, record in zip(self.learners(), self.records, strict=True):
            finished = {entry.place for entry in record.entries if entry.finished}
            rows += [
                {
                    "learner": learner,
                    "sheet": entry.sheet,
                    "step": entry.step,
                    "model": entry.setting.model,
                }
                for place, entry in steps.items()
                if place not in finished
            ]
        return pd.DataFrame(rows, columns=["learner", "sheet", "step", "model"])

    def table(self) -> pd.DataFrame:
        """One row for each answer (first, second, revised, transfer) of a learner: ``COLUMNS``."""
        rows = [
            row
            for learner, record in zip(self.learners(), self.records, strict=True)
            for entry in record.entries
            for row in _rows(learner, record, entry)
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def to_csv(self) -> str:
        """The table as CSV that spreadsheets open right."""
        return to_csv(self.table())

    def by_learner(self) -> pd.DataFrame:
        """One row for each learner: what they took part in, and how they answered.

        ``id``, ``name``, ``steps done`` of ``steps`` (those that anyone met), how many they
        ``predicted`` and ``explained``, and of the graded ones how many were ``first right``,
        ``second right`` (in a room, after talking) and, after another look, ``revised right``.
        """
        n_steps = len({entry.place for entry in self.entries})
        rows = []
        for learner, record in zip(self.learners(), self.records, strict=True):
            entries = _first_attempts(record)
            verdicts = [entry.verdicts for entry in entries]
            rows.append(
                {
                    "id": record.id,
                    "name": learner,
                    "steps done": sum(entry.finished is not None for entry in entries),
                    "steps": n_steps,
                    "predicted": sum(entry.first is not None for entry in entries),
                    "explained": sum(bool(entry.explanation) for entry in entries),
                    "first right": sum(each["first"] == RIGHT for each in verdicts),
                    "second right": sum(each.get("second") == RIGHT for each in verdicts),
                    "revised right": sum(each["revised"] == RIGHT for each in verdicts),
                }
            )
        return pd.DataFrame(rows)


def _first_attempts(record: Record) -> list[Entry]:
    """The earliest attempt at each step: what the learner predicted before seeing anything."""
    first: dict[tuple[Any, ...], Entry] = {}
    for entry in sorted(record.entries, key=lambda entry: entry.attempt):
        first.setdefault(entry.place, entry)
    return list(first.values())


def _part(entry: Entry, part: str) -> tuple[AskedQuestion | None, Answer | None, Answer | None]:
    """What was asked, the first and the revised answer."""
    if part == "transfer":
        return entry.transfer, entry.transfer_answer, None
    return entry.question, entry.first, entry.revised


def _counted(answers: Iterable[Answer]) -> dict[str, int]:
    return dict(Counter(answer.text for answer in answers).most_common())


def _confident_miss(entry: Entry, question: QuestionBoard) -> list[str]:
    """The entry's answer to this question if it was wrong and sure, else nothing."""
    _, answer, _ = _part(entry, question.part)
    verdict = entry.verdicts["first" if question.part == "question" else "transfer"]
    missed = answer is not None and answer.sureness >= HIGH and verdict == WRONG
    return [answer.text] if entry.place == question.place and missed and answer else []


def _rows(learner: str, record: Record, entry: Entry) -> list[dict[str, Any]]:
    answers = {
        "first": (entry.question, entry.first),
        "second": (entry.question, entry.second),
        "revised": (entry.question, entry.revised),
        "transfer": (entry.transfer, entry.transfer_answer),
    }
    rows = []
    for part, (asked, answer) in answers.items():
        key = None if asked is None else asked.key
        if asked is None or (answer is None and part != "first"):
            continue
        values = (
            *(learner, entry.sheet, entry.step, entry.step_title, entry.attempt, part),
            *(entry.setting.model, entry.setting.content_hash),
            entry.setting.start_text or "none",
            *(asked.ask, asked.text),
            *((key.text, key.graded, key.margin) if key else ("", None, None)),
            *((answer.text, answer.sureness) if answer else ("", None)),
            *(entry.verdicts[part], answer.at if answer else ""),
            *(entry.observation, entry.explanation, " ".join(entry.skipped)),
            " ".join(f"{name} {number}" for name, number in record.versions.items()),
        )
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows
