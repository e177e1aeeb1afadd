"""What is wrong with a file, in sentences with file, line, cause and remedy."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from headlab.errors import HeadlabError, unknown
from headlab.exercises.format import MAX_TEXT_LENGTH
from headlab.exercises.lines import Place, line_numbers, line_of

MAX_TOLD = 8  # mistakes that one error's sentence names

# Names under which a sheet could hold an answer.
FORBIDDEN = frozenset(
    "answer answers key keys correct correct_answer right_answer solution solutions".split()
)

WORDS = f"a text in quotes, not empty and at most {MAX_TEXT_LENGTH:,} characters long"


def words_fit(value: Any) -> bool:
    """Whether these are words of a fit length."""
    return isinstance(value, str) and bool(value.strip()) and len(value) <= MAX_TEXT_LENGTH


def _filled(words: str) -> str:
    assert words_fit(words)
    return words


Words = Annotated[str, AfterValidator(_filled), Field(description=WORDS)]


class Schema(BaseModel):
    """One table: nothing is converted, and no unknown key is taken.

    The description of a field ends the sentence "'minutes' must be ...".
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Found = TypeVar("Found", bound=Schema)


class FileMistakes(HeadlabError):
    """All that is wrong with one file, one sentence for each mistake."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self.sentences = tuple(sentences)
        more = len(sentences) - MAX_TOLD
        told = [*sentences[:MAX_TOLD], *([f"And {more} more."] if more > 0 else [])]
        super().__init__(" ".join(told))


class Checked:
    """A file that is being checked; mistakes are gathered, and told together at the end."""

    def __init__(self, file: str, source: str) -> None:
        self.file, self.source = file, source
        self.mistakes: list[tuple[Place, str]] = []

    def add(self, place: Iterable[str | int], what: str) -> None:
        """Note what is wrong at a place."""
        mistake = (tuple(place), what)
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)

    def read(
        self, schema: type[Found], table: Any, place: Place = (), own: Iterable[str] | None = None
    ) -> Found | None:
        """The table as its schema describes it; None, with the mistakes noted, if it does not fit.

        ``own`` are the keys that the table holds itself: what it takes from another one was checked
        there.
        """
        try:
            return schema.model_validate(table)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            unknown_keys = [str(e["loc"][-1]) for e in errors if e["type"] == "extra_forbidden"]
            told = set()
            for found in errors:
                key = str(found["loc"][0]) if found["loc"] else ""
                is_misspelt = found["type"] == "missing" and get_close_matches(key, unknown_keys)
                if key not in told and not is_misspelt and (own is None or key in own):
                    told.add(key)
                    self.add((*place, *found["loc"]), _sentence(schema, key, found))
            return None

    def finish(self) -> None:
        """Raise what was noted, in the order of the file."""
        if self.mistakes:
            lines = line_numbers(self.source)
            numbered = [(line_of(place, lines), place, what) for place, what in self.mistakes]
            raise FileMistakes(
                [
                    f"{self.file}, line {line}: {_where(place)}{what}"
                    for line, place, what in sorted(numbered, key=lambda found: found[0])
                ]
            )


def short(value: Any) -> str:
    """A value as a sentence can quote it."""
    words = str(value)
    return words if len(words) <= 60 else f"{words[:57]}..."


def one_line(words: str) -> str:
    """The words with every line break and run of spaces as one space."""
    return " ".join(words.split())


def _where(place: Place) -> str:
    """The step and the part of it, in words."""
    if place[:1] != ("steps",) or len(place) < 2:
        return ""
    parts = [str(part) for part in place[2:] if part in ("question", "transfer", "generic")]
    return f"step {int(place[1]) + 1}, " + (f"{'.'.join(parts)}: " if parts else "")


def _sentence(schema: type[Schema], key: str, found: Any) -> str:
    """What a schema found, said to the person who wrote the file."""
    names = {field.alias or name: field for name, field in schema.model_fields.items()}
    if found["type"] == "extra_forbidden":
        if key.lower().strip() in FORBIDDEN:
            return would_hold_an_answer(key)
        return str(unknown("key", short(key), names))
    if found["type"] == "value_error":
        return str(found["ctx"]["error"])
    wanted = names[key].description if key in names else "a table"
    if found["type"] == "missing" and len(found["loc"]) == 1:
        return f"{key!r} is missing: it must be {wanted}."
    return f"{key!r} must be {wanted}."


def would_hold_an_answer(key: str) -> str:
    """What is said of a key that could hold an answer."""
    return (
        f"{key!r} would hold an answer: delete it, answers are measured when the question is "
        "prepared."
    )
