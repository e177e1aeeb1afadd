"""``behaviours``: what heads are scored on, and files of your own."""

import argparse
from pathlib import Path

import pandas as pd

from headlab.behaviours import behaviour_problems, behaviours, own
from headlab.cli.codes import DONE, FAILED
from headlab.cli.shared import add_json, show
from headlab.errors import HeadlabError
from headlab.files import write_file


def add_behaviours(parser: argparse.ArgumentParser) -> None:
    """What `behaviours` takes."""
    parser.description = (
        "List the behaviours that heads are scored on; say what is wrong with a file of your own "
        "(check FILE), or write one to begin with (new NAME). Files in the folder that "
        "HEADLAB_BEHAVIOURS names are scored beside ours."
    )
    parser.epilog = "example: python -m headlab behaviours new three_back"
    parser.add_argument("act", nargs="?", choices=("list", "check", "new"), default="list")
    parser.add_argument("what", nargs="*", help="files to check, or the name of a new one")
    add_json(parser)
    parser.set_defaults(run=_behaviours)


def _behaviours(options: argparse.Namespace) -> int:
    if options.act == "list":
        return _list(options)
    if not options.what:
        raise HeadlabError(f"Say what: headlab behaviours {options.act} NAME.")
    return _check(options.what) if options.act == "check" else _begin(options.what)


def _list(options: argparse.Namespace) -> int:
    rows = [
        {
            "behaviour": b.name,
            "counts from": b.threshold,
            "scale": b.scale,
            "probes": ", ".join(b.probes),
            "summary": b.summary,
        }
        for b in behaviours().values()
    ]
    problems = behaviour_problems()
    show(pd.DataFrame(rows), {"behaviours": rows, "problems": problems}, options)
    if not options.json:
        for sentence in problems.values():
            print(f"left out: {sentence}")
    return FAILED if problems else DONE


def _check(files: list[str]) -> int:
    wrong = 0
    for file in files:
        try:
            found = own.problems_of(own.load_file(file).BEHAVIOUR)
        except HeadlabError as error:
            found = [str(error)]
        wrong += bool(found)
        print(f"{file}: " + ("as every behaviour should be" if not found else " ".join(found)))
    return FAILED if wrong else DONE


def _begin(names: list[str]) -> int:
    for name in names:
        path = Path(f"{name}.py")
        if not name.isidentifier() or name != name.lower():
            raise HeadlabError(f"{name!r}: write a name with small letters and underscores.")
        if path.exists():
            raise HeadlabError(f"{path} is there already: choose another name.")
        title = name.replace("_", " ").capitalize()
        write_file(path, own.TEMPLATE.format(name=name, title=title))
        print(f"written to {path}; check it with `headlab behaviours check {path}`")
    return DONE
