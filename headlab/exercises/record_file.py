"""A learner's record read from a file, which may be damaged, changed by hand, or something else."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

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
from headlab.files import decoded


def parse_record(source: str | bytes) -> Record:
    """A record from the text of a file; HeadlabError with one sentence if it is none."""
    if len(source) > MAX_BYTES:
        raise HeadlabError(
            f"The file is larger than any record ({MAX_BYTES:,} bytes): choose the file that "
            "headlab gave you."
        )
    try:
        text = decoded(source) if isinstance(source, bytes) else source
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise HeadlabError(
            "The file is no record: it is damaged or something else; choose the .json file that "
            "headlab gave you."
        ) from error
    return record_from_dict(data)


def record_from_dict(data: Any) -> Record:
    """A record from JSON types, as ``Record.to_dict`` gives them; one sentence if it is none."""
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        shown = repr(schema)[:60]
        raise HeadlabError(
            f"The file is no record that this version reads (its schema is {shown}, not "
            f"{SCHEMA!r}): use the version of headlab that wrote it."
        )
    try:
        found = _Record.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        _fail(first["loc"], _sentence(first))
    entries = tuple(_entry(entry, number) for number, entry in enumerate(found.entries))
    if len({entry.identity for entry in entries}) < len(entries):
        _fail((), "holds one step twice")
    return Record(found.id, found.created, found.versions, found.name, entries)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


# -- what the file holds


def _text(most: int = MAX_LENGTH, **more: Any) -> Any:
    return Field(max_length=most, description=f"a text of at most {most:,} characters", **more)


def _whole(low: int, high: int, **more: Any) -> Any:
    return Field(ge=low, le=high, description=f"a whole number from {low} to {high}", **more)


def _number() -> Any:
    what = "a number of at most a million, or null"
    return Field(ge=-1e6, le=1e6, allow_inf_nan=False, description=what)


def _texts(most: int) -> Any:
    return Field(max_length=most, description=f"a list of at most {most} short texts")


def _named() -> Any:
    return Field(max_length=100, description="an object of at most 100 texts")


def _with_zone(value: str) -> str:
    assert datetime.fromisoformat(value).tzinfo is not None
    return value


def _writable(value: Any) -> bool:
    """Whether no text in it holds half a character, which no file can keep."""
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return all(_writable(each) for pair in value.items() for each in pair)
    return not isinstance(value, list) or all(map(_writable, value))


Time = Annotated[
    str,
    AfterValidator(_with_zone),
    Field(max_length=40, description="a date and time with its time zone"),
]
Short = Annotated[str, Field(max_length=200)]
Long = Annotated[str, Field(max_length=MAX_LENGTH)]


class _Part(BaseModel):
    """One object of the file: nothing is converted, left out or added.

    The description of a field ends the sentence "... needs 'step': a whole number".
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @field_validator("*")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        assert _writable(value)
        return value


class _Setting(_Part):
    model: str = _text(500)
    content_hash: str = _text(64)
    start_token: int | None = _whole(0, 10**9)
    start_text: str | None = _text(200)
    second_hash: str | None = _text(64, default=None)
    second_start: int | None = _whole(0, 10**9, default=None)


class _Key(_Part):
    accepted: list[Short] = _texts(10_000)
    text: str = _text()
    graded: bool = Field(description="true or false")
    why: str = _text()
    score: float | None = _number()
    margin: float | None = _number()
    figures: dict[Long, Long] = _named()


class _Asked(_Part):
    ask: str = _text()
    kind: str = _text(60)
    text: str = _text()
    key: _Key | None


class _Answer(_Part):
    value: str = _text(200)
    text: str = _text(500)
    sureness: int = _whole(SURENESS[0], SURENESS[-1])
    at: Time


class _Entry(_Part):
    sheet: str = _text(200)
    sheet_title: str = _text()
    sheet_hash: str = _text(64)
    step: int = _whole(1, 1_000)
    step_title: str = _text()
    attempt: int = _whole(1, 1_000)
    setting: _Setting
    started: Time
    question: _Asked
    first: _Answer | None
    second: _Answer | None = None
    observation: str = _text()
    explanation: str = _text()
    revised: _Answer | None
    transfer: _Asked | None
    transfer_answer: _Answer | None
    skipped: list[Short] = _texts(len(STAGES))
    finished: Time | None
    verdicts: dict[Long, Long] = _named()


