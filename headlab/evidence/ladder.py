"""The evidence ladder: how far up what is known of a head's behaviour reaches.

A pattern is observation. Each rung asks for more than the one below; what is asked on rungs 3 and 4
stands in the behaviour's own file.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from headlab.behaviours import Prompt, get_behaviour
from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions import ablation_sweep, mean_reference
from headlab.interventions.base import Progress
from headlab.measuring.probes import facts, missing, names, repeats
from headlab.measuring.reading import ACTIVE, QUIET, Reading
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, resolve_start_token
from headlab.profiles.profile import Profile

Status = Literal["passed", "failed", "not measured", "does not apply"]

PROBES: dict[str, Callable[..., list[Prompt]]] = {
    "repeats": repeats,
    "facts": facts,
    "names": names,
}
N_PROMPTS = 8  # each costs a pass for every head of a layer
HELD_OUT = 1  # the seed of the prompts that nothing else in this project is measured on
BEYOND = 0.95  # of the heads nearby that do not show the behaviour; more than that
FEWEST = 8  # of them: fewer say too little


@dataclass(frozen=True)
class Step:
    """One rung for one head and behaviour: what it asks, and what was found.

    ``asks`` is empty where it asks nothing. ``figure`` is what was measured, NaN where nothing was,
    and ``least`` what it is held against; ``words`` say what the figure is, or why there is none.
    """

    number: int
    title: str
    asks: str
    status: Status
    words: str
    figure: float = float("nan")
    least: float = float("nan")


@dataclass(frozen=True, eq=False)
class Removals:
    """What removing each head of some layers does on a probe, and on held-out prompts of its kind.

    Both [layer, head] in nats, NaN for layers that were not asked for: the change of the loss of a
    passage said again ("repeats"), or of the log-probability of the answer ("facts", "names").
    Heads' outputs are replaced by their mean over the sentences of the probes.
    """

    probe: str
    effect: np.ndarray = field(repr=False)
    held_out: np.ndarray = field(repr=False)


def removals(
    model: LoadedModel,
    probe: str,
    layers: Iterable[int] | None = None,
    start_token: StartToken = "model",
    progress: Progress | None = None,
) -> Removals:
    """Measure what rungs 4 and 5 are held against, for the heads of ``layers`` (default: all).

    ``progress`` is called with the share done, 0 to 1, and what is being done. Raises HeadlabError
    for a model without prompts of this probe and for one that can only be read.
    """
    start = resolve_start_token(model, start_token)
    reference = mean_reference(model, start_token=start)
    report = progress or (lambda done, what: None)
    chosen = None if layers is None else tuple(layers)

    def effect(prompts: list[Prompt], begin: float) -> np.ndarray:
        if not prompts:
            raise HeadlabError(f"{model.name} cannot be tested here: {missing(model, probe)}.")
        return ablation_sweep(
            model,
            prompts[:N_PROMPTS],
            "mean",
            reference,
            metric="loss" if probe == "repeats" else "log-probability",
            layers=chosen,
            start_token=start,
            progress=lambda done, what: report(begin + done / 2, what),
        ).effect

    prompts = PROBES[probe]
    return Removals(
        probe,
        effect(prompts(model, start), 0.0),
        effect(prompts(model, start, seed=HELD_OUT), 0.5),
    )


def nearby_layers(layer: int, n_layers: int) -> range:
    """A layer and the two beside it: where the heads are that rungs 4 and 5 compare with."""
    return range(max(layer - 1, 0), min(layer + 2, n_layers))


def evidence_ladder(
    profile: Profile,
    head: Head,
    behaviour: str,
    reading: Reading | None = None,
    removed: Removals | None = None,
) -> tuple[Step, ...]:
    """The five rungs of one head's behaviour.

    On the probes, on one text, in what it writes, when it is removed, and again on held-out texts.
    Figures are on the threshold's scale of the behaviour (rungs 1 and 2, up to 1) and shares from
    0 to 1 (rungs 3 to 5). Rungs are independent: one that fails does not stop the next. Raises
    HeadlabError for an unknown behaviour.
    """
    return (
        _on_the_probes(profile, head, behaviour),
        _on_this_text(reading, head, behaviour),
        _in_what_it_writes(profile, head, behaviour),
        _when_removed(profile, removed, head, behaviour),
        _on_held_out_texts(profile, removed, head, behaviour),
    )


def _judged(figure: float, least: float) -> Status:
    return "passed" if figure >= least else "failed"


def _on_the_probes(profile: Profile, head: Head, behaviour: str) -> Step:
    about = get_behaviour(behaviour)
    kind = "what it writes" if about.needs_model else "its pattern"
    rung = (1, "On the probes", f"On our probe texts, {kind} passes the behaviour's threshold.")
    if behaviour not in profile.score:
        return Step(*rung, "not measured", f"{profile.untested.get(behaviour, 'not profiled')}")
    value = float(profile.value(behaviour)[head])
    if np.isnan(value):
        return Step(*rung, "not measured", f"heads of layer {head.layer} cannot be tested")
    return Step(*rung, _judged(value, about.threshold), about.scale_words, value, about.threshold)


def _on_this_text(reading: Reading | None, head: Head, behaviour: str) -> Step:
    about = get_behaviour(behaviour)
    needed = "the threshold" if about.resting else "half the threshold"
    rung = (2, "On this text", f"On the text being read, it reaches at least {needed}.")
    if reading is None:
        return Step(*rung, "not measured", "no text is being read")
    if behaviour not in reading.scores:
        return Step(*rung, "not measured", f"it needs {about.asks}")
    status = reading.status[behaviour][head]
    if status not in (ACTIVE, QUIET):
        return Step(*rung, "not measured", f"{status}: it needs {about.asks}")
    value = float(reading.value(behaviour)[head])
    return Step(
        *rung, _judged(value, about.active_from), about.scale_words, value, about.active_from
    )


def _in_what_it_writes(profile: Profile, head: Head, behaviour: str) -> Step:
    asked = get_behaviour(behaviour).rung3
    if not asked.applies:
        return Step(3, "What it writes", "", "does not apply", asked.asks)
    rung = (3, "What it writes", asked.asks)
    if asked.figure is None or asked.least is None or asked.figure not in profile.evidence:
        return Step(*rung, "not measured", "the profile does not hold its figure")
    share = float(profile.evidence[asked.figure][head])
    if np.isnan(share):
        return Step(*rung, "not measured", "the weights of this architecture cannot be read")
    words = "share of what it reads that it makes likelier than all else"
    if asked.contrary is not None:
        against = float(profile.evidence[asked.contrary][head])
        if against >= asked.least:
            words += f"; it suppresses instead: {against:.2f} becomes less likely than all else"
    return Step(*rung, _judged(share, asked.least), words, share, asked.least)


def _when_removed(profile: Profile, removed: Removals | None, head: Head, behaviour: str) -> Step:
    asked = get_behaviour(behaviour).rung4
    if not asked.applies:
        return Step(4, "When it is removed", "", "does not apply", asked.asks)
    effect = None if removed is None or removed.probe != asked.probe else removed.effect
    rung = (4, "When it is removed", asked.asks)
    return _beyond_others(effect, profile, head, behaviour, rung)


def _on_held_out_texts(
    profile: Profile, removed: Removals | None, head: Head, behaviour: str
) -> Step:
    asked = get_behaviour(behaviour).rung4
    title = "On texts held out"
    if not asked.applies:
        return Step(5, title, "", "does not apply", "it repeats rung 4, which does not apply")
    effect = None if removed is None or removed.probe != asked.probe else removed.held_out
    asks = f"The same on {N_PROMPTS} {_HELD_OUT_WORDS[str(asked.probe)]}, drawn with another seed."
    return _beyond_others(effect, profile, head, behaviour, (5, title, asks))


_HELD_OUT_WORDS = {
    "repeats": "repeated random lists",
    "facts": "fact prompts",
    "names": "indirect-object prompts",
}


def _beyond_others(
    effect: np.ndarray | None,
    profile: Profile,
    head: Head,
    behaviour: str,
    rung: tuple[int, str, str],
) -> Step:
    """Whether a head's effect has the right sign and exceeds those of heads without the behaviour.

    These are the heads of its layer and of the two beside it that do not show the behaviour: with
    those that do, only one head of a layer could ever pass.
    """
    if effect is None or np.isnan(effect[head]):
        return Step(*rung, "not measured", "the head has not been removed yet")
    about = get_behaviour(behaviour)
    shows = profile.value(behaviour) >= about.shown_from  # NaN shows nothing
    others = [
        Head(layer, other)
        for layer in nearby_layers(head.layer, profile.n_layers)
        for other in range(profile.n_heads)
        if not shows[layer, other] and (layer, other) != head
    ]
    sign = 1 if about.rung4.rises else -1
    found = np.array([sign * effect[other] for other in others if not np.isnan(effect[other])])
    if len(found) < FEWEST:
        words = (
            f"too few to compare with: {len(found)} heads nearby do not show it, {FEWEST} needed"
        )
        return Step(*rung, "not measured", words)
    mine = sign * effect[head]
    share = float((found < mine).mean())
    words = (
        f"share of {len(found)} heads nearby without the behaviour that matter less; "
        f"{effect[head]:+.3f} nats"
    )
    status: Status = "passed" if share > BEYOND and mine > 0 else "failed"
    return Step(*rung, status, words, share, BEYOND)
