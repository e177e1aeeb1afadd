"""Every head on the prompts of probes: one pass, one layer of attention at a time."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from headlab.behaviours import Behaviour, Evidence, Prompt
from headlab.measuring import budget
from headlab.measuring.scoring import Batch, LayerRun, Measured
from headlab.models.attention import Tap, run
from headlab.models.loaded import LoadedModel

BATCH_SIZE = 16
SENTENCES = "sentences"  # the probe that shows where heads look on ordinary text
# Shares of every probe after which labels are known, then known better. After the first 92 % (mini)
# and 96 % (smollm2) of the labels are those of the whole profile; a tenth gives no more.
STAGES = (0.04, 0.4, 1.0)

Measurements = dict[str, dict[str, Measured]]  # behaviour -> probe -> measured


def n_tokens(prompts: Iterable[Prompt]) -> int:
    """How many tokens prompts have together."""
    return sum(len(prompt.tokens) for prompt in prompts)


def measure(
    model: LoadedModel,
    prompts: Mapping[str, Sequence[Prompt]],
    chosen: Sequence[Behaviour],
    did: Callable[[int], None] | None = None,
    sums: budget.Sums | None = None,
    gathered: Mapping[str, Sequence[Evidence]] = MappingProxyType({}),
) -> Measurements:
    """Every head on the chosen behaviours, one forward pass for each prompt.

    One layer of attention exists at a time; scores of [prompt, layer, head] are what is kept.
    ``did`` is called with each batch's number of tokens when they are measured. In the same passes
    ``sums``, of the sentences, are filled, and the evidence ``gathered`` from a probe.
    """
    measured: Measurements = {behaviour.name: {} for behaviour in chosen}
    for probe, sequences in prompts.items():
        here = [behaviour for behaviour in chosen if probe in behaviour.probes]
        if here and sequences:
            own = sums if probe == SENTENCES else None
            also = gathered.get(probe, ())
            for name, result in _measure_probe(model, sequences, here, did, own, also).items():
                measured[name][probe] = result
    return measured


def measure_in_stages(
    model: LoadedModel,
    prompts: Mapping[str, Sequence[Prompt]],
    chosen: Sequence[Behaviour],
    did: Callable[[int], None] | None = None,
    sums: budget.Sums | None = None,
    gathered: Mapping[str, Sequence[Evidence]] = MappingProxyType({}),
) -> Iterator[tuple[float, Measurements]]:
    """The same in ``STAGES``: each share of the prompts, and what they and all before them gave."""
    measured: Measurements = {behaviour.name: {} for behaviour in chosen}
    before = 0.0
    for share in STAGES:
        piece = {
            probe: sequences[math.ceil(before * len(sequences)) : math.ceil(share * len(sequences))]
            for probe, sequences in prompts.items()
        }
        for name, by_probe in measure(model, piece, chosen, did, sums, gathered).items():
            for probe, new in by_probe.items():
                known = measured[name].get(probe)
                measured[name][probe] = new if known is None else known.and_then(new)
        before = share
        yield share, measured


def _measure_probe(
    model: LoadedModel,
    prompts: Sequence[Prompt],
    chosen: Sequence[Behaviour],
    did: Callable[[int], None] | None,
    sums: budget.Sums | None,
    gathered: Sequence[Evidence],
) -> dict[str, Measured]:
    shape = (len(prompts), model.n_layers, model.n_heads)
    score = {b.name: np.full(shape, np.nan) for b in chosen}
    chance = {b.name: np.full(shape, np.nan) for b in chosen}
    rows = {b.name: np.zeros(len(prompts), dtype=int) for b in chosen}
    # prompts of one length together, so that little of a batch is padding
    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index].tokens))
    for begin in range(0, len(by_length), BATCH_SIZE):
        indices = by_length[begin : begin + BATCH_SIZE]
        batch = Batch([prompts[index] for index in indices], chosen, model=model)

        look = None if sums is None else sums.of_batch(batch.prompts)

        def read(layer, pattern, value, batch=batch, indices=indices, look=look):
            scores, chances, _ = batch.score_layer(layer, pattern, value)
            for behaviour in chosen:
                score[behaviour.name][indices, layer] = scores[behaviour.name]
                chance[behaviour.name][indices, layer] = chances[behaviour.name]
            if look is not None:
                look(layer, pattern, value)
            for each in gathered:
                each.read(LayerRun(batch, layer, pattern, value))

        tokens = model.as_batch([prompt.tokens for prompt in batch.prompts])
        stop = None if gathered else model.n_layers - 1  # evidence may ask what comes out
        tap = Tap(read, edit_residual=batch.edit_residual, last_layer=stop)
        hidden = run(model.network, tokens, tap)
        for each in gathered:
            each.end(batch, hidden)
        for behaviour in chosen:
            rows[behaviour.name][indices] = batch.rows[behaviour.name]
        if did is not None:
            did(n_tokens(batch.prompts))
    return {b.name: Measured(score[b.name], chance[b.name], rows[b.name]) for b in chosen}
