"""A learner's record read from a file, which may be damaged, changed by hand, or something else."""

import json
from datetime import datetime
from typing import Any, NoReturn

from headlab.errors import HeadlabError
from headlab.exercises.kinds import kinds
from headlab.exercises.prepared import Key
from headlab.exercises.record import (
    DONE,
    MAX_BYTES,
    MAX_ENTRIES,
    MAX_LENGTH,
    SCHEMA,
    STAGES,
    SURENESS,
    Answer,
    AskedQuestion,
    Entry,
    Record,
    Setting,
)


def parse_record(source: str | bytes) -> Record:
    """A record from the text of a file; HeadlabError with one sentence if it is none."""
    if len(source) > MAX_BYTES:
        raise HeadlabError(
            f"The file is larger than any record ({MAX_BYTES:,} bytes): choose the file that "
            "headlab gave you."
        )
    try:
        text = source.decode("utf-8") if isinstance(source, bytes) else source
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise HeadlabError(
            "The file is no record: it is damaged or something else; choose the .json file that "
            "headlab gave you."
        ) from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        shown = repr(schema)[:60]
        raise HeadlabError(
            f"The file is no record that this version reads (its schema is {shown}, not "
            f"{SCHEMA!r}): use the version of headlab that wrote it."
        )
    return _record(_Fields(data, "record"))


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


class _Fields:
    """The fields of one JSON object, each asked for once; anything unfit or left over is named."""

    def __init__(self, data: Any, place: str) -> None:
        self.place = place
        if not isinstance(data, dict):
            self.fail("is no object")
        self.data: dict[str, Any] = data
        self.asked: set[str] = set()

    def fail(self, what: str) -> NoReturn:
        raise HeadlabError(
            f"The record is damaged or was changed by hand: {self.place} {what}; "
            "use the file as headlab gave it."
        )

    def get(self, name: str) -> Any:
        self.asked.add(name)
        if name not in self.data:
            self.fail(f"has no {name!r}")
        return self.data[name]

    def finish(self) -> None:
        for name in self.data.keys() - self.asked:
            self.fail(f"holds {str(name)[:40]!r}, which does not belong there")

    def text(self, name: str, longest: int = MAX_LENGTH) -> str:
        value = self.get(name)
        if not isinstance(value, str) or len(value) > longest or not _writable(value):
            self.fail(f"needs a text of at most {longest:,} characters as {name!r}")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.fail(f"needs a whole number from {low} to {high} as {name!r}")
        return value

    def number(self, name: str) -> float | None:
        value = self.get(name)
        if value is None:
            return None
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not fits or not abs(value) <= 1e6:
            self.fail(f"needs a number of at most a million, or null, as {name!r}")
        return value

    def flag(self, name: str) -> bool:
        value = self.get(name)
        if not isinstance(value, bool):
            self.fail(f"needs true or false as {name!r}")
        return value

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        value = self.get(name)
        fits = isinstance(value, list) and len(value) <= most
        if not fits or not all(isinstance(x, str) and len(x) <= 200 for x in value):
            self.fail(f"needs a list of at most {most} short texts as {name!r}")
        return tuple(value)

    def words(self, name: str) -> dict[str, str]:
        value = self.get(name)
        if not isinstance(value, dict) or len(value) > 100:
            self.fail(f"needs an object of at most 100 texts as {name!r}")
        inner = _Fields(value, f"{self.place}, {name}")
        return {key: inner.text(key) for key in value}

    def time(self, name: str) -> str:
        value = self.text(name, 40)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"needs a date and time as {name!r}")
        if moment.tzinfo is None:
            self.fail(f"needs a date and time with its time zone as {name!r}")
        return value

    def part(self, name: str) -> "_Fields | None":
        value = self.get(name)
        return None if value is None else _Fields(value, f"{self.place}, {name}")

    def needed(self, name: str) -> "_Fields":
        return _Fields(self.get(name), f"{self.place}, {name}")


