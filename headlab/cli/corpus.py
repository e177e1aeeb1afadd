"""``corpus``: what every head does over many texts."""

import argparse
from pathlib import Path

from headlab.cli.codes import DONE
from headlab.cli.shared import (
    add_json,
    add_model,
    add_start_token,
    load,
    print_json,
    profiled,
    progress_bar,
    show,
    start_policy,
)
from headlab.profiles.corpus import passages
from headlab.profiles.corpus_pass import corpus_looks
from headlab.report.dashboards import write_dashboards


def add_corpus(parser: argparse.ArgumentParser) -> None:
    """What `corpus` takes."""
    parser.description = (
        "Read many passages with every head: where each writes most and what it looks at there, "
        "and where its attention goes over the whole corpus."
    )
    parser.epilog = "example: python -m headlab corpus --model mini --html heads"
    add_model(parser)
    parser.add_argument(
        "--corpus",
        metavar="PLACE",
        help="a text file or a folder of .txt files, passages parted by --- or empty lines (ours)",
    )
    parser.add_argument("--out", type=Path, help="a .json or .json.gz file for all of it")
    parser.add_argument(
        "--html", type=Path, metavar="DIR", help="a folder of pages, one for each head"
    )
    add_start_token(parser)
    add_json(parser)
    parser.set_defaults(run=_corpus)


def _corpus(options: argparse.Namespace) -> int:
    model = load(options.model)
    texts = passages(options.corpus)
    profile = profiled(model, options)
    with progress_bar("corpus") as progress:
        found = corpus_looks(
            model, texts, profile, start_token=start_policy(options), progress=progress
        )
    if options.json:
        print_json(found.to_dict())
    else:
        table = found.to_frame()[["name", "first", "previous", "explained", "reach", "spread"]]
        show(table, {}, options)
        print(f"{found.n_tokens:,} tokens of {found.n_passages} passages")
    if options.out:
        found.save(options.out)
        print(f"written to {options.out}")
    if options.html:
        n = write_dashboards(found, profile, options.html)
        print(f"{n} pages written to {options.html}; begin with index.html")
    return DONE
