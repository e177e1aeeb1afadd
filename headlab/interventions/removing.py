"""Remove heads: one set of them in depth, or every head in turn."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from math import comb, prod
from typing import Any, Literal

import numpy as np

from headlab.behaviours import Prompt, Spans, behaviours
from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.base import (
    HeadName,
    OnText,
    Progress,
    checked_heads,
    checked_position,
    known,
    read,
)
from headlab.interventions.replacing import Mode, Reference, edit_of, mean_reference, replacement
from headlab.measuring.scoring import Batch
from headlab.models import editing
from headlab.models.attention import check_changeable
from headlab.models.loading import LoadedModel
from headlab.models.tokens import (
    StartToken,
    resolve_start_token,
    single_token,
    token_text,
    tokenise,
)

SweepMetric = Literal["loss", "log-probability"]


@dataclass(frozen=True)
class Prediction:
    """A token that the model expects next, with its probability."""

    token: int
    text: str
    probability: float


@dataclass(frozen=True, eq=False)
class Control:
    """The same for as many other heads of the same layers, drawn at random, seeded.

    ``heads`` by draw; ``loss_change`` [draw] in nats, ``logprob_change`` [draw, watched token].
    ``every`` says that these are all the draws there are.
    """

    heads: tuple[tuple[Head, ...], ...]
    loss_change: np.ndarray
    logprob_change: np.ndarray
    every: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Intervention(OnText):
    """What a text's prediction becomes without some heads.

    ``losses_before`` and ``losses_after`` [position]: minus the log-probability, in nats, of the
    token that stands there; NaN at position 0. ``watched`` are the token ids whose log-probability
    at ``position`` (what follows that token) is in ``logprobs_before`` and ``logprobs_after``
    [watched token]; ``top_before`` and ``top_after`` are what is expected there. ``scores_before``
    and ``scores_after`` map behaviours to [layer, head] on this text, NaN where it cannot test
    them. ``replaced_by`` says in words what stood in for the heads' outputs. ``control`` is None
    where ``no_control`` says why.
    """

    heads: tuple[Head, ...]
    mode: Mode
    replaced_by: str
    position: int
    losses_before: np.ndarray = field(repr=False)
    losses_after: np.ndarray = field(repr=False)
    watched: tuple[int, ...]
    watched_texts: tuple[str, ...]
    logprobs_before: np.ndarray
    logprobs_after: np.ndarray
    top_before: list[Prediction] = field(repr=False)
    top_after: list[Prediction] = field(repr=False)
    scores_before: dict[str, np.ndarray] = field(repr=False)
    scores_after: dict[str, np.ndarray] = field(repr=False)
    control: Control | None
    no_control: str = ""

    @property
    def loss_change(self) -> float:
        """The change of the loss, mean over positions, in nats; above 0 the text surprises more."""
        return float(np.nanmean(self.position_loss_change))

    @property
    def position_loss_change(self) -> np.ndarray:
        """The change of the loss at each position, in nats [position]; NaN at position 0."""
        return self.losses_after - self.losses_before

    @property
    def logprob_change(self) -> np.ndarray:
        """The change of each watched token's log-probability, in nats [watched token]."""
        return self.logprobs_after - self.logprobs_before

    @property
    def score_changes(self) -> dict[str, np.ndarray]:
        """After minus before by behaviour, [layer, head]."""
        before = self.scores_before
        return {name: after - before[name] for name, after in self.scores_after.items()}

    @property
    def loss_beyond_control(self) -> float:
        """The share of control draws that change the loss less, 0 to 1; NaN without a control."""
        if self.control is None:
            return float("nan")
        return float((np.abs(self.control.loss_change) < abs(self.loss_change)).mean())

    @property
    def logprob_beyond_control(self) -> np.ndarray:
        """The same for each watched token's log-probability, [watched token]."""
        if self.control is None:
            return np.full(len(self.watched), np.nan)
        return (np.abs(self.control.logprob_change) < np.abs(self.logprob_change)).mean(0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sweep:
    """The effect of removing each head alone.

    ``effect`` [layer, head]: the change, in nats, of the mean loss, or of the watched token's
    log-probability; ``before`` is that figure with every head in place. Over several texts both
    are means of the texts' own. ``position_effect`` [layer, head, position] is the change of the
    loss at each position of a single text, NaN at position 0; None otherwise.
    """

    model_name: str
    start_token: int | None
    start_text: str | None
    texts: tuple[str, ...]
    mode: Mode
    replaced_by: str
    metric: SweepMetric
    watched_text: str | None
    effect: np.ndarray = field(repr=False)
    before: float
    position_effect: np.ndarray | None = field(repr=False)


def ablate(
    model: LoadedModel,
    text: str,
    heads: Iterable[HeadName] | HeadName = (),
    mode: Mode = "zero",
    reference: str | Sequence[str] | Reference | None = None,
    *,
    layers: Iterable[int] = (),
    watch: str | int | Sequence[str | int] | None = None,
    position: int = -1,
    top: int = 10,
    draws: int = 20,
    seed: int = 0,
    spans: Spans | None = None,
    start_token: StartToken = "model",
) -> Intervention:
    """Run ``text`` with and without some heads.

    Parameters
    ----------
    heads, layers : the heads removed, such as "L5.H10", and the layers all of whose heads are.
    mode : what stands in for a head's output before W_O: "zero", its "mean" over ``reference``
        (a text, texts, a ``mean_reference``, by default the probes' sentences), or what it wrote
        on another "text" of at least as many tokens, position by position.
    watch : tokens whose log-probability is followed, each one token (" Mary") or an id; by default
        the one expected most.
    position : after which token; -1 is the end of the text.
    top : how many of the tokens expected most are listed.
    draws : the most draws of control heads; 0 for none.
    spans : for retrieval, as ``read_text`` takes them.

    Raises
    ------
    HeadlabError : a head, mode or position that does not exist, a watched token that is not one, a
        reference that is too short, a model that can only be read.
    """
    check_changeable(model.network)
    on = read(model, text, start_token)
    removed = checked_heads(model, heads, layers)
    position = checked_position(position, on.tokens)
    constants, words, first = replacement(model, on.tokens, on.start_token, mode, reference)
    prompt = Prompt(tuple(on.tokens), tuple(on.token_texts), spans)
    tokens = model.as_batch([on.tokens])
    scores = _Scores(model, prompt)

    def run(edit: editing.Edit) -> tuple[Any, dict[str, np.ndarray]]:
        scores.begin()
        hidden = editing.edited(model.network, tokens, edit, constants, scores.read_heads)
        return hidden, scores.found

    hidden_before, scores_before = run(editing.Edit({}))
    hidden_after, scores_after = run(edit_of(removed, first))
    top_before = _top(model, hidden_before[:, position], top)
    watched = _watched(model, watch, top_before)

    def measure(hidden: Any) -> tuple[np.ndarray, np.ndarray]:
        """Losses [row, position] and log-probabilities [row, watched token]."""
        losses = editing.token_losses(model.network, hidden, on.tokens).cpu().numpy()
        chosen = editing.log_probabilities(model.network, hidden[:, position], watched)
        return _from_first(losses), chosen.cpu().numpy().astype(float)

    (losses_before,), (logprobs_before,) = measure(hidden_before)
    (losses_after,), (logprobs_after,) = measure(hidden_after)
    drawn, why, every = _drawn_heads(model, removed, draws, seed)
    loss_change = np.zeros(len(drawn))
    logprob_change = np.zeros((len(drawn), len(watched)))
    edits = [edit_of(others, first) for others in drawn]
    for part, hidden in editing.versions(model.network, tokens, edits, constants):
        losses, chosen = measure(hidden[1:])
        loss_change[part] = np.nanmean(losses - losses_before, axis=-1)
        logprob_change[part] = chosen - logprobs_before
    control = Control(tuple(drawn), loss_change, logprob_change, every) if drawn else None
    return Intervention(
        **vars(on),
        heads=removed,
        mode=mode,
        replaced_by=words,
        position=position,
        losses_before=losses_before,
        losses_after=losses_after,
        watched=tuple(watched),
        watched_texts=tuple(token_text(model, token) for token in watched),
        logprobs_before=logprobs_before,
        logprobs_after=logprobs_after,
        top_before=top_before,
        top_after=_top(model, hidden_after[:, position], top),
        scores_before=scores_before,
        scores_after=scores_after,
        control=control,
        no_control=why,
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
    effects, befores, positions = [], [], None
    words = ""
    for number, prompt in enumerate(prompts):
        constants, words, first = replacement(model, prompt.tokens, start, mode, reference)
        token = prompt.answer if watched is None else watched
        measure = _sweep_measure(model, prompt, metric, token, position)
        tokens = model.as_batch([prompt.tokens])
        edits = [edit_of((head,), first) for head in heads]
        done = 0
        for part, hidden in editing.versions(model.network, tokens, edits, constants):
            values = measure(hidden)  # [row, position or 1]
            if not done:
                before, changes = values[0], np.full((len(heads), values.shape[1]), np.nan)
            changes[part] = values[1:] - values[0]
            done += len(part)
            if progress is not None:
                share = (number + done / len(heads)) / len(prompts)
                progress(share, f"text {number + 1} of {len(prompts)}, head {done} of {len(heads)}")
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


def _placed(values: np.ndarray, heads: Sequence[Head], shape: tuple[int, int]) -> np.ndarray:
    """Values [chosen head, ...] in a map of all heads [layer, head, ...], NaN for the others."""
    found = np.full((*shape, *values.shape[1:]), np.nan)
    found[tuple(np.array(heads).T)] = values
    return found


class _Scores:
    """Scores of every head on one prompt, gathered while passes run."""

    def __init__(self, model: LoadedModel, prompt: Prompt) -> None:
        chosen = [behaviour for behaviour in behaviours().values() if not behaviour.needs_model]
        self._batch = Batch([prompt], chosen, on_text=True, model=model)
        self._shape = (model.n_layers, model.n_heads)
        self.found: dict[str, np.ndarray] = {}

    def begin(self) -> None:
        """Forget the last pass."""
        self.found = {b.name: np.full(self._shape, np.nan) for b in self._batch.behaviours}

    def read_heads(self, layer: int, heads: slice, pattern: Any) -> None:
        """Score some heads of a layer, as a tap hears them."""
        scores, _ = self._batch.score_layer(layer, pattern)
        for name, score in scores.items():
            self.found[name][layer, heads] = score[0]


def _from_first(losses: np.ndarray) -> np.ndarray:
    """Losses [row, position] with the NaN of position 0, which nothing predicts."""
    return np.pad(losses.astype(float), ((0, 0), (1, 0)), constant_values=np.nan)


def _watched(
    model: LoadedModel,
    watch: str | int | Sequence[str | int] | None,
    top: Sequence[Prediction],
) -> list[int]:
    if watch is None:
        return [top[0].token]
    words = [watch] if isinstance(watch, str | int) else watch
    return [single_token(model, word) for word in words]


def _top(model: LoadedModel, hidden: Any, k: int) -> list[Prediction]:
    """The ``k`` tokens, one at least, that are expected most after ``hidden`` [1, d_model]."""
    logits = editing.logits_of(model.network, hidden)[0].cpu().numpy().astype(float)
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    best = np.argsort(-probabilities, kind="stable")[: max(k, 1)]
    return [
        Prediction(int(token), token_text(model, int(token)), float(probabilities[token]))
        for token in best
    ]


def _drawn_heads(
    model: LoadedModel, removed: Sequence[Head], draws: int, seed: int
) -> tuple[list[tuple[Head, ...]], str, bool]:
    """Draws of as many other heads of the same layers, all different; why none; whether all."""
    if not removed or draws < 1:
        return [], "No control was asked for." if removed else "No head was removed.", False
    by_layer = edit_of(removed, 0).heads
    pools = []
    for layer, gone in by_layer.items():
        others = [Head(layer, head) for head in range(model.n_heads) if head not in gone]
        if len(others) < len(gone):
            why = (
                f"Layer {layer} has {len(others)} other heads, too few to draw {len(gone)} from as "
                "a control."
            )
            return [], why, False
        pools.append((others, len(gone)))
    if prod(comb(len(others), k) for others, k in pools) <= draws:
        every = product(*(combinations(others, k) for others, k in pools))
        return [tuple(head for part in draw for head in part) for draw in every], "", True
    rng = random.Random(seed)
    found: dict[tuple[Head, ...], None] = {}  # an ordered set
    while len(found) < draws:
        draw = [head for others, k in pools for head in rng.sample(others, k)]
        found[tuple(sorted(draw))] = None
    return list(found), "", False


def _sweep_measure(
    model: LoadedModel, prompt: Prompt, metric: SweepMetric, token: int | None, position: int
) -> Callable[[Any], np.ndarray]:
    """Hidden states [row, position, d_model] to the metric [row, position], or [row, 1]."""
    network = model.network
    if metric == "loss":
        return lambda hidden: _from_first(
            editing.token_losses(network, hidden, prompt.tokens).cpu().numpy()
        )
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
