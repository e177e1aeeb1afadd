"""``sweep`` and ``atlas``: profiles of many models and revisions, and what they show together."""

import argparse
import json
import os
import sys
from pathlib import Path

from headlab.cli.codes import DONE, FAILED
from headlab.cli.shared import add_json, add_start_token, positive, progress_bar
from headlab.errors import HeadlabError
from headlab.files import write_file
from headlab.sweeps import Local, Plan, Ray, make_plan, read_cells, read_plan, run_sweep
from headlab.sweeps.atlas import atlas_html
from headlab.sweeps.engines import Engine
from headlab.sweeps.price import price_of
from headlab.sweeps.running import missing

ENGINES = ("local", "ray")


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
        help="branches or tags on the hub, or the folders in a folder; step0..step512: those "
        "between two; all: every one",
    )
    parser.add_argument(
        "--every", type=positive, default=1, metavar="N", help="of these each N-th, and the last"
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="who measures: processes of this machine (local), or Ray (docs/SWEEP.md)",
    )
    parser.add_argument(
        "--address", help="of a Ray cluster: auto, or HOST:PORT (without: Ray on this machine)"
    )
    parser.add_argument(
        "--gpus", type=float, default=0.0, metavar="SHARE", help="of a GPU for each of Ray's actors"
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
    engine = _engine(options)
    left = missing(plan, options.out, options.again)
    price = price_of(Plan(tuple(left)))
    if options.dry_run:
        print(price.words(options.workers, options.delete_weights))
        return DONE
    print(price.words(options.workers, options.delete_weights), file=sys.stderr)
    price.check_room(options.out)
    with progress_bar("sweep") as progress:
        failed = run_sweep(
            plan,
            options.out,
            engine=engine,
            again=options.again,
            delete_weights=options.delete_weights,
            progress=progress,
        )
    return _told(options, len(plan.cells), len(read_cells(options.out).done), failed)


def _engine(options: argparse.Namespace) -> Engine:
    """Who measures, as asked for."""
    if options.engine == "ray":
        return Ray(options.workers, options.address, options.gpus)
    if options.address or options.gpus:
        raise HeadlabError("--address and --gpus belong to Ray: add --engine ray.")
    return Local(options.workers)


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
        every=options.every,
        quick=options.quick,
        start_token=not options.no_start_token,
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
    for kind in ("csv", "parquet"):
        parser.add_argument(
            f"--{kind}", type=Path, help=f"also every head and score, as a table ({kind.upper()})"
        )
    parser.set_defaults(run=_atlas)


def _atlas(options: argparse.Namespace) -> int:
    cells = read_cells(options.folder)
    out = options.out or options.folder / "atlas.html"
    write_file(out, atlas_html(cells))
    print(f"written to {out}")
    for path, save in ((options.csv, cells.save_csv), (options.parquet, cells.save_parquet)):
        if path:
            save(path)
            print(f"written to {path}")
    return DONE
