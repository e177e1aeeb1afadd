"""``texts check``: guided texts and pairs of texts, ours or those of a folder."""

import argparse
from pathlib import Path

import pandas as pd

from headlab.cli.codes import DONE, FAILED
from headlab.cli.shared import add_json, show
from headlab.errors import HeadlabError
from headlab.exercises.guided import guided_pairs, guided_problems, guided_texts


def add_texts(parser: argparse.ArgumentParser) -> None:
    """What `texts check` takes."""
    parser.description = (
        "Say what is wrong with the guided texts of a folder and the pairs in its folder pairs: "
        "each mistake gets a line with file, line and remedy. Without DIR: those that are offered, "
        "ours and those of the folder that HEADLAB_TEXTS names."
    )
    parser.epilog = "example: python -m headlab texts check my-texts"
    parser.add_argument("act", choices=("check",))
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="a folder of .toml files"
    )
    add_json(parser)
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    texts, pairs = options.folder, options.folder and options.folder / "pairs"
    if texts is not None and not texts.is_dir():
        raise HeadlabError(f"There is no folder {texts}: give that of your texts.")
    problems = guided_problems(texts, pairs)
    rows = []
    for kind, read, folder in (("text", guided_texts, texts), ("pair", guided_pairs, pairs)):
        sound = folder is None or {path.stem for path in folder.glob("*.toml")} - set(problems)
        for each in read(folder).values() if sound else ():
            rows.append({"kind": kind, "name": each.name, "title": each.title})
    if not rows and not problems:
        raise HeadlabError(f"{texts} holds no text: a guided text is a .toml file.")
    show(pd.DataFrame(rows), {"texts": rows, "problems": problems}, options)
    if not options.json:
        for sentence in problems.values():
            print(sentence)
    return FAILED if problems else DONE
