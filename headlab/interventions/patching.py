"""Carry what heads did on one text over to another."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError
from headlab.interventions.base import OnText, Progress, checked_position, facts, known, read
from headlab.measuring.json_types import plain
from headlab.measuring.notebook import InNotebook
from headlab.models import editing
from headlab.models.attention import check_changeable
from headlab.models.editing import Edit, What
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, single_token, token_text

Metric = Literal["logit difference", "log-probability"]
Direction = Literal["denoising", "noising"]
WHATS = ("head output", "pattern", "value", "residual")
METRICS = ("logit difference", "log-probability")
DIRECTIONS = ("denoising", "noising")
SAME = 1e-4  # metrics of two texts that lie closer leave nothing to restore


@dataclass(frozen=True, eq=False, kw_only=True)
class Patching(InNotebook):
    """What each head carries from one text to another.

    ``patched`` is the metric with the patch, [layer, head], [layer, head, position] by position, or
    [layer, position] for the residual stream before each layer. ``clean_metric`` and
    ``corrupt_metric`` are those of the texts themselves. "denoising" runs the corrupt text and puts
    what the clean one did in its place, "noising" the other way round.
    """

    model_name: str
    start_token: int | None
    start_text: str | None
    clean: str
    corrupt: str
    clean_tokens: list[int]
    corrupt_tokens: list[int]
    clean_token_texts: list[str]
    corrupt_token_texts: list[str]
    what: What
    metric: Metric
    direction: Direction
    answer: int
    answer_text: str
    wrong: int | None
    wrong_text: str | None
    position: int
    by_position: bool
    clean_metric: float
    corrupt_metric: float
    patched: np.ndarray = field(repr=False)

    @property
    def _ends(self) -> tuple[float, float]:
        """The metric of the text that was run, and of the one that was patched in."""
        ends = self.corrupt_metric, self.clean_metric
        return ends if self.direction == "denoising" else ends[::-1]

    @property
    def change(self) -> np.ndarray:
        """The metric with the patch minus that of the text it was put into."""
        return self.patched - self._ends[0]

    @property
    def effect(self) -> np.ndarray:
        """The share of the way from one text's metric to the other's: 0 none, 1 all of it.

        Below 0 and above 1 are possible; NaN where the two texts have the same metric.
        """
        run, source = self._ends
        if abs(source - run) < SAME:
            return np.full(self.patched.shape, np.nan)
        return self.change / (source - run)

    @property
    def axes(self) -> list[str]:
        """What the dimensions of ``patched`` are."""
        return ["layer"] + ["head"] * (self.what != "residual") + ["position"] * self.by_position

    def to_frame(self) -> pd.DataFrame:
        """Every place with its metric and effect, where the answer moves most first."""
        order = np.argsort(-np.abs(self.change), axis=None, kind="stable")
        places = np.stack(np.unravel_index(order, self.patched.shape), axis=-1)
        table = pd.DataFrame(places, columns=self.axes)
        if self.by_position:
            table["token"] = [self.clean_token_texts[place] for place in table["position"]]
        table["patched"] = self.patched.ravel()[order]
        table["effect"] = self.effect.ravel()[order]
        return table

    def to_dict(self) -> dict[str, Any]:
        """The metric and the effect of every patch, in JSON types; NaN is None."""
        return {
            **facts(self),
            "what": self.what,
            "metric": self.metric,
            "direction": self.direction,
            "clean_metric": self.clean_metric,
            "corrupt_metric": self.corrupt_metric,
            "clean": self.clean,
            "corrupt": self.corrupt,
            "axes": self.axes,
            "patched": plain(self.patched),
            "effect": None if np.isnan(self.effect).all() else plain(self.effect),
        }


def patch(
    model: LoadedModel,
    clean: str,
    corrupt: str,
    answer: str | int,
    wrong: str | int | None = None,
    what: What = "head output",
    *,
    metric: Metric = "logit difference",
    by_position: bool = False,
    direction: Direction = "denoising",
    position: int = -1,
    start_token: StartToken = "model",
    progress: Progress | None = None,
) -> Patching:
    """Carry what each head did on one text over to another, and see how much of the answer moves.

    Parameters
    ----------
    clean, corrupt : two texts of equally many tokens, the answer being right after the first.
    answer, wrong : one token each (" Mary") or an id; ``metric`` "logit difference" is
        logit(answer) - logit(wrong) after ``position``, "log-probability" that of ``answer``.
    what : "head output" (before W_O), "pattern", "value", or "residual", the stream before each
        layer, which is always patched by position.
    by_position : one position at a time: of queries, for "value" of keys.
    direction : "denoising" puts the clean text's into the corrupt one, "noising" the other way.
    progress : called with the share done, 0 to 1, and what is being done.

    Raises
    ------
    HeadlabError : texts of unequal length, a token that is not one, a model that can only be read.
    """
    check_changeable(model.network)
    for kind, name, names in (
        ("thing to patch", what, WHATS),
        ("metric", metric, METRICS),
        ("direction", direction, DIRECTIONS),
    ):
        known(kind, name, names)
    cleanly, corruptly = (read(model, text, start_token) for text in (clean, corrupt))
    check_lengths(cleanly, corruptly)
    n = len(cleanly.tokens)
    position = checked_position(position, cleanly.tokens)
    right = single_token(model, answer)
    other = None if wrong is None else single_token(model, wrong)
    by_position = by_position or what == "residual"
    pair = [corruptly, cleanly] if direction == "denoising" else [cleanly, corruptly]
    tokens = model.as_batch([on.tokens for on in pair])
    places: list[slice] = [slice(q, q + 1) for q in range(n)] if by_position else [slice(None)]
    heads: list[tuple[int, ...]] = [(head,) for head in range(model.n_heads)]
    edits = [
        Edit({layer: chosen}, what, place)
        for layer in range(model.n_layers)
        for chosen in ([()] if what == "residual" else heads)
        for place in places
    ]
    measure = _measure(model, metric, right, other)
    patched, done = np.full(len(edits), np.nan), 0
    for part, hidden in editing.versions(model.network, tokens, edits):
        values = measure(hidden[:, position])
        run, source = float(values[0]), float(values[1])
        patched[part] = values[2:]
        done += len(part)
        if progress is not None:
            progress(done / len(edits), f"patch {done:,} of {len(edits):,}")
    shape = [model.n_layers, *[model.n_heads] * (what != "residual"), *[n] * by_position]
    return Patching(
        model_name=model.name,
        start_token=cleanly.start_token,
        start_text=cleanly.start_text,
        clean=clean,
        corrupt=corrupt,
        clean_tokens=cleanly.tokens,
        corrupt_tokens=corruptly.tokens,
        clean_token_texts=cleanly.token_texts,
        corrupt_token_texts=corruptly.token_texts,
        what=what,
        metric=metric,
        direction=direction,
        answer=right,
        answer_text=token_text(model, right),
        wrong=other,
        wrong_text=None if other is None else token_text(model, other),
        position=position,
        by_position=by_position,
        clean_metric=source if direction == "denoising" else run,
        corrupt_metric=run if direction == "denoising" else source,
        patched=patched.reshape(shape),
    )


def _measure(
    model: LoadedModel, metric: Metric, answer: int, wrong: int | None
) -> Callable[[Any], np.ndarray]:
    """Hidden states [row, d_model] to the metric [row]."""
    network = model.network
    if metric == "log-probability":
        return lambda hidden: (
            editing.log_probabilities(network, hidden, [answer])[:, 0].cpu().numpy()
        )
    if wrong is None:
        raise HeadlabError("A logit difference needs two tokens: say which is the wrong one.")
    pair = [answer, wrong]

    def difference(hidden: Any) -> np.ndarray:
        logits = editing.chosen_logits(network, hidden, pair).numpy()
        return logits[:, 0] - logits[:, 1]

    return difference


def check_lengths(clean: OnText, corrupt: OnText) -> None:
    """Raise HeadlabError, saying where they part, for texts of unequal length."""
    n_clean, n_corrupt = len(clean.tokens), len(corrupt.tokens)
    if n_clean == n_corrupt:
        return
    pairs = zip(clean.tokens, corrupt.tokens, strict=False)
    differ = next((i for i, (one, other) in enumerate(pairs) if one != other), None)
    where = (
        "one is the beginning of the other"
        if differ is None
        else f"they part at {clean.token_texts[differ]!r} and {corrupt.token_texts[differ]!r}"
    )
    raise HeadlabError(
        f"The texts are {n_clean} and {n_corrupt} tokens long ({where}): patching goes position by "
        "position, so use words of as many tokens in both."
    )
