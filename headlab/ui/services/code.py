"""The lines of Python that make what a page shows, from what the learner has chosen."""

import json
from collections.abc import Sequence

from headlab.__version__ import __version__
from headlab.ui.services.results import ChosenText
from headlab.ui.services.selection import Selection


def layers_code(selection: Selection, chosen: ChosenText) -> str:
    """The grid of a layer."""
    return _lines(
        "from headlab import load_model, profile_model, read_text, show",
        "",
        _model(selection),
        f"profile = {_profile(selection)}",
        _reading(selection, chosen),
        f"show(reading, layer={selection.layer}, profile=profile)",
    )


def head_code(selection: Selection, chosen: ChosenText) -> str:
    """One head on a text, and its label."""
    head = f"L{selection.layer}.H{selection.head or 0}"
    return _lines(
        "from headlab import embed, load_model, plot, profile_model, read_text",
        "",
        _model(selection),
        _reading(selection, chosen),
        f"profile = {_profile(selection)}",
        f"print(profile.sentence({selection.layer}, {selection.head or 0}))",
        f'plot(reading, "{head}").show()',
        f'embed(reading, "{head}")',
    )


def rankings_code(selection: Selection, behaviour: str) -> str:
    """The heads of a model by one behaviour, as a map and a table."""
    return _lines(
        "from headlab import load_model, plot, profile_model",
        "",
        _model(selection),
        f"profile = {_profile(selection)}",
        f'plot(profile, "{behaviour}").show()',
        f'profile.ranking("{behaviour}")',
    )


def removal_code(selection: Selection, chosen: ChosenText, token: str | None) -> str:
    """What changes without the chosen heads."""
    heads = ", ".join(f'"{head}"' for head in selection.removed)
    watch = "" if token is None else f", watch={token!r}"
    start = "" if selection.start_token else ", start_token=None"
    return _lines(
        "from headlab import ablate, load_model",
        "",
        _model(selection),
        f"text = {chosen.text!r}",
        f'found = ablate(model, text, [{heads}], mode="mean"{watch}{start})',
        "print(found.logprob_change)  # of each token watched, in nats",
        "found",
    )


def as_notebook(code: str, title: str) -> str:
    """The code as a notebook file (nbformat 4)."""
    words = [f"# {title}\n", "\n", f"Needs `pip install headlab=={__version__}`."]
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": words},
        {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": code.splitlines(keepends=True),
        },
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4},
        indent=1,
    )


def _lines(*lines: str) -> str:
    return "\n".join(lines)


def _model(selection: Selection) -> str:
    special = "" if selection.reads == "text" else ".with_special_tokens()"
    return f"model = load_model({selection.model!r}){special}"


def _profile(selection: Selection) -> str:
    start = "" if selection.start_token else ", start_token=None"
    return f"profile_model(model{start})"


def _reading(selection: Selection, chosen: ChosenText) -> str:
    start = "" if selection.start_token else ", start_token=None"
    return f"reading = read_text(model, {chosen.text!r}{start}{_asked(chosen)})"


def _asked(chosen: ChosenText) -> str:
    pairs: Sequence[tuple[str, str]] = chosen.facts
    return f", entities={[tuple(pair) for pair in pairs]!r}" if pairs else ""