def _writable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _record(fields: _Fields) -> Record:
    fields.get("schema")
    rows = fields.get("entries")
    if not isinstance(rows, list) or len(rows) > MAX_ENTRIES:
        fields.fail(f"needs a list of at most {MAX_ENTRIES:,} entries")
    record = Record(
        id=fields.text("id", 64),
        created=fields.time("created"),
        versions=fields.words("versions"),
        name=fields.text("name", 200),
        entries=tuple(_entry(_Fields(row, f"entry {i}")) for i, row in enumerate(rows, 1)),
    )
    fields.finish()
    if not record.id:
        fields.fail("has an empty id")
    if len({entry.identity for entry in record.entries}) < len(rows):
        fields.fail("holds one step twice")
    return record


def _entry(fields: _Fields) -> Entry:
    setting = fields.needed("setting")
    start = setting.get("start_token")
    transfer, transfer_answer = fields.part("transfer"), fields.part("transfer_answer")
    finished = fields.get("finished")
    first, revised = fields.part("first"), fields.part("revised")
    entry = Entry(
        sheet=fields.text("sheet", 200),
        sheet_title=fields.text("sheet_title"),
        sheet_hash=fields.text("sheet_hash", 64),
        step=fields.whole("step", 1, 1_000),
        step_title=fields.text("step_title"),
        attempt=fields.whole("attempt", 1, 1_000),
        setting=Setting(
            model=setting.text("model", 500),
            content_hash=setting.text("content_hash", 64),
            start_token=None if start is None else setting.whole("start_token", 0, 10**9),
            start_text=None if start is None else setting.text("start_text", 200),
        ),
        started=fields.time("started"),
        question=_asked(fields.needed("question")),
        first=None if first is None else _read_answer(first),
        observation=fields.text("observation"),
        explanation=fields.text("explanation"),
        revised=None if revised is None else _read_answer(revised),
        transfer=None if transfer is None else _asked(transfer),
        transfer_answer=None if transfer_answer is None else _read_answer(transfer_answer),
        skipped=fields.texts("skipped", len(STAGES)),
        finished=None if finished is None else fields.time("finished"),
    )
    setting.asked.add("start_text")
    setting.finish()
    if fields.words("verdicts") != entry.verdicts:
        fields.fail("has a verdict that does not follow from its answer and key")
    fields.finish()
    _check_order(fields, entry)
    return entry


def _check_order(fields: _Fields, entry: Entry) -> None:
    """What was committed must have been committed in order."""
    later = (entry.observation, entry.explanation, entry.revised, entry.transfer_answer)
    if entry.first is None and any(later):
        fields.fail("goes on after a prediction that was never made")
    for asked, answer in ((entry.question, entry.first), (entry.transfer, entry.transfer_answer)):
        if answer is not None and (asked is None or asked.key is None):
            fields.fail("has an answer without a key")
    if any(stage not in STAGES[:-1] for stage in entry.skipped):
        fields.fail("skips a stage that does not exist")
    if (entry.transfer is None) != (entry.transfer_answer is None):
        fields.fail("has half a transfer")
    if (entry.stage == DONE) != (entry.finished is not None):
        fields.fail("is finished on one page and not on the other")


def _asked(fields: _Fields) -> AskedQuestion:
    key = fields.part("key")
    asked = AskedQuestion(
        ask=fields.text("ask"),
        kind=fields.text("kind", 60),
        text=fields.text("text"),
        key=None if key is None else _read_key(key),
    )
    if asked.kind not in kinds():
        fields.fail("asks a question of an unknown kind")
    fields.finish()
    return asked


def _read_key(fields: _Fields) -> Key:
    key = Key(
        accepted=fields.texts("accepted", 10_000),
        text=fields.text("text"),
        graded=fields.flag("graded"),
        why=fields.text("why"),
        score=fields.number("score"),
        margin=fields.number("margin"),
        figures=fields.words("figures"),
    )
    if key.graded and not key.accepted:
        fields.fail("is graded without an answer")
    fields.finish()
    return key


def _read_answer(fields: _Fields) -> Answer:
    answer = Answer(
        value=fields.text("value", 200),
        text=fields.text("text", 500),
        sureness=fields.whole("sureness", SURENESS[0], SURENESS[-1]),
        at=fields.time("at"),
    )
    fields.finish()
    return answer
