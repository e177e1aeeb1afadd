"""``verify``: published figures of GPT-2 small, measured again."""

import argparse
from collections.abc import Sequence
from typing import Any

import pandas as pd

from headlab.cli.codes import DONE, FAILED
from headlab.cli.shared import add_json, add_model, load, print_json, progress_bar
from headlab.evidence.verify import AGAIN, Comparison, verdict, verify_model


def add_verify(parser: argparse.ArgumentParser) -> None:
    """What `verify` takes."""
    parser.description = (
        "Measure published figures of GPT-2 small again on the loaded weights, each by "
        "its publisher's definition and input. Exit code 0: all agree within their tolerance; 1: "
        "one differs, or the model is not GPT-2 small."
    )
    add_model(parser, default="gpt2")
    add_json(parser)
    parser.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    model = load(options.model)
    with progress_bar(model.name) as progress:
        rows = verify_model(model, progress)
    if options.json:
        print_json(_verify_json(model.name, rows))
    else:
        for m in AGAIN:
            table = pd.DataFrame([row.as_row() for row in rows if row.measurement is m])
            print(f"{m.title}: {m.definition}\ninput: {m.input.words if m.input else ''}")
            print(f"source: {m.source}\n{table.round(3).to_string(index=False)}\n")
        print(verdict(model.name, rows))
    return DONE if all(row.within for row in rows) else FAILED


def _verify_json(model_name: str, rows: Sequence[Comparison]) -> dict[str, Any]:
    """Every comparison with its measurement's definition, input and source."""
    about = {
        m.name: {"definition": m.definition, "input": m.input.words, "source": m.source}
        for m in AGAIN
        if m.input is not None
    }
    comparisons = [{"measurement": row.measurement.name} | row.as_row() for row in rows]
    return {"model": model_name, "measurements": about, "comparisons": comparisons}
