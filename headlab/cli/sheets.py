"""``sheets check | new | key``: exercise sheets checked, begun, or answered."""

import argparse
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from headlab.cli.codes import DONE, FAILED
from headlab.cli.shared import (
    add_json,
    add_model,
    add_start_token,
    facts_line,
    facts_of,
    load,
    profile_of,
    profiled,
    show,
    start_policy,
)
from headlab.errors import HeadlabError
from headlab.exercises import MeasurementContext, PreparedQuestion, prepare, read_sheet, sheets
from headlab.exercises.foreign import foreign_texts
from headlab.exercises.guided import guided_problems
from headlab.exercises.sheets import template
from headlab.exercises.worksheet import worksheet
from headlab.files import write_file
from headlab.languages import speaking
from headlab.profiles.profile import Profile


def add_sheets(parser: argparse.ArgumentParser) -> None:
    """What `sheets check`, `sheets new` and `sheets key` take."""
    parts = parser.add_subparsers(
        dest="part", required=True, metavar="WHAT", parser_class=argparse.ArgumentParser
    )
    _add_check(parts)
    _add_new(parts)
    _add_key(parts)
    _add_print(parts)


def _add_check(parts: Any) -> None:
    parser = parts.add_parser(
        "check",
        help="say what is wrong with the sheets of a folder",
        description="Read one sheet, or every one of a folder; each mistake gets a line with "
        "file, line and remedy. Without DIR: the sheets that are offered to all, and the guided "
        "texts and pairs.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="a folder of .toml files, or one file"
    )
    add_json(parser)
    parser.set_defaults(run=_sheets_check)


def _add_new(parts: Any) -> None:
    parser = parts.add_parser("new", help="write a sheet with comments, to start from")
    parser.add_argument("name", metavar="NAME", help="its name: small letters, digits and hyphens")
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where to (here)")
    parser.set_defaults(run=_sheets_new)


def _add_key(parts: Any) -> None:
    parser = parts.add_parser(
        "key",
        help="print the answers of a sheet, measured on a model",
        description="Measure the answers of a sheet on a model, for the teacher. No sheet holds "
        "them: another model or start-token policy gives others.",
    )
    parser.add_argument("sheet", metavar="SHEET", help="a sheet's name, or a .toml file")
    add_model(parser)
    parser.add_argument(
        "--second",
        metavar="MODEL",
        help="for sheets that compare two models: the second one, or a .json file with its profile",
    )
    add_start_token(parser)
    add_json(parser)
    parser.set_defaults(run=_sheets_key)


def _add_print(parts: Any) -> None:
    parser = parts.add_parser(
        "print",
        help="write a sheet as a page for paper, or its answers",
        description="Write a sheet as one HTML page to print: questions with room to answer, or "
        "with --key the answers, measured on a model.",
    )
    parser.add_argument("sheet", metavar="SHEET", help="a sheet's name, or a .toml file")
    parser.add_argument("--out", type=Path, required=True, help="the .html file")
    parser.add_argument("--key", action="store_true", help="with the answers, for the teacher")
    add_model(parser)
    add_start_token(parser)
    parser.set_defaults(run=_sheets_print)


def _sheets_print(options: argparse.Namespace) -> int:
    path = Path(options.sheet)
    sheet = read_sheet(path) if path.suffix == ".toml" else sheets()[options.sheet]
    lab = replace(_WithProgress.of(load(options.model), start_policy(options)), options=options)
    write_file(options.out, worksheet(sheet, lab, options.key))
    print(f"written to {options.out}")
    return DONE


def _sheets_check(options: argparse.Namespace) -> int:
    folder: Path | None = options.folder
    if folder is not None and not folder.exists():
        raise HeadlabError(
            f"There is no file or folder {folder}: give a sheet, or the folder that holds them."
        )
    found = sheets(folder)
    problems = (guided_problems() if folder is None else {}) | found.problems
    if not found.sheets and not found.problems:
        raise HeadlabError(f"There is no .toml file in {folder}: `sheets new` writes one.")
    rows = [
        {"sheet": s.name, "title": s.title, "steps": len(s.steps), "minutes": s.minutes}
        for s in found.sheets.values()
    ]
    mini = load("mini")
    doubts = {s.name: foreign_texts(mini, s.texts) for s in found.sheets.values()}
    doubts = {name: sentences for name, sentences in doubts.items() if sentences}
    if rows or options.json:
        data = {"sheets": rows, "problems": problems, "doubts": doubts}
        show(pd.DataFrame(rows), data, options)
    for name, sentences in doubts.items():
        for sentence in sentences:
            print(f"headlab: {name}: {sentence}", file=sys.stderr)
    for name, problem in problems.items():
        for sentence in found.mistakes.get(name, (problem,)):
            print(f"headlab: {sentence}", file=sys.stderr)
    return FAILED if problems else DONE


def _sheets_new(options: argparse.Namespace) -> int:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", options.name):
        raise HeadlabError(
            f"{options.name!r} is no name for a sheet: use small letters, digits and hyphens, such "
            "as my-first-sheet."
        )
    path = options.out / f"{options.name}.toml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template(options.name))
    except FileExistsError as error:
        raise HeadlabError(f"{path} is there already: choose another name.") from error
    except OSError as error:
        raise HeadlabError(
            f"{path} cannot be written ({error.strerror}): choose another place."
        ) from error
    print(f"written to {path}")
    return DONE


@dataclass(frozen=True, eq=False)
class _WithProgress(MeasurementContext):
    """A model that is profiled with a progress bar."""

    options: argparse.Namespace = field(default_factory=argparse.Namespace)

    def profile(self) -> Profile:
        if "profile" not in self._kept:
            self._kept["profile"] = profiled(self.model, self.options)
        return super().profile()


def _sheets_key(options: argparse.Namespace) -> int:
    path = Path(options.sheet)
    sheet = read_sheet(path) if path.suffix == ".toml" else sheets()[options.sheet]
    model = load(options.model)
    lab = replace(_WithProgress.of(model, start_policy(options)), options=options)
    if options.second is not None:
        lab = lab.beside(profile_of(options.second, options))
    with speaking(sheet.language):
        rows = [
            {"step": index, "part": part, **_key_row(prepare(question, lab))}
            for index, step in enumerate(sheet.steps, 1)
            for part, question in (("question", step.question), ("transfer", step.transfer))
        ]
    facts = facts_of(lab.model_name, lab.start_token, lab.start_text)
    data = facts | {"sheet": sheet.name, "title": sheet.title, "answers": rows}
    if options.json:
        show(pd.DataFrame(), data, options)
        return DONE
    print(f"{sheet.title} · {facts_line(facts)}")
    for row in rows:
        print(f"\n{row['step']} {row['part']}: {row['ask']}\n    {row['answer'] or row['why']}")
        if row["answer"] and not row["graded"]:
            print(f"    not graded: {row['why']}")
    return DONE


def _key_row(prepared: PreparedQuestion) -> dict[str, Any]:
    """What a teacher wants to know of one question, in the form in which it is asked here."""
    prepared = prepared.askable
    key = prepared.key
    return {
        "ask": prepared.ask,
        "kind": prepared.question.kind,
        "answer": key.text if key else "",
        "accepted": list(key.accepted) if key else [],
        "graded": bool(key and key.graded),
        "margin": key.margin if key else None,
        "why": key.why if key else prepared.why,
    }
