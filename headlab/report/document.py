"""A report: its data, the HTML that is drawn from them, and the way back."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from headlab.behaviours import get_behaviour
from headlab.errors import HeadlabError
from headlab.evidence.references import get_reference
from headlab.exercises import Record, parse_record, record_from_dict
from headlab.figures import labels
from headlab.files import decoded, read_bytes, to_csv, write_file
from headlab.heads import Head
from headlab.measuring.budget import SHARES
from headlab.measuring.reading import Reading
from headlab.profiles.profile import Profile
from headlab.report import drawing
from headlab.report.contents import SCHEMA, report_data, unpack_patterns
from headlab.report.inputs import ReportInput
from headlab.report.notes import notes_html
from headlab.report.sections import SECTIONS

MAX_FILE = 30_000_000  # bytes of a report that is read back
CANNOT = "cannot be tested here"
_HERE = Path(__file__).parent
_DATA = '<script type="application/json" id="headlab-report">'
_END = "</script>"
# What HTML or a terminal could take for something else; JSON writes it as \\u and four digits.
_UNSAFE = re.compile("[<>&\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Report:
    """One report. ``data`` are JSON types; the HTML shows nothing else and holds them all."""

    data: Mapping[str, Any]

    @cached_property
    def patterns(self) -> np.ndarray:
        """The patterns float16 [layer, head, query, key]; pooled where a text was long."""
        if self.data.get("patterns", {}) is None:
            raise HeadlabError("The report is about no text, so it holds no patterns.")
        try:
            return unpack_patterns(self.data["patterns"])
        except (KeyError, TypeError, ValueError) as error:
            raise HeadlabError(
                "The patterns in the report are incomplete or were changed: use the file as "
                "headlab made it."
            ) from error

    @cached_property
    def profile(self) -> Profile:
        """The profile, without the scores of single prompts."""
        return Profile.from_dict(self.data["profile"])

    @cached_property
    def record(self) -> Record | None:
        """The learner's record, if the report holds one."""
        record = self.data["record"]
        return None if record is None else record_from_dict(record)

    def to_json(self) -> str:
        """The data as JSON that no HTML parser and no terminal takes for anything else."""
        source = json.dumps(self.data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", source)

    def html(self) -> str:
        """The report as one HTML file that needs nothing else."""
        return _draw(self.data, self.to_json())

    def table(self) -> pd.DataFrame:
        """Tidy: one row for each head and behaviour, in general and on the text."""
        table = self.profile.table()
        places = list(zip(table["behaviour"], table["layer"], table["head"], strict=True))
        read = self.data["reading"] or {"scores": {}, "chance": {}, "status": {}}
        for column, values in (
            ("text_score", read["scores"]),
            ("text_chance", read["chance"]),
            ("text_status", read["status"]),
        ):
            table[column] = [
                values[name][layer][head] if name in values else None
                for name, layer, head in places
            ]
        table["label"] = [self.data["profile"]["label"][layer][head] for _, layer, head in places]
        table["model"] = self.data["model"]["name"]
        table["start_token"] = self.data["start_text"] or "none"
        return table

    def to_csv(self) -> str:
        """The table as CSV that spreadsheets open right."""
        return to_csv(self.table())

    def save(self, path: str | Path) -> None:
        """Write the HTML; a sentence, and no part of a file, where that cannot be done."""
        write_file(path, self.html(), make_folder=True)


def make_report(reading: Reading | None, profile: Profile, **options: Any) -> Report:
    """A report on one text and one model, or, without a text, on a comparison of two.

    Parameters
    ----------
    reading : the text, read with the patterns of every layer kept; None for no text.
    profile : the profile of the same model and start-token policy.
    **options : the other fields of :class:`ReportInput`, all of which may be left out:
    interventions : what ``ablate`` found on the same text; the ``report`` command makes two, with
        the mean and with zero in place of the heads.
    sweep : what ``ablation_sweep`` found on the same text; shown on passports too.
    explanations : what ``explain_attention`` found on the same text.
    told : what ``strongest_senders`` found, each as a :class:`Told`.
    kept : what ``Circuit.faithfulness`` found on the same text, for one circuit.
    corpus : what ``corpus_looks`` found with the same model; shown for the heads of the passports.
    removals : what rungs 4 and 5 of the evidence ladders on the passports are compared with.
    comparison : what ``compare_profiles`` found, one of its two profiles being this one.
    record : the learner's own predictions, observations, explanations and revisions.
    sections : names of ``SECTIONS`` (default: all that have something in them).
    behaviours : those whose maps are shown (default: all of the profile).
    heads : those that get a passport (default: the first of each behaviour shown).
    entities : the entity/attribute pairs that the text was read with.
    title, name, course : of the report, of who hands it in, and for what; a line each.
    notes : Markdown; markup in it is shown as text.
    date : YYYY-MM-DD (default: SOURCE_DATE_EPOCH, else today, UTC).
    model, second : what the model, and that it is compared with, were asked for as, for the
        command that makes the report again.

    The same inputs give the same bytes. Raises HeadlabError for what a report cannot hold.
    """
    data = report_data(ReportInput(reading, profile, **options))
    return Report(json.loads(json.dumps(data, allow_nan=False)))  # what a file would give back


def open_report(path: str | Path) -> Report:
    """The report in a file, with its data exactly as they were."""
    return read_report(read_bytes(path, MAX_FILE), str(path))


def read_report(content: str | bytes, name: str = "The file") -> Report:
    """The report in the content of an HTML file."""
    no_report = f"{name} is no report of headlab, or was changed: use the file as headlab made it."
    try:
        text = decoded(content) if isinstance(content, bytes) else content
        source = text.partition(_DATA)[2].partition(_END)[0]
        data = json.loads(source, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise HeadlabError(no_report) from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise HeadlabError(
            f"{name} holds no report that this version reads (its schema is {str(schema)[:60]!r}, "
            f"not {SCHEMA!r}): use the version of headlab that wrote it."
        )
    return Report(data)


def read_record(content: str | bytes) -> Record:
    """A learning record from its own file, or from a report that holds one."""
    if not _is_html(content):
        return parse_record(content)
    record = read_report(content).data.get("record")
    if record is None:
        raise HeadlabError("The report holds no learning record: choose one that does.")
    return record_from_dict(record)


def read_notes(content: bytes) -> str:
    """Notes from a Markdown file, or those of a report."""
    if _is_html(content):
        return str(read_report(content).data.get("notes") or "")
    try:
        return decoded(content)
    except UnicodeDecodeError as error:
        raise HeadlabError("The notes are no text: save them as UTF-8.") from error


def _is_html(content: str | bytes) -> bool:
    start = content[:200] if isinstance(content, str) else content[:200].decode("latin-1")
    return start.lstrip().lower().startswith("<!doctype html")


def _no_number(name: str) -> float:
    raise ValueError(name)


# -- drawing


def _draw(data: Mapping[str, Any], source: str) -> str:
    style, script = _style(), _script()
    numbers = _Numbers(data)
    page = (
        _templates()
        .get_template("report.html")
        .render(
            data=data,
            sections=[SECTIONS[name] for name in data["sections"]],
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            num=numbers.show,
            at=numbers.at,
            of_head=lambda form, head, *path: numbers.show(form, *path, *Head.parse(head)),
            label_of=lambda head: _label(data, Head.parse(head)),
            passes=lambda name: _passes(data, name),
            most_sinks=int(np.argmax(data["statistics"]["sinks"])),
            patterns=cache(lambda: unpack_patterns(data["patterns"]).astype(np.float32)),
            drawing=drawing,
            shares_words=SHARES,
            labels=labels,
            about=get_behaviour,
            reference=get_reference,
            notes_html=notes_html,
            embedded=Markup(_DATA + source + _END),
        )
    )
    return _UNSEEN.sub("\ufffd", page)


def _label(data: Mapping[str, Any], head: Head) -> str:
    return str(data["heads"][head.layer * data["model"]["n_heads"] + head.head]["label"])


def _passes(data: Mapping[str, Any], name: str) -> np.ndarray:
    """Which heads [layer, head] pass a behaviour's threshold."""
    limit = data["profile"]["provenance"]["thresholds"][name]
    scale = "score" if limit["scale"] == "raw" else "excess"
    return np.array(data["profile"][scale][name], dtype=float) >= float(limit["threshold"])


def _policy(style: str, script: str) -> str:
    """A content security policy: our own style and script, and nothing from anywhere."""
    hashes = [
        base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        for code in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _style() -> str:
    return drawing.palettes() + (_HERE / "report.css").read_text(encoding="utf-8")


@cache
def _script() -> str:
    return (_HERE / "report.js").read_text(encoding="utf-8")


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class _Numbers:
    """Numbers of the page, each with the place in the data that it comes from."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data

    def at(self, *path: str | int) -> Any:
        """The value at a place in the data."""
        value: Any = self.data
        for part in path:
            value = value[part]
        return value

    def show(self, form: str, *path: str | int) -> Markup:
        """A number as people read it: ``form`` is "d", "g", "%", "%1", or decimals as in "+2"."""
        value = self.at(*path)
        if value is None:
            return Markup('<span class="none">{}</span>').format(CANNOT)
        if form == "d":
            words = f"{value:,}"
        elif form[0] == "%":
            words = f"{100 * value:.{form[1:] or 0}f} %"
        elif form == "g":
            words = f"{value:g}"
        else:
            sign, decimals = ("+", form[1:]) if form[0] == "+" else ("", form)
            words = f"{value:{sign}.{decimals}f}"
        place = "/".join(map(str, path))
        return Markup('<data data-at="{}" value="{}">{}</data>').format(place, value, words)
