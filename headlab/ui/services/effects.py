"""What changing heads does to a prediction, each measured once for all: removals and patches."""

from collections.abc import Hashable

from headlab.evidence.ladder import Removals, nearby_layers, removals
from headlab.heads import Head
from headlab.interventions import (
    Attribution,
    Intervention,
    Patching,
    Reference,
    Sweep,
    ablate,
    ablation_sweep,
    attribute,
    mean_reference,
    patch,
)
from headlab.interventions.patching import Direction
from headlab.interventions.replacing import Mode
from headlab.ui.services.results import ChosenText, policy
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import long_work, model_of, result_cache, shared


def get_reference(selection: Selection) -> Reference:
    """What every head of the selected model writes on average."""
    model, start = model_of(selection), selection.start_token
    return shared(
        ("reference", model.content_hash, start),
        lambda: mean_reference(model, start_token=policy(start)),
        "Measuring what heads write on average …",
    )


def get_removal(
    selection: Selection, chosen: ChosenText, mode: Mode, watch: str | int | None = None
) -> Intervention:
    """A text with and without the heads to remove, in one of the modes of ``ablate``."""
    model, start, heads = model_of(selection), selection.start_token, selection.removed
    reference = get_reference(selection) if mode == "mean" else None
    return shared(
        ("removal", model.reading_hash, chosen, start, heads, mode, watch),
        lambda: ablate(
            model,
            chosen.text,
            heads,
            mode,
            reference,
            watch=watch,
            spans=chosen.spans,
            start_token=policy(start),
        ),
        "Reading the text without these heads …",
    )


def get_sweep(selection: Selection, text: str, watch: int | None) -> Sweep:
    """Every head removed in turn, with a bar: the change of the loss, or of one next token."""
    model, start, reference = (
        model_of(selection),
        selection.start_token,
        get_reference(selection),
    )
    return long_work(
        ("sweep", model.reading_hash, text, start, watch),
        lambda job: ablation_sweep(
            model,
            text,
            "mean",
            reference,
            metric="loss" if watch is None else "log-probability",
            watch=watch,
            start_token=policy(start),
            progress=job.progress,
        ),
        "Removing every head in turn",
    )


def _removals_key(selection: Selection, probe: str, layer: int) -> Hashable:
    model = model_of(selection)
    return ("removals", model.content_hash, selection.start_token, probe, layer)


def ready_removals(selection: Selection, probe: str, layer: int) -> Removals | None:
    """What removing heads of a layer and of those beside it does, if it need not be measured."""
    return result_cache().find(_removals_key(selection, probe, layer))


def get_removals(selection: Selection, probe: str, layer: int) -> Removals:
    """What removing heads of a layer and of those beside it does on a probe, measured if needed."""
    model, start = model_of(selection), policy(selection.start_token)
    layers = nearby_layers(layer, model.n_layers)
    return long_work(
        _removals_key(selection, probe, layer),
        lambda job: removals(model, probe, layers, start, job.progress),
        f"Removing every head of layers {layers[0]} to {layers[-1]}",
    )


def get_patching(selection: Selection, texts: tuple[str, str], tokens: tuple[str, str]) -> Patching:
    """What each head carries from one of two texts to the other, with a bar."""
    model, start = model_of(selection), selection.start_token
    direction: Direction = "noising" if selection.noising else "denoising"
    what, by_position = selection.what, selection.by_position
    return long_work(
        ("patching", model.reading_hash, start, texts, tokens, what, direction, by_position),
        lambda job: patch(
            model,
            *texts,
            *tokens,
            what=what,
            direction=direction,
            by_position=by_position,
            start_token=policy(start),
            progress=job.progress,
        ),
        "Patching every head in turn",
    )


def get_attribution(
    selection: Selection, text: str, answer: int, wrong: int, removed: tuple[Head, ...] = ()
) -> Attribution:
    """What each part writes towards one next token and away from another."""
    model, start, reference = (
        model_of(selection),
        selection.start_token,
        get_reference(selection),
    )
    return shared(
        ("attribution", model.reading_hash, text, start, answer, wrong, removed),
        lambda: attribute(
            model,
            text,
            answer,
            wrong,
            removed=removed,
            mode="mean",
            reference=reference,
            start_token=policy(start),
        ),
        "Splitting the prediction into its parts …",
    )
