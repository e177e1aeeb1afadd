"""``sweep`` and ``atlas``: profiles of many models and revisions, and what they show together."""

import argparse
import json
import os
from pathlib import Path

from headlab.cli.codes import DONE, FAILED
from headlab.cli.shared import add_json, add_start_token, positive, progress_bar
from headlab.errors import HeadlabError
from headlab.files import to_csv, write_file
from headlab.models.catalogue import CATALOGUE, gigabytes
from headlab.sweeps import Plan, make_plan, read_cells, read_plan, run_sweep
from headlab.sweeps.atlas import atlas_html

CELL_BYTES = 4_700  # of a profile's file, for each head: mini 4,620, smollm2 4,720
CELL_SECONDS = 3.4e-7  # for each parameter: smollm2's whole profile took 46 s on two cores
QUICK = 0.4  # of that, without variants and controls


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """What `sweep` takes."""
    parser.description = (
        "Profile many models and revisions, several at a time. What is measured already is left as "
        "it is: run it again after anything that ended it, and it goes on and gives the same bytes."
    )
    parser.epilog = (
        "example: python -m headlab sweep mini-checkpoints --revisions all --quick --out sweep"
    )
    parser.add_argument(
        "models", nargs="*", help="a plan (PLAN.toml), or names, owner/name or folders of models"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder of the sweep")
    parser.add_argument(
        "--revisions",
        nargs="+",
        default=[],
        metavar="R",
        help="branches or tags on the hub, or the folders in a folder; all: every one of a folder",
    )
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="processes (1)")
    parser.add_argument(
        "--quick", action="store_true", help="leave out the four variants and the controls"
    )
    add_start_token(parser)
    parser.add_argument("--again", action="store_true", help="also try what failed before")
    parser.add_argument(
        "--delete-weights", action="store_true", help="delete what a cell fetched from the hub"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say how many cells, how long and how much disk"
    )
    parser.add_argument(
        "--status", action="store_true", help="say what is measured and what failed"
    )
    add_json(parser)
    parser.set_defaults(run=_sweep)


def _sweep(options: argparse.Namespace) -> int:
    if options.status:
        return _status(options)
    plan = _plan(options)
    if options.dry_run:
        print(price(plan))
        return DONE
    with progress_bar("sweep") as progress:
        failed = run_sweep(
            plan,
            options.out,
            workers=options.workers,
            again=options.again,
            delete_weights=options.delete_weights,
            progress=progress,
        )
    return _told(options, len(plan.cells), len(read_cells(options.out).done), failed)


def _plan(options: argparse.Namespace) -> Plan:
    """The plan that is asked for: a file, models, or that of the folder."""
    if not options.models:
        return Plan.load(options.out)
    first = Path(options.models[0])
    if first.suffix == ".toml":
        if len(options.models) > 1:
            raise HeadlabError("Give one plan file, or models, not both.")
        return read_plan(first)
    return make_plan(
        options.models,
        options.revisions,
        quick=options.quick,
        start_token=not options.no_start_token,
    )


def price(plan: Plan) -> str:
    """How many cells a plan has, and about what those of the catalogue cost."""
    n = len(plan.cells)
    entries = [CATALOGUE.get(cell.model) for cell in plan.cells]
    known = [(cell, entry) for cell, entry in zip(plan.cells, entries, strict=True) if entry]
    if not known:
        return f"{n} cells; how long they take shows once the first ones are measured."
    seconds = sum(
        CELL_SECONDS * entry.parameters * (QUICK if cell.quick else 1) for cell, entry in known
    )
    files = sum(CELL_BYTES * entry.layers * entry.heads for _, entry in known)
    fetched = sum(entry.download or 0 for _, entry in known)
    return (
        f"{n} cells, {len(known)} of models in the catalogue: about {seconds / 60:.0f} min on two "
        f"cores, {gigabytes(files)} of profiles, {gigabytes(fetched)} to fetch at most"
    )


def _status(options: argparse.Namespace) -> int:
    cells = read_cells(options.out)
    return _told(options, len(cells.plan.cells), len(cells.done), cells.failed)


def _told(options: argparse.Namespace, n: int, done: int, failed: dict[str, str]) -> int:
    if options.json:
        print(json.dumps({"cells": n, "done": done, "failed": failed}))
    else:
        print(f"{done} of {n} cells measured in {options.out}{os.sep}cells, {len(failed)} failed")
        for name, sentence in failed.items():
            print(f"  {name}: {sentence}")
    return FAILED if failed else DONE


def add_atlas(parser: argparse.ArgumentParser) -> None:
    """What `atlas` takes."""
    parser.description = (
        "Draw when each kind of head appears in a sweep: one offline HTML file. Its points open "
        "the profiles while it lies in the sweep's folder."
    )
    parser.epilog = "example: python -m headlab atlas sweep --csv heads.csv"
    parser.add_argument("folder", type=Path, help="the folder of a sweep")
    parser.add_argument("--out", type=Path, help="the file (atlas.html in the folder)")
    parser.add_argument("--csv", type=Path, help="also every head and score, as a table")
    parser.set_defaults(run=_atlas)


def _atlas(options: argparse.Namespace) -> int:
    cells = read_cells(options.folder)
    out = options.out or options.folder / "atlas.html"
    write_file(out, atlas_html(cells))
    print(f"written to {out}")
    if options.csv:
        write_file(options.csv, to_csv(cells.to_frame()))
        print(f"written to {options.csv}")
    return DONE
