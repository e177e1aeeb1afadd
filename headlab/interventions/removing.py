"""Remove one set of heads from a text's run, in depth and beside a control."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headlab.behaviours import Prompt, Spans, behaviours
from headlab.interventions.base import HeadName, checked_heads, checked_position, read
from headlab.interventions.controls import drawn_heads
from headlab.interventions.effects import Control, Intervention, Prediction
from headlab.interventions.replacing import Mode, Reference, edit_of, replacement
from headlab.measuring.scoring import Batch
from headlab.models import editing
from headlab.models.attention import check_changeable
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, single_token, token_text


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
    tokens = model.as_batch([on.tokens])
    batch = _scoring(model, Prompt(tuple(on.tokens), tuple(on.token_texts), spans))
    hidden_before, scores_before = _run(model, tokens, editing.Edit({}), constants, batch)
    hidden_after, scores_after = _run(model, tokens, edit_of(removed, first), constants, batch)
    top_before = _top(model, hidden_before[:, position], top)
    watched = _watched(model, watch, top_before)
    measure = _Measure(model.network, on.tokens, position, watched)
    (losses_before,), (logprobs_before,) = measure(hidden_before)
    (losses_after,), (logprobs_after,) = measure(hidden_after)
    drawn, why, every = drawn_heads(model.n_heads, removed, draws, seed)
    edits = [edit_of(others, first) for others in drawn]
    loss_change = np.zeros(len(drawn))
    logprob_change = np.zeros((len(drawn), len(watched)))
    for part, hidden in editing.versions(model.network, tokens, edits, constants):
        losses, logprobs = measure(hidden[1:])
        loss_change[part] = np.nanmean(losses - losses_before, axis=-1)
        logprob_change[part] = logprobs - logprobs_before
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


@dataclass(frozen=True)
class _Measure:
    """Losses [row, position] and log-probabilities [row, watched token] of hidden states."""

    network: Any
    tokens: Sequence[int]
    position: int
    watched: Sequence[int]

    def __call__(self, hidden: Any) -> tuple[np.ndarray, np.ndarray]:
        """Measure hidden states [row, position, d_model]."""
        chosen = editing.log_probabilities(self.network, hidden[:, self.position], self.watched)
        losses = text_losses(self.network, hidden, self.tokens)
        return losses, chosen.cpu().numpy().astype(float)


def _scoring(model: LoadedModel, prompt: Prompt) -> Batch:
    """What scores every head on the prompt by every behaviour that attention shows."""
    chosen = [behaviour for behaviour in behaviours().values() if not behaviour.needs_model]
    return Batch([prompt], chosen, on_text=True, model=model)


def _run(
    model: LoadedModel, tokens: Any, edit: editing.Edit, constants: Sequence[Any], batch: Batch
) -> tuple[Any, dict[str, np.ndarray]]:
    """One edited pass: hidden states [1, position, d_model], and scores [layer, head]."""
    shape = (model.n_layers, model.n_heads)
    found = {behaviour.name: np.full(shape, np.nan) for behaviour in batch.behaviours}

    def read_heads(layer: int, heads: slice, pattern: Any) -> None:
        scores = batch.score_layer(layer, pattern).score
        for name, score in scores.items():
            found[name][layer, heads] = score[0]

    return editing.edited(model.network, tokens, edit, constants, read_heads), found


def text_losses(network: Any, hidden: Any, tokens: Sequence[int]) -> np.ndarray:
    """Losses [row, position] in nats, with the NaN of position 0, which nothing predicts."""
    losses = editing.token_losses(network, hidden, tokens).cpu().numpy().astype(float)
    return np.pad(losses, ((0, 0), (1, 0)), constant_values=np.nan)


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
