"""``score``, ``profile`` and ``rank``: what each head does, on one text or on the probes."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from headlab.behaviours import behaviours, get_behaviour
from headlab.cli.codes import DONE, FAILED
from headlab.cli.shared import (
    add_continue,
    add_json,
    add_model,
    add_start_token,
    add_text,
    check_ending,
    entities_named,
    facts_line,
    facts_of,
    load,
    load_for_text,
    positive,
    profiled,
    show,
    start_policy,
    write,
)
from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.measuring.json_types import records
from headlab.measuring.reading import Reading, read_text
from headlab.models.catalogue import CATALOGUE
from headlab.profiles.profile import Profile


def add_score(parser: argparse.ArgumentParser) -> None:
    """What `score` takes."""
    parser.description = (
        "Score every head on one text. A score is the mean attention on the places "
        "that a behaviour asks for, from 0 to 1; an empty cell means that the text cannot test it."
    )
    parser.epilog = (
        'example: python -m headlab score --model mini --text "The cat sat on the mat. '
        'The cat sat on the" --behaviour induction'
    )
    add_model(parser)
    add_text(parser)
    add_continue(parser)
    add_start_token(parser)
    parser.add_argument(
        "--behaviour",
        nargs="+",
        action="extend",
        metavar="B",
        help=f"only these (default: all). Known: {', '.join(behaviours())}",
    )
    parser.add_argument(
        "--entity",
        nargs="+",
        action="extend",
        metavar="ENTITY=ATTRIBUTE",
        help="for retrieval: facts as they stand in the text, such as Maria=Oslo; the entity "
        "mentioned last is the one asked for, the others are distractors",
    )
    parser.add_argument("--layer", type=int, metavar="N", help="only this layer (from 0)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a .csv or .json file")
    add_json(parser)
    parser.set_defaults(run=_score)


def add_profile(parser: argparse.ArgumentParser) -> None:
    """What `profile` takes."""
    parser.description = (
        "Score every head on the built-in probes, with intervals, labels and "
        "confidences. The result is kept, so that a second call is instant."
    )
    parser.epilog = (
        "With several models --out is a folder: finished profiles in it are skipped, and a "
        "model that fails is listed at the end."
    )
    add_model(parser, several=True)
    add_start_token(parser)
    parser.add_argument("--out", type=Path, metavar="FILE|DIR", help="a .json file, or a folder")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="leave out the four variants and the random-weight controls",
    )
    parser.add_argument("--fresh", action="store_true", help="measure again, ignore kept profiles")
    parser.add_argument(
        "--sentences",
        type=Path,
        metavar="FILE",
        help="measure on your own sentences, one a line, in place of ours (another language, your "
        "field); not kept, without variants",
    )
    add_json(parser)
    parser.set_defaults(run=_profile)


def add_rank(parser: argparse.ArgumentParser) -> None:
    """What `rank` takes."""
    parser.description = (
        "Rank heads by one behaviour, with the 95 % interval of the score and the "
        "share of resamples in which the head passes the threshold (confidence)."
    )
    add_model(parser)
    add_start_token(parser)
    parser.add_argument("--behaviour", required=True, metavar="B", help=", ".join(behaviours()))
    parser.add_argument("--top", type=positive, default=10, metavar="K", help="how many (10)")
    add_json(parser)
    parser.set_defaults(run=_rank)


def _score(options: argparse.Namespace) -> int:
    for name in options.behaviour or ():
        if get_behaviour(name).needs_model:
            raise HeadlabError(
                f"One text cannot show {name}: use `python -m headlab rank --behaviour {name}`."
            )
    check_ending(options.out)
    model = load_for_text(options)
    kept = [] if options.layer is None else [options.layer]  # patterns are not printed
    reading = read_text(
        model,
        options.text,
        layers=kept,
        start_token=start_policy(options),
        entities=entities_named(options.entity),
        continue_by=options.continue_by,
        seed=options.seed,
    )
    table = _reading_table(reading, options.behaviour or list(reading.scores), options.layer)
    facts = facts_of(reading.model_name, reading.start_token, reading.start_text)
    facts |= {"text": reading.text, "tokens": reading.token_texts, "rows": reading.rows}
    data = facts | {"written": reading.written, "scores": records(table)}
    if options.out is not None:
        write(options.out, table, data)
        return DONE
    show(table, data, options, facts)
    if reading.continuation is not None and not options.json:
        made = reading.continuation
        print(f"the model wrote {made.n_written} tokens: {made.written!r} ({made.stopped})")
    return DONE


def _reading_table(reading: Reading, names: Sequence[str], layer: int | None) -> pd.DataFrame:
    """One row for each head: its scores on the named behaviours and the shape of its picture."""
    layers = range(reading.n_layers) if layer is None else [layer]
    return pd.DataFrame(
        [
            {"head": str(Head(row, head))}
            | {name: reading.scores[name][row, head] for name in names}
            | {"shape": str(reading.hint(row, head))}
            for row in layers
            for head in range(reading.n_heads)
        ]
    )


def _profile(options: argparse.Namespace) -> int:
    out: Path | None = options.out
    several = len(options.model) > 1 or (out is not None and out.suffix != ".json")
    if several and out is not None and out.suffix == ".json":
        raise HeadlabError("Several profiles do not fit one file: give --out a folder.")
    failures: dict[str, str] = {}
    shown: list[dict[str, Any]] = []
    for name in options.model:
        path = out / f"{_file_name(name)}.json" if several and out is not None else out
        if several and path is not None and path.is_file() and not options.fresh:
            print(f"{name}: {path} is there already, skipped.", file=sys.stderr)
            continue
        try:
            profile = profiled(load(name), options)
            if path is not None:
                profile.save(path)
        except HeadlabError as error:
            if not several:
                raise
            failures[name] = str(error)
            continue
        shown.append(profile.to_dict() if options.json else {})
        if not options.json:
            _print_profile(profile)
            if path is not None:
                print(f"written to {path}")
    if options.json:
        print(json.dumps(shown[0] if len(options.model) == 1 and shown else shown))
    for name, reason in failures.items():
        print(f"headlab: {name} failed: {reason}", file=sys.stderr)
    return FAILED if failures else DONE


def _file_name(model: str) -> str:
    """A model's name or folder as a file name."""
    name = model if model in CATALOGUE else Path(model).resolve().name
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


