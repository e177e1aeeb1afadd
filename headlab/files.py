"""Files as people and other programs leave them: read, decoded and written in one place.

Editors and shells of Windows write byte order marks, UTF-16 and CRLF; spreadsheets take a cell
that begins with ``=`` for a formula, and UTF-8 without a mark for something else.
"""

import os
import threading
from pathlib import Path
from typing import Any

import pandas as pd

from headlab.errors import HeadlabError

MARK = "\ufeff"  # the byte order mark, as a character
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
CSV_NOTE = "UTF-8 with a mark that spreadsheets know, commas between cells, decimal points."


def reason(error: Exception) -> str:
    """Why the system refuses, in its own words."""
    return str(getattr(error, "strerror", None) or error)


def read_bytes(path: str | Path, most: int | None = None) -> bytes:
    """What a file holds; a sentence where it cannot be read, or has more than ``most`` bytes."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise HeadlabError(f"{path} is a folder, and a file is needed: name a file in it.")
        if most is not None and size > most:
            raise HeadlabError(
                f"{path} is {size:,} bytes long and may have {most:,}: choose another file."
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise HeadlabError(f"{path} cannot be read ({reason(error)}): check the path.") from error


def decoded(raw: bytes) -> str:
    """Text as any editor saves it: UTF-8 or UTF-16, with or without a mark, any line ends.

    Raises UnicodeDecodeError, a ValueError, for anything else.
    """
    marked = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = raw.decode("utf-16" if marked else "utf-8")
    return text.removeprefix(MARK).replace("\r\n", "\n")


def write_file(path: str | Path, content: str | bytes, make_folder: bool = False) -> None:
    """Write the whole of it or nothing: whoever reads meanwhile finds the file of before.

    Text is written as UTF-8. Raises HeadlabError where the place cannot be written to.
    """
    path = Path(path)
    raw = content.encode("utf-8") if isinstance(content, str) else content
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name[:100]}.{os.getpid()}-{threading.get_ident()}")
        try:
            with part.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise HeadlabError(
            f"{path} cannot be written ({reason(error)}): choose another place."
        ) from error


def to_csv(table: pd.DataFrame) -> str:
    """The table as CSV that spreadsheets open right: with a mark, and nothing taken for formulas.

    Columns are separated by commas and numbers have decimal points, whatever the locale.
    """
    return MARK + str(table.map(harmless).to_csv(index=False, lineterminator="\n"))


def harmless(value: Any) -> Any:
    """A text that a spreadsheet would read as a formula gets an apostrophe in front."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return value
