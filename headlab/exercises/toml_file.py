"""A TOML file read as people write it, or refused with a sentence."""

import re
import tomllib
from pathlib import Path
from typing import Any

from headlab.errors import HeadlabError
from headlab.files import decoded, read_bytes

MAX_BYTES = 200_000  # bytes; far more than anyone writes by hand
MAX_DOTS = 200  # in a line: names of thousands of parts keep a TOML parser busy for minutes

_PLACE = re.compile(r"(.*) \(at line (\d+), column (\d+)\)")
_END = " (at end of document)"
_KEY = re.compile(r"\s*([^\s=\"'#\[]+)\s*=")
_TYPOGRAPHIC = re.compile(r"[=\[,]\s*[“”„«»‘’]")


def file_bytes(path: Path) -> bytes:
    """What a file holds; a sentence where it is too large or cannot be read."""
    return read_bytes(path, MAX_BYTES)


def written(path: Path) -> int:
    """When the file was written last, in nanoseconds; 0 where it cannot be told."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def read_toml(raw: bytes, file: str) -> tuple[str, dict[str, Any]]:
    """The text of a TOML file and what it says; a sentence with file, line and remedy."""
    _check_size(len(raw), file)
    try:
        text = decoded(raw)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise HeadlabError(
            f"{file}, line {line}: this is not UTF-8 text: save the file as UTF-8."
        ) from error
    _check_dots(text, file)
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise HeadlabError(f"{file}{_cause(error, text)}") from error
    if not data:
        raise HeadlabError(
            f"{file}, line 1: the file says nothing yet: write into it, and save it."
        )
    return text, data


def _check_size(size: int, file: str) -> None:
    if size > MAX_BYTES:
        raise HeadlabError(
            f"{file} is {size:,} bytes long and may have {MAX_BYTES:,}: split it into several."
        )


def _check_dots(text: str, file: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MAX_DOTS:
            raise HeadlabError(
                f"{file}, line {number}: this line has more than {MAX_DOTS} dots: write fewer."
            )


def _cause(error: Exception, text: str) -> str:
    """Where the file is no TOML, and what to do about it."""
    if isinstance(error, RecursionError):
        return ": brackets are nested too deeply: a file needs no more than two levels."
    words = re.sub(r"\s+", " ", str(error))
    if words.endswith(_END):
        number = text.rstrip().count("\n") + 1
        what = words.removesuffix(_END)
        return f", line {number}: this is no TOML ({what}): check quotes and brackets."
    found = _PLACE.fullmatch(words)
    if found is None:  # such as a number of thousands of digits
        return f": this is no TOML ({words}): check quotes and brackets."
    what, number, column = found[1], int(found[2]), found[3]
    line = text.split("\n")[number - 1]
    key = _KEY.match(line)
    remedy = "check quotes and brackets"
    if key and not key[1].isascii():
        remedy = f"write the name {key[1][:40]} with letters without accents, or in quotes"
    elif _TYPOGRAPHIC.search(line):
        remedy = 'write straight quotes, " and ", not typographic ones'
    elif re.search(r"=\s*(True|False)\b", line):
        remedy = "write true and false in small letters"
    return f", line {number}, column {column}: this is no TOML ({what}): {remedy}."
