"""``embed``: a head, or all heads of a layer, on a text as one file for another page."""

import argparse
import sys
from pathlib import Path

from headlab.cli.codes import DONE
from headlab.cli.shared import (
    add_model,
    add_start_token,
    add_text,
    load_for_text,
    profiled,
    start_policy,
)
from headlab.errors import HeadlabError
from headlab.measuring.reading import read_text
from headlab.ui.embedding import embed, show


def add_embed(parser: argparse.ArgumentParser) -> None:
    """What `embed` takes."""
    parser.description = (
        "Write one head's attention on a text, or the grid of all heads, as one HTML file that "
        "works in any browser without a network: for a blog or a learning platform, in an <iframe>."
    )
    parser.epilog = (
        'example: python -m headlab embed --text "The cat sat. The cat sat." --head L3.H5 '
        "--out head.html"
    )
    add_model(parser)
    add_text(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--head", help="this head, such as L3.H5")
    what.add_argument("--layer", type=int, metavar="N", help="all heads, opened at this layer")
    parser.add_argument(
        "--token", type=int, default=-1, metavar="N", help="the place to begin with (the last: -1)"
    )
    add_start_token(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html")
    parser.set_defaults(run=_embed)


def _embed(options: argparse.Namespace) -> int:
    if options.out.suffix.lower() not in (".html", ".htm"):
        raise HeadlabError(f"{options.out} has an unknown ending: it becomes an .html file.")
    model = load_for_text(options)
    reading = read_text(model, options.text, start_token=start_policy(options))
    if options.head is not None:
        shown = embed(reading, options.head, options.token)
    else:
        shown = show(reading, options.layer, profiled(model, options))
    shown.save(options.out)
    print(f"written to {options.out}", file=sys.stderr)
    return DONE
