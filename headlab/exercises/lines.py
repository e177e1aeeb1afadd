"""On which line of a TOML file a table or key begins: what its parser does not tell."""

import re
from collections.abc import Mapping, Sequence

Place = tuple[str | int, ...]  # such as ("steps", 0, "question", "kind"): keys, and list indices

_PART = r"""(?:[^\s.=\[\]"'#]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_LIST = re.compile(rf"\s*\[\[\s*({_NAME})\s*\]\]")
_TABLE = re.compile(rf"\s*\[\s*({_NAME})\s*\]")
_KEY = re.compile(rf"\s*({_NAME})\s*=")


def line_numbers(source: str) -> dict[Place, int]:
    """The line, from 1, of every table and key outside of inline tables and lists.

    >>> line_numbers("a = 1\\n[[steps]]\\n[steps.question]\\nkind = 2\\n")[("steps", 0, "question")]
    3
    """
    found: dict[Place, int] = {}
    counts: dict[Place, int] = {}  # tables of each list so far
    table: Place = ()
    quotes = ""  # of the string of several lines that the line lies in
    for number, line in enumerate(source.split("\n"), 1):
        if quotes:
            quotes = "" if quotes in line else quotes
            continue
        if match := _LIST.match(line):
            table = _inside(_parts(match[1]), counts)
            counts[table] = counts.get(table, 0) + 1
            found.setdefault(table, number)
            table = (*table, counts[table] - 1)
            found[table] = number
        elif match := _TABLE.match(line):
            table = _inside(_parts(match[1]), counts)
            found.setdefault(table, number)
        elif match := _KEY.match(line):
            place = table
            for part in _parts(match[1]):
                place = (*place, part)
                found.setdefault(place, number)
        quotes = _opened(line)
    return found


def line_of(place: Sequence[str | int], lines: Mapping[Place, int]) -> int:
    """The line of a place, or of the nearest thing around it; 1 where there is none."""
    place = tuple(place)
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


def _parts(name: str) -> list[str]:
    return [part[1:-1] if part[0] in "\"'" else part for part in re.findall(_PART, name)]


def _inside(parts: Sequence[str], counts: Mapping[Place, int]) -> Place:
    """The place that a header names: of each list on the way its last table."""
    place: Place = ()
    for part in parts[:-1]:
        place = (*place, part)
        if place in counts:
            place = (*place, counts[place] - 1)
    return (*place, parts[-1])


def _opened(line: str) -> str:
    """The quotes of a string that the line begins and does not end."""
    for quotes in re.findall(r'"""|\'\'\'', line):
        if line.count(quotes) % 2:
            return str(quotes)
    return ""
