"""What a report says about causes: heads removed, every head in turn, the evidence ladder."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from headlab.behaviours import get_behaviour
from headlab.errors import HeadlabError
from headlab.evidence.ladder import Removals, evidence_ladder
from headlab.heads import Head
from headlab.interventions import Intervention, Prediction, Sweep
from headlab.interventions.replacing import Mode
from headlab.measuring.confidence import UNCLASSIFIED
from headlab.measuring.reading import Reading
from headlab.profiles.profile import Profile
from headlab.report.numbers import number, numbers

REPORTED: tuple[Mode, ...] = ("mean", "zero")  # the ways in which page and command remove heads
STRONGEST = 10
OTHER_TEXT = (
    "The heads were removed on another text, model or start token than the report is about: use "
    "the same for both."
)


def removed_heads(reading: Reading, made: Iterable[Intervention]) -> list[dict[str, Any]]:
    """What happens without some heads; the ways of removing the same heads stand together."""
    found: dict[Any, dict[str, Any]] = {}
    for each in made:
        if _place(each) != _place(reading) or each.text != reading.text:
            raise HeadlabError(OTHER_TEXT)
        case = (each.heads, each.position, each.watched)
        found.setdefault(case, _before(each))["ways"].append(_after(each))
    return list(found.values())


def _place(made: Reading | Intervention | Sweep) -> tuple[str, int | None]:
    return made.model_name, made.start_token


def _before(made: Intervention) -> dict[str, Any]:
    """The text as it is."""
    return {
        "heads": [str(head) for head in made.heads],
        "position": made.position,
        "after": made.token_texts[made.position],
        "loss": number(np.nanmean(made.losses_before)),
        "losses": numbers(made.losses_before),
        "watched": [
            {"token": token, "text": text, "probability": number(np.exp(logprob))}
            for token, text, logprob in zip(
                made.watched, made.watched_texts, made.logprobs_before, strict=True
            )
        ],
        "expected": _expected(made.top_before),
        "ways": [],
    }


def _after(made: Intervention) -> dict[str, Any]:
    """The text without the heads, removed in one way, and beside it without others."""
    control = made.control
    return {
        "mode": made.mode,
        "replaced_by": made.replaced_by,
        "loss": number(np.nanmean(made.losses_after)),
        "loss_change": number(made.loss_change),
        "losses": numbers(made.losses_after),
        "watched": [
            {
                "probability": number(np.exp(after)),
                "change": number(change),
                "beyond": number(share),
            }
            for after, change, share in zip(
                made.logprobs_after,
                made.logprob_change,
                made.logprob_beyond_control,
                strict=True,
            )
        ],
        "expected": _expected(made.top_after),
        "control": None
        if control is None
        else {
            "n_draws": len(control.heads),
            "every": control.every,
            "least": number(control.loss_change.min()),
            "most": number(control.loss_change.max()),
            "beyond": number(made.loss_beyond_control),
            "heads": [[str(head) for head in draw] for draw in control.heads],
            "loss_change": numbers(control.loss_change),
        },
        "no_control": made.no_control,
    }


def _expected(tokens: Sequence[Prediction]) -> list[dict[str, Any]]:
    return [{"text": each.text, "probability": number(each.probability)} for each in tokens]


def every_head(reading: Reading, sweep: Sweep | None) -> dict[str, Any] | None:
    """The effect of removing each head alone."""
    if sweep is None:
        return None
    shape = (reading.n_layers, reading.n_heads)
    same = _place(sweep) == _place(reading) and sweep.texts == (reading.text,)
    if not same or sweep.effect.shape != shape:
        raise HeadlabError(OTHER_TEXT)
    reach = number(np.nanmax(np.abs(sweep.effect), initial=0)) or 0.0
    best = sweep.to_frame().head(STRONGEST).dropna()
    return {
        "mode": sweep.mode,
        "replaced_by": sweep.replaced_by,
        "metric": sweep.metric,
        "watched": sweep.watched_text,
        "before": number(sweep.before),
        "effect": numbers(sweep.effect),
        "scale": [-reach, reach],
        "strongest": best["head"].tolist(),
    }


def ladder(
    reading: Reading, profile: Profile, head: Head, removals: Sequence[Removals]
) -> dict[str, Any] | None:
    """The evidence ladder of a head's label; None for a head without one."""
    label = str(profile.label[head])
    if label == UNCLASSIFIED:
        return None
    probe = get_behaviour(label).rung4.probe
    fitting = [r for r in removals if r.probe == probe and not np.isnan(r.effect[head])]
    steps = evidence_ladder(profile, head, label, reading, next(iter(fitting), None))
    return {
        "behaviour": label,
        "steps": [
            {
                **{"number": step.number, "title": step.title, "asks": step.asks},
                **{"status": step.status, "words": step.words},
                **{"figure": number(step.figure), "least": number(step.least)},
            }
            for step in steps
        ],
    }


def check_removals(profile: Profile, removals: Sequence[Removals]) -> None:
    """Raise HeadlabError for removals that were measured on a model of another shape."""
    shape = (profile.n_layers, profile.n_heads)
    if any(r.effect.shape != shape or r.held_out.shape != shape for r in removals):
        raise HeadlabError(
            "The removals were measured on a model of another shape: use those of the report's."
        )
