"""Published figures of GPT-2 small, measured again on loaded weights: ours beside theirs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headlab.errors import HeadlabError
from headlab.evidence.published import MEASUREMENTS, NAMES, Measurement, Questions
from headlab.heads import Head
from headlab.models.attention import Tap, run
from headlab.models.attribution import direct_parts
from headlab.models.editing import Edit
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import single_token, tokenise
from headlab.models.weights import value_biases
from headlab.profiles.work import Progress, Work

BATCH_SIZE = 10
SHAPE = {"model_type": "gpt2", "n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50_257}

AGAIN = tuple(m for m in MEASUREMENTS if m.input is not None)  # those that can be measured again


@dataclass(frozen=True)
class Comparison:
    """One head's published figure and ours, by its publisher's own definition and input."""

    measurement: Measurement
    head: Head
    ours: float

    @property
    def published(self) -> float:
        """The figure as its publisher gives it."""
        return self.measurement.values[self.head]

    @property
    def within(self) -> bool:
        """Whether ours lies within the tolerance; never for NaN."""
        assert self.measurement.tolerance is not None
        return abs(self.ours - self.published) <= self.measurement.tolerance

    def as_row(self) -> dict[str, Any]:
        """The comparison as a row of a table."""
        return {
            "head": str(self.head),
            "ours": self.ours,
            "published": self.published,
            "tolerance": self.measurement.tolerance,
            "verdict": "agrees" if self.within else "differs",
        }


def nothing_to_compare(model: LoadedModel) -> str | None:
    """Why nothing published is known about this model; None for GPT-2 small, by shape and name."""
    config = model.network.config
    if model.name in NAMES and all(getattr(config, k, None) == v for k, v in SHAPE.items()):
        return None
    return (
        f"There is nothing to compare {model.name} with: the published figures are those of "
        "GPT-2 small. Open the model gpt2, or a folder called gpt2 that holds its weights."
    )


def measure_again(
    model: LoadedModel,
    progress: Progress | None = None,
    chosen: Sequence[Measurement] = AGAIN,
) -> dict[str, np.ndarray]:
    """Published measurements that can be measured again, name -> [layer, head].

    Each is the mean attention on one diagonal, 0 to 1, or a direct effect in logits, as its
    publisher defines it, on the publisher's input, even where this project's own scores are
    defined otherwise. ``progress`` is called with the share done, 0 to 1, and what is being done
    and how long the rest will take.
    """
    inputs = {id(m.input): m.input for m in chosen if m.input is not None}
    work = Work(sum(_size(model, m) for m in chosen), progress)
    measured: dict[str, np.ndarray] = {}
    for given in inputs.values():
        work.start(given.words)
        here = [m for m in chosen if m.input is given]
        if isinstance(given, Questions):
            measured |= _direct_effects(model, given, here, work.did)
        else:
            measured |= _diagonal_means(model, given.tokens(), here, work.did)
    work.start("done")
    return measured


def _size(model: LoadedModel, m: Measurement) -> int:
    """How many tokens are read for a measurement."""
    if isinstance(m.input, Questions):
        return sum(len(tokenise(model, question.text)[0]) for question in m.input.asked)
    return 0 if m.input is None else m.input.tokens().size


def _diagonal_means(
    model: LoadedModel, tokens: np.ndarray, here: list[Measurement], did: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """Mean attention at each measurement's distance over all sequences, [layer, head]."""
    means = {m.name: np.zeros((model.n_layers, model.n_heads)) for m in here}

    def read(layer, pattern, value):
        for m in here:
            assert m.distance is not None
            diagonal = pattern.float().diagonal(offset=-m.distance, dim1=-2, dim2=-1)
            share = len(pattern) / len(tokens)
            means[m.name][layer] += share * diagonal.mean((0, 2)).cpu().numpy()

    tap = Tap(read=read, last_layer=model.n_layers - 1)
    for begin in range(0, len(tokens), BATCH_SIZE):
        batch = tokens[begin : begin + BATCH_SIZE]
        run(model.network, model.as_batch(batch.tolist()), tap)
        did(batch.size * len(here))
    return means


def _direct_effects(
    model: LoadedModel, questions: Questions, here: list[Measurement], did: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """Each measurement's mean direct effect, or its change without a head, [layer, head]."""
    plain = _mean_effect(model, questions, None, did)
    return {
        m.name: plain
        if m.removed is None
        else _mean_effect(model, questions, m.removed, did) - plain
        for m in here
    }


def _mean_effect(
    model: LoadedModel, questions: Questions, removed: Head | None, did: Callable[[int], None]
) -> np.ndarray:
    """What each head adds to the right answer after the last token, mean over questions.

    The publisher's tool moves value biases out of the heads: they count for none, and a head that
    is removed leaves its own behind.
    """
    gone = Edit(
        {} if removed is None else {removed.layer: (removed.head,)}, positions=slice(-1, None)
    )
    biases = value_biases(model.network)
    effects = []
    for question in questions.asked:
        tokens, _ = tokenise(model, question.text)
        pair = single_token(model, question.answer), single_token(model, question.wrong)
        parts = direct_parts(model.network, model.as_batch([tokens]), *pair, gone, biases)
        effects.append((parts["heads"] - parts["value_biases"])[..., -1])
        did(len(tokens))
    return np.mean(effects, axis=0)


def compare(measured: Mapping[str, np.ndarray]) -> list[Comparison]:
    """Matrices [layer, head] by measurement name, held against the published figures."""
    return [
        Comparison(m, head, float(measured[m.name][head]))
        for m in AGAIN
        if m.name in measured
        for head in m.values
    ]


def verdict(model_name: str, rows: Sequence[Comparison]) -> str:
    """What the comparisons of a model come to, and which figures differ."""
    differing: dict[str, list[str]] = {}
    for row in rows:
        if not row.within:
            differing.setdefault(row.measurement.title, []).append(str(row.head))
    told = (
        f"{sum(row.within for row in rows)} of {len(rows)} published figures agree with "
        f"{model_name} as loaded, each within its tolerance."
    )
    if not differing:
        return told
    where = "; ".join(f"{title} ({', '.join(heads)})" for title, heads in differing.items())
    return (
        f"{told} These differ: {where}. Either these are not the weights that were measured, or "
        "headlab measures wrongly: check the files, and report it if they are right."
    )


def verify_model(model: LoadedModel, progress: Progress | None = None) -> list[Comparison]:
    """Ours beside theirs for every published figure that can be measured again.

    Raises HeadlabError, saying that there is nothing to compare, for all but GPT-2 small.
    """
    if reason := nothing_to_compare(model):
        raise HeadlabError(reason)
    return compare(measure_again(model, progress))
