"""``models``: list the models offered by name, or download them."""

import argparse
import json
from typing import Any

import pandas as pd
from tqdm import tqdm

from headlab.cli.codes import DONE
from headlab.cli.shared import add_json, progress_bar, show
from headlab.errors import HeadlabError
from headlab.models.architectures import how_many, try_all
from headlab.models.catalogue import CATALOGUE, offered
from headlab.models.download import start_download
from headlab.models.hub import find_model
from headlab.units import gigabytes


def add_models(parser: argparse.ArgumentParser) -> None:
    """What `models` takes."""
    parser.description = (
        "List the models offered by name: what they need, and which are on this "
        "machine. Any model of the Hugging Face hub whose architecture is supported can be "
        "downloaded by its name (owner/name)."
    )
    parser.epilog = "HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and HTTPS_PROXY are respected."
    parser.add_argument(
        "--download",
        nargs="+",
        metavar="MODEL",
        help="fetch these, or check them against the hub and mend what is damaged; a download "
        "that was stopped goes on where it was",
    )
    parser.add_argument(
        "--architectures",
        action="store_true",
        help="try every causal architecture of the installed transformers on a tiny random "
        "network: what can be read, changed, explained from weights, and why not (a minute)",
    )
    add_json(parser)
    parser.set_defaults(run=_models)


def _models(options: argparse.Namespace) -> int:
    if options.download:
        return _download(options)
    if options.architectures:
        return _architectures(options)
    rows = [
        {
            "model": entry.name,
            "here": "yes" if entry.folder or find_model(entry.name) else "",
            "parameters": entry.parameters,
            "layers": entry.layers,
            "heads": entry.heads,
            "download": entry.download,
            "memory": entry.memory,
            "start_token": entry.start_token,
            "licence": entry.licence,
            "revision": entry.revision,
        }
        for entry in (CATALOGUE[name] for name in offered())
    ]
    table = pd.DataFrame(rows)
    table["parameters"] = [f"{count / 1e6:,.1f} M" for count in table["parameters"]]
    table["revision"] = table["revision"].str[:7]
    for size in ("download", "memory"):
        table[size] = [gigabytes(count) if count else "" for count in table[size]]
    show(table, {"models": [row | {"here": bool(row["here"])} for row in rows]}, options)
    return DONE


def _architectures(options: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    with progress_bar("architectures") as progress:
        for number, tried in enumerate(try_all()):
            progress(number / how_many(), tried.model_type)
            rows.append(
                {
                    "architecture": tried.model_type,
                    "read": tried.read,
                    "changed": tried.changed,
                    "weights": tried.weights,
                    "why_not": tried.why_not,
                }
            )
    table = pd.DataFrame(rows)
    for kind in ("read", "changed", "weights"):
        table[kind] = ["yes" if each else "" for each in table[kind]]
    show(table, {"architectures": rows}, options)
    if not options.json:
        counts = {kind: sum(row[kind] for row in rows) for kind in ("read", "changed", "weights")}
        print(
            f"of {len(rows)} architectures {counts['read']} can be read, {counts['changed']} "
            f"changed while they run, {counts['weights']} explained from their weights"
        )
    return DONE


def _download(options: argparse.Namespace) -> int:
    fetched = []
    for name in options.download:
        download = start_download(name)
        with tqdm(desc=name, unit="B", unit_scale=True, leave=False, delay=1, disable=None) as bar:
            try:
                while not download.wait(0.2):
                    bar.total = download.total or None
                    bar.update(download.done - bar.n)
            except KeyboardInterrupt:
                download.cancel()
                download.wait()
                raise
        if download.error is not None:
            raise HeadlabError(download.error)
        fetched.append({"model": name, "folder": str(download.folder)})
    if options.json:
        print(json.dumps({"downloaded": fetched}))
    else:
        for row in fetched:
            print(f"{row['model']} is complete in {row['folder']}")
    return DONE
