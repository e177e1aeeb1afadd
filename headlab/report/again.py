"""How a report is made again: the one place in this room that knows the command line.

Page, command and Python write the same report, so the command stands in its data whoever made it.
"""

import shlex
from collections.abc import Sequence
from typing import Any

from headlab.report.causes import REPORTED


def command(data: dict[str, Any]) -> str:
    """The command that makes a report again from the same model; it says what differs from usual.

    Notes and record are read from the report itself, as ``report.html``.
    """
    words = ["python", "-m", "headlab"]
    flags = ["--no-start-token"] if data["start_token"] is None else []
    flags += ["--special-tokens"] if data["special_tokens"] else []
    against = data["comparison"]
    if data["reading"] is None and against is not None:
        sides = [data["model"]["asked_for"], against["asked_for"]]
        given = [("date", data["date"]), ("out", "again.html")]
        return shlex.join([*words, "compare", *flags, *_options(given), "--", *sides])
    given = [("model", data["model"]["asked_for"]), ("text", data["text"])]
    if written := data["written"]:
        given[-1:] = [("text", written["after"]), ("continue", written["tokens"])]
        given += [("seed", written["seed"])] if written["seed"] is not None else []
    given += [("entity", f"{entity}={attribute}") for entity, attribute in data["entities"]]
    if set(data["behaviours"]) != set(data["profile"]["score"]):
        given += [("behaviour", name) for name in data["behaviours"]]
    given += [("head", card["head"]) for card in data["cards"]]
    for removed in data["interventions"]:
        given += [("remove", head) for head in removed["heads"]]
        expected = removed["expected"][0]["text"]
        given += [("watch", w["text"]) for w in removed["watched"] if w["text"] != expected]
    for why in (data["mechanisms"] or {"why": []})["why"]:
        given += [("explain", f"{why['head']}:{why['query']}:{why['key']}")]
    flags += ["--corpus"] if data["corpus"] else []
    flags += ["--every"] if data["sweep"] else []
    given += [("compare", against["asked_for"])] if against else []
    given += [("sections", name) for name in data["sections"]]
    given += [(part, data[part]) for part in ("title", "name", "course") if data[part]]
    given += [(part, "report.html") for part in ("notes", "record") if data[part]]
    given += [("date", data["date"]), ("out", "again.html")]
    return shlex.join([*words, "report", *flags, *_options(given)])


def _options(given: Sequence[tuple[str, Any]]) -> list[str]:
    return [f"--{option}={value}" for option, value in given]


def is_enough(data: dict[str, Any]) -> bool:
    """Whether the command takes all of it: no circuit, and the rest as usual."""
    ways = [[way["mode"] for way in each["ways"]] for each in data["interventions"]]
    sweep = data["sweep"] or {"mode": "mean", "metric": "loss"}
    by_compare = data["reading"] is None and any(data[part] for part in ("name", "course", "notes"))
    mechanisms = data["mechanisms"] or {"told": [], "kept": []}
    comparison, ours = data["comparison"], data["model"]["content_hash"]
    return (
        ways in ([], [list(REPORTED)])
        and (sweep["mode"], sweep["metric"]) == ("mean", "loss")
        and (comparison is None or comparison["before"]["content_hash"] == ours)
        and not (mechanisms["told"] or mechanisms["kept"])
        and not by_compare
    )
