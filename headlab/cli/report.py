"""``report``: what was measured on a text as one HTML file, or its data back."""

import argparse
import sys
from pathlib import Path
from typing import Any

from headlab.cli.codes import DONE
from headlab.cli.shared import (
    add_continue,
    add_date,
    add_model,
    add_special_tokens,
    add_start_token,
    compared,
    entities_named,
    load_for_text,
    profile_of,
    profiled,
    progress_bar,
    start_policy,
)
from headlab.errors import HeadlabError
from headlab.files import read_bytes
from headlab.heads import Head
from headlab.interventions import Intervention, Sweep, ablate, ablation_sweep, mean_reference
from headlab.measuring.reading import read_text
from headlab.mechanisms import explain_attention
from headlab.models.loaded import LoadedModel
from headlab.profiles.corpus import CorpusLooks, passages
from headlab.profiles.corpus_pass import corpus_looks
from headlab.profiles.profile import Profile
from headlab.report import (
    REPORTED,
    SECTIONS,
    Report,
    make_report,
    open_report,
    read_notes,
    read_record,
)

_OR = "that of a report (.html) will do"


def add_report(parser: argparse.ArgumentParser) -> None:
    """What `report` takes."""
    parser.description = (
        "Write a report: one HTML file that opens anywhere without a network, with "
        "everything measured on a text and a model, and the data in it. The same inputs give the "
        "same bytes. The profile is measured first if it is not kept."
    )
    parser.epilog = (
        'example: python -m headlab report --model mini --text "The cat sat on the mat. '
        'The cat sat on the" --head 3.5 4.8 --title "Who repeats?" --out report.html'
    )
    add_model(parser)
    parser.add_argument("--text", help="the text to read")
    add_special_tokens(parser, chat=True)
    add_continue(parser)
    add_start_token(parser)
    several: dict[str, Any] = {"nargs": "+", "action": "extend"}
    parser.add_argument("--behaviour", metavar="B", help="maps of only these (all)", **several)
    parser.add_argument(
        "--entity",
        metavar="ENTITY=ATTRIBUTE",
        help="for retrieval: facts as they stand in the text, such as Maria=Oslo",
        **several,
    )
    parser.add_argument(
        "--head",
        metavar="HEAD",
        help="passports of these, such as 5.1 (the first of each behaviour)",
        **several,
    )
    parser.add_argument(
        "--remove",
        metavar="HEAD",
        help="say what happens without these, such as 3.1, removed together",
        **several,
    )
    parser.add_argument(
        "--watch", metavar="TOKEN", help="the next token to follow (the one expected most)"
    )
    parser.add_argument(
        "--explain",
        metavar="HEAD:FROM:TO",
        help="say why a head looks from one position to another, such as 3.7:12:6 (the start token "
        "is position 0)",
        **several,
    )
    parser.add_argument(
        "--corpus", action="store_true", help="show the heads of the passports on ordinary text"
    )
    parser.add_argument("--every", action="store_true", help="remove every head, each alone")
    parser.add_argument(
        "--compare", metavar="B", help="put another model, or a .json profile, beside this one"
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help=f"a learning record; {_OR}")
    parser.add_argument(
        "--sections", metavar="S", help=f"only these: {', '.join(SECTIONS)}", **several
    )
    parser.add_argument("--title", default="", metavar="WORDS")
    parser.add_argument("--name", default="", metavar="WORDS", help="who hands it in")
    parser.add_argument("--course", default="", metavar="WORDS")
    parser.add_argument("--notes", type=Path, metavar="FILE", help=f"notes in Markdown; {_OR}")
    add_date(parser)
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--out", type=Path, metavar="FILE.html", help="where to write it")
    way.add_argument(
        "--data", type=Path, metavar="FILE.html", help="print the data of a report as JSON"
    )
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    if options.data is not None:
        print(open_report(options.data).to_json())
        return DONE
    if options.text is None:
        raise HeadlabError("There is nothing to read: give --text.")
    if options.out.suffix.lower() not in (".html", ".htm"):
        raise HeadlabError(f"{options.out} has an unknown ending: a report is an .html file.")
    report = _measured(options)
    report.save(options.out)
    print(f"written to {options.out}", file=sys.stderr)
    return DONE


def _measured(options: argparse.Namespace) -> Report:
    """The report that is asked for; files and names are read before the model."""
    notes = "" if options.notes is None else read_notes(read_bytes(options.notes))
    record = None if options.record is None else read_record(read_bytes(options.record))
    heads = None if options.head is None else [Head.parse(name) for name in options.head]
    entities = entities_named(options.entity)
    model = load_for_text(options)
    reading = read_text(
        model,
        options.text,
        start_token=start_policy(options),
        entities=entities,
        continue_by=options.continue_by,
        seed=options.seed,
    )
    options.text = reading.text
    profile = profiled(model, options)
    interventions, sweep = _removed_for_report(model, options)
    explanations = [
        explain_attention(model, options.text, head, query, key, start_token=start_policy(options))
        for head, query, key in map(_look, options.explain or ())
    ]
    comparison = None
    if options.compare is not None:
        comparison = compared(profile, profile_of(options.compare, options))
    return make_report(
        reading,
        profile,
        interventions=interventions,
        sweep=sweep,
        explanations=explanations,
        corpus=_corpus(model, profile, options) if options.corpus else None,
        comparison=comparison,
        record=record,
        sections=options.sections,
        behaviours=options.behaviour,
        heads=heads,
        entities=entities or (),
        title=options.title,
        name=options.name,
        course=options.course,
        notes=notes,
        date=options.date,
        model=options.model,
        second=options.compare or "",
    )


def _corpus(model: LoadedModel, profile: Profile, options: argparse.Namespace) -> CorpusLooks:
    """What the heads do over headlab's passages, read now if that is not kept."""
    with progress_bar(model.name) as progress:
        return corpus_looks(
            model, passages(), profile, start_token=start_policy(options), progress=progress
        )


def _look(word: str) -> tuple[Head, int, int]:
    """A head, and the positions that it looks from and to."""
    name, *places = word.split(":")
    if len(places) != 2 or not all(place.isdecimal() for place in places):
        raise HeadlabError(f"{word!r} is no look: write head, from and to as in 3.7:12:6.")
    return Head.parse(name), int(places[0]), int(places[1])


def _removed_for_report(
    model: LoadedModel, options: argparse.Namespace
) -> tuple[list[Intervention], Sweep | None]:
    """What a report says about causes, as the page measures it."""
    if options.watch is not None and not options.remove:
        raise HeadlabError("--watch follows a token while heads are removed: give --remove too.")
    if not options.remove and not options.every:
        return [], None
    start = start_policy(options)
    reference = mean_reference(model, start_token=start)
    found: list[Intervention] = []
    if options.remove:
        found = [
            ablate(
                model,
                options.text,
                options.remove,
                mode,
                reference if mode == "mean" else None,
                watch=options.watch,
                start_token=start,
            )
            for mode in REPORTED
        ]
    if not options.every:
        return found, None
    with progress_bar(model.name) as progress:
        sweep = ablation_sweep(
            model, options.text, "mean", reference, start_token=start, progress=progress
        )
    return found, sweep
