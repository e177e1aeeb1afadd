"""``compare``: two models, or two saved profiles, side by side."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headlab.behaviours import get_behaviour
from headlab.cli.codes import DONE
from headlab.cli.shared import (
    add_date,
    add_json,
    add_start_token,
    check_ending,
    compared,
    facts_line,
    facts_of,
    positive,
    print_json,
    profile_of,
    start_policy,
    write,
)
from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.measuring.reading import read_text
from headlab.models.loading import load_model
from headlab.profiles.compare import ProfileComparison
from headlab.profiles.compare_text import Words, compare_words, on_words
from headlab.report import make_report


def add_compare(parser: argparse.ArgumentParser) -> None:
    """What `compare` takes."""
    parser.description = (
        "Put two models side by side. Where one grew out of the other (fine-tuning, "
        "checkpoints), heads are compared one by one, each change with its 95 % interval; "
        "otherwise roles are: shares of heads, and the strongest heads of each behaviour."
    )
    parser.epilog = "example: python -m headlab compare mini gpt2.json --out comparison.json"
    for name, which in (("before", "first"), ("after", "second")):
        parser.add_argument(
            name,
            metavar="A" if name == "before" else "B",
            help=f"the {which} one: a model, or a .json file written by `profile --out`",
        )
    parser.add_argument(
        "--text", help="also compare the patterns on this text; A and B are then models"
    )
    add_start_token(parser)
    parser.add_argument("--behaviour", metavar="B", help="only changes of this behaviour")
    parser.add_argument(
        "--top", type=positive, default=10, metavar="K", help="how many changes to print (10)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write a report (.html), or a .csv or .json file"
    )
    add_date(parser)
    add_json(parser)
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> int:
    _check_question(options)
    sides = [options.before, options.after]
    comparison = compared(*(profile_of(side, options) for side in sides))
    data = comparison.to_dict()
    if options.text is not None:
        data["on_text"] = _on_text(sides, options)
    if options.out is not None:
        _save(comparison, data, options)
    elif options.json:
        print_json(data)
    else:
        _print_comparison(comparison, options)
        if "on_text" in data:
            _print_on_text(data["on_text"])
    return DONE


def _check_question(options: argparse.Namespace) -> None:
    """Refuse what cannot be answered before anything is measured."""
    if options.behaviour is not None:
        get_behaviour(options.behaviour)
    as_report = _is_report(options.out)
    if not as_report:
        check_ending(options.out, ".html")
    if as_report and options.text is not None:
        raise HeadlabError(
            "A comparison as .html holds no text: leave out --text, or use "
            "`report --text ... --compare`."
        )
    sides = (options.before, options.after)
    if options.text is not None and any(side.endswith(".json") for side in sides):
        raise HeadlabError(
            "A profile holds no patterns, so --text needs two models: name models instead of files."
        )


def _is_report(path: Path | None) -> bool:
    return path is not None and path.suffix.lower() in (".html", ".htm")


def _save(comparison: ProfileComparison, data: dict[str, Any], options: argparse.Namespace) -> None:
    """Write a report, a table or all data, as the ending of ``--out`` asks."""
    if _is_report(options.out):
        report = make_report(
            None,
            comparison.before,
            comparison=comparison,
            date=options.date,
            model=options.before,
            second=options.after,
        )
        report.save(options.out)
        print(f"written to {options.out}", file=sys.stderr)
    elif options.out.suffix == ".csv":
        table = comparison.table() if comparison.changes else comparison.matched_roles()
        names = f"{comparison.before.model_name} → {comparison.after.model_name}"
        write(options.out, table, {"model": names, "start_text": comparison.after.start_text})
    else:
        write(options.out, pd.DataFrame(), data)


def _on_text(sides: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """How alike two models' patterns are on a text, [layer, head]; one model is held at a time."""

    def words_of(side: str) -> Words:
        model = load_model(side)
        return on_words(read_text(model, options.text, start_token=start_policy(options)), model)

    both = compare_words(*(words_of(side) for side in sides))
    alike = both.similarity()
    return {
        "text": options.text,
        "level": both.level,
        "about": both.sentence,
        "names": both.names,
        "similarity": None if np.isnan(alike).all() else np.round(alike, 4).tolist(),
    }


def _print_on_text(found: dict[str, Any]) -> None:
    print(f"\n{found['about']}")
    if found["similarity"] is None:
        print("The models have different shapes: no head of one is a head of the other.")
        return
    alike = np.array(found["similarity"])
    order = [Head(*map(int, np.unravel_index(i, alike.shape))) for i in alike.argsort(axis=None)]
    print(f"similarity of the patterns: mean {alike.mean():.3f}; least alike:")
    print(", ".join(f"{head} {alike[head]:.3f}" for head in order[:5]))


def _print_comparison(comparison: ProfileComparison, options: argparse.Namespace) -> None:
    for word, profile in (("before", comparison.before), ("after", comparison.after)):
        facts = facts_of(profile.model_name, profile.start_token, profile.start_text)
        print(f"{word}: {facts_line(facts)}")
    for sentence in (*comparison.by_role, *comparison.left_out):
        print(f"note: {sentence}")
    if not comparison.changes:
        print("\nheads are compared by role; the strongest of each behaviour:")
        print(comparison.matched_roles().round(3).to_string(index=False, na_rep=""))
        return
    print(f"\n{comparison.verdict_counts().to_string(index=False)}")
    changed = comparison.ranking(options.behaviour, options.top).drop(
        columns=["layer", "head", "sure"]
    )
    print("\nsurest changes (the interval is that of the change):")
    print(changed.round(3).to_string(index=False, na_rep="") if len(changed) else "none")
    relabelled = comparison.relabelled()
    print(f"\n{len(relabelled)} of {comparison.before.label.size} heads changed their label")
    if len(relabelled):
        shown = relabelled.head(options.top).round(3)
        print(shown.to_string(index=False, na_rep=""))
