"""Remove every head in turn, on a text, on several, or on the prompts of a probe."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from headlab.behaviours import Prompt
from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.base import Progress, checked_heads, checked_position, known
from headlab.interventions.effects import Sweep, SweepMetric
from headlab.interventions.removing import text_losses
from headlab.interventions.replacing import Mode, Reference, edit_of, mean_reference, replacement
from headlab.models import editing
from headlab.models.attention import check_changeable
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import (
    StartToken,
    resolve_start_token,
    single_token,
    token_text,
    tokenise,
)


def ablation_sweep(
    model: LoadedModel,
    texts: str | Sequence[str] | Sequence[Prompt],
    mode: Mode = "zero",
    reference: str | Sequence[str] | Reference | None = None,
    *,
    metric: SweepMetric = "loss",
    watch: str | int | None = None,
    position: int = -1,
    layers: Iterable[int] | None = None,
    start_token: StartToken = "model",
    progress: Progress | None = None,
) -> Sweep:
    """Remove every head alone: the effect of each, on a text, on several, or on prompts of a probe.

    With ``layers`` only the heads of these; the effects of the others are NaN.
    ``metric`` "loss" is the mean over positions; of a prompt that repeats itself only the second
    half counts, where there is something to know. "log-probability" is that of ``watch``, one
    token, after ``position``, and takes half the time; without ``watch`` that of the answer of a
    fact or name prompt. ``mode`` and ``reference`` as for ``ablate``. ``progress`` is called with
    the share done, 0 to 1, and what is being done. Raises HeadlabError as ``ablate`` does.
    """
    check_changeable(model.network)
    known("metric", metric, ("loss", "log-probability"))
    start = resolve_start_token(model, start_token)
    given = [texts] if isinstance(texts, str) else texts
    prompts = [
        one if isinstance(one, Prompt) else Prompt(tuple(tokenise(model, one, start)[0]))
        for one in given
    ]
    if not prompts:
        raise HeadlabError("There is no text to remove heads on: give at least one.")
    watched = None if watch is None else single_token(model, watch)
    if mode == "mean" and not isinstance(reference, Reference):
        reference = mean_reference(model, reference, start)
    shape = (model.n_layers, model.n_heads)
    heads = checked_heads(model, (), range(model.n_layers) if layers is None else layers)
    effects, befores, positions, words = [], [], None, ""

    def tell(number: int, done: int) -> None:
        if progress is not None:
            share = (number + done / len(heads)) / len(prompts)
            progress(share, f"text {number + 1} of {len(prompts)}, head {done} of {len(heads)}")

    for number, prompt in enumerate(prompts):
        constants, words, first = replacement(model, prompt.tokens, start, mode, reference)
        token = prompt.answer if watched is None else watched
        measure = _sweep_measure(model, prompt, metric, token, position)
        versions = editing.versions(
            model.network,
            model.as_batch([prompt.tokens]),
            [edit_of((head,), first) for head in heads],
            constants,
        )
        before, changes = _one_by_one(versions, measure, len(heads), partial(tell, number))
        counted = _counted(prompt, changes.shape[1])
        effects.append(_placed(np.nanmean(changes[:, counted], axis=-1), heads, shape))
        befores.append(float(np.nanmean(before[counted])))
        if metric == "loss" and len(prompts) == 1:
            positions = _placed(changes, heads, shape)
    return Sweep(
        model_name=model.name,
        start_token=start,
        start_text=None if start is None else token_text(model, start),
        texts=tuple(
            one if isinstance(one, str) else model.tokenizer.decode(one.tokens) for one in given
        ),
        mode=mode,
        replaced_by=words,
        metric=metric,
        watched_text=None if watched is None else token_text(model, watched),
        effect=np.mean(effects, axis=0),
        before=float(np.mean(befores)),
        position_effect=positions,
    )


def _one_by_one(
    versions: Iterable[tuple[Sequence[int], Any]],
    measure: Callable[[Any], np.ndarray],
    n: int,
    tell: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray]:
    """The metric of the unchanged text [position], and its change by version [n, position]."""
    before, changes, done = np.zeros(0), np.zeros((n, 0)), 0
    for part, hidden in versions:
        values = measure(hidden)
        before = values[0]
        changes = changes if done else np.full((n, len(before)), np.nan)
        changes[part] = values[1:] - before
        done += len(part)
        tell(done)
    return before, changes


def _placed(values: np.ndarray, heads: Sequence[Head], shape: tuple[int, int]) -> np.ndarray:
    """Values [chosen head, ...] in a map of all heads [layer, head, ...], NaN for the others."""
    found = np.full((*shape, *values.shape[1:]), np.nan)
    found[tuple(np.array(heads).T)] = values
    return found


def _sweep_measure(
    model: LoadedModel, prompt: Prompt, metric: SweepMetric, token: int | None, position: int
) -> Callable[[Any], np.ndarray]:
    """Hidden states [row, position, d_model] to the metric [row, position], or [row, 1]."""
    network = model.network
    if metric == "loss":
        return lambda hidden: text_losses(network, hidden, prompt.tokens)
    if token is None:
        raise HeadlabError("A log-probability needs a token: say which one is watched.")
    place = checked_position(position, prompt.tokens)

    def measure(hidden: Any) -> np.ndarray:
        return editing.log_probabilities(network, hidden[:, place], [token]).cpu().numpy()

    return measure


def _counted(prompt: Prompt, width: int) -> slice:
    """The positions that a prompt's mean is over: where it repeats itself, those it can know."""
    if width == 1 or prompt.half is None:
        return slice(None)
    return slice(prompt.half + 1, None)