class _Record(_Part):
    schema_: str = Field(alias="schema")
    id: str = Field(min_length=1, max_length=64, description="an id of at most 64 characters")
    created: Time
    versions: dict[Long, Long] = _named()
    name: str = _text(200)
    entries: list[_Entry] = Field(
        max_length=MAX_ENTRIES, description=f"a list of at most {MAX_ENTRIES:,} entries"
    )


_OBJECTS: dict[str, type[BaseModel]] = {
    "entries": _Entry,
    "setting": _Setting,
    "question": _Asked,
    "transfer": _Asked,
    "key": _Key,
    **dict.fromkeys(("first", "second", "revised", "transfer_answer"), _Answer),
}


# -- what ties its parts together


def _entry(found: _Entry, number: int) -> Entry:
    transfer = None if found.transfer is None else _asked(found.transfer)
    entry = Entry(
        sheet=found.sheet,
        sheet_title=found.sheet_title,
        sheet_hash=found.sheet_hash,
        step=found.step,
        step_title=found.step_title,
        attempt=found.attempt,
        setting=Setting(**found.setting.model_dump()),
        started=found.started,
        question=_asked(found.question),
        first=_answer(found.first),
        second=_answer(found.second),
        observation=found.observation,
        explanation=found.explanation,
        revised=_answer(found.revised),
        transfer=transfer,
        transfer_answer=_answer(found.transfer_answer),
        skipped=tuple(found.skipped),
        finished=found.finished,
    )
    for wrong in _wrong(entry, found.verdicts):
        _fail(("entries", number), wrong)
    return entry


def _asked(found: _Asked) -> AskedQuestion:
    key = None
    if found.key is not None:
        key = Key(**found.key.model_dump() | {"accepted": tuple(found.key.accepted)})
    return AskedQuestion(found.ask, found.kind, found.text, key)


def _answer(found: _Answer | None) -> Answer | None:
    return None if found is None else Answer(**found.model_dump())


def _wrong(entry: Entry, verdicts: dict[str, str]) -> Iterable[str]:
    """What does not follow: verdicts from answers and keys, and acts from those before."""
    asked = [entry.question, *([entry.transfer] if entry.transfer else [])]
    if any(each.kind not in kinds() for each in asked):
        yield "asks a question of an unknown kind"
    if any(each.key and each.key.graded and not each.key.accepted for each in asked):
        yield "is graded without an answer"
    if verdicts != entry.verdicts:
        yield "has a verdict that does not follow from its answer and key"
    later = (
        *(entry.second, entry.observation, entry.explanation, entry.revised),
        entry.transfer_answer,
    )
    if entry.first is None and any(later):
        yield "goes on after a prediction that was never made"
    for question, answer in (
        (entry.question, entry.first),
        (entry.transfer, entry.transfer_answer),
    ):
        if answer is not None and (question is None or question.key is None):
            yield "has an answer without a key"
    if any(stage not in STAGES[:-1] for stage in entry.skipped):
        yield "skips a stage that does not exist"
    if (entry.transfer is None) != (entry.transfer_answer is None):
        yield "has half a transfer"
    if (entry.stage == DONE) != (entry.finished is not None):
        yield "is finished on one page and not on the other"


# -- sentences


def _fail(place: tuple[int | str, ...], what: str) -> NoReturn:
    raise HeadlabError(f"{_where(place)} {what}; use the file as headlab gave it.")


def _where(place: tuple[int | str, ...]) -> str:
    """The object that a place lies in, in words."""
    words: list[str] = []
    for part in place:
        if isinstance(part, int) and not words:
            words.append(f"entry {part + 1}")
        elif part in _OBJECTS and part != "entries":
            words.append(str(part))
    return f"The record is damaged or was changed by hand: {', '.join(words) or 'record'}"


def _sentence(found: Any) -> str:
    """What a schema found, said of the object it was found in."""
    place = [part for part in found["loc"] if isinstance(part, str)]
    if found["type"] == "extra_forbidden":
        return f"holds {place[-1][:40]!r}, which does not belong there"
    if found["type"] == "missing":
        return f"has no {place[-1]!r}"
    schema: type[BaseModel] = _Record
    name, wanted = "", None
    for part in place:
        if part in schema.model_fields:
            name, wanted = part, schema.model_fields[part].description
            schema = _OBJECTS.get(part, schema)
    if name == "id" and found["type"] == "string_too_short":
        return "has an empty id"
    if name in _OBJECTS and found["loc"][-1] != "entries":
        return "is no object"
    return f"needs {wanted} as {name!r}"