def _print_profile(profile: Profile) -> None:
    facts = facts_of(profile.model_name, profile.start_token, profile.start_text)
    print(facts_line(facts))
    best = []
    for name in profile.behaviours:
        ranking = profile.ranking(name, top=1)
        if ranking.empty:
            continue
        first = ranking.iloc[0]
        passing = profile.value(name) >= get_behaviour(name).threshold
        best.append(
            {"behaviour": name, "best head": first["name"], "score": first["score"]}
            | {"interval": f"{first['low']:.3f} to {first['high']:.3f}"}
            | {"heads past threshold": int(passing.sum())}
            | {"labelled": profile.label_counts()[name]}
        )
    print(pd.DataFrame(best).round(3).to_string(index=False))
    print(f"unclassified: {profile.label_counts()['unclassified']} heads")
    for name, reason in profile.untested.items():
        print(f"not tested: {name}: {reason}")
    if profile.controls:
        found = sum(profile.false_positives.values())
        heads = profile.controls * profile.n_layers * profile.n_heads
        print(f"false positives: {found} specific labels among {heads} heads of random weights")


def _rank(options: argparse.Namespace) -> int:
    get_behaviour(options.behaviour)
    profile = profiled(load(options.model), options)
    columns = ["name", "score", "low", "high", "chance", "excess", "role_confidence"]
    table = profile.ranking(options.behaviour, top=options.top)[columns]
    heads = [Head.parse(name) for name in table["name"]]
    if profile.looks is not None:
        table["on ordinary sentences"] = [profile.where_it_looks(*head) for head in heads]
    table.insert(1, "label", [profile.label_text(*Head.parse(name)) for name in table["name"]])
    facts = facts_of(profile.model_name, profile.start_token, profile.start_text)
    facts |= {"behaviour": options.behaviour}
    show(table, facts | {"ranking": records(table)}, options, facts)
    return DONE
