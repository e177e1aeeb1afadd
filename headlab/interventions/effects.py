"""What removing heads gives back: the effect of one set of heads, or of each head alone."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from headlab.heads import Head
from headlab.interventions.base import OnText, facts
from headlab.interventions.replacing import Mode
from headlab.measuring.json_types import plain, records
from headlab.measuring.notebook import InNotebook
from headlab.measuring.scoring import MIN_CHANGE

SweepMetric = Literal["loss", "log-probability"]


@dataclass(frozen=True)
class Prediction:
    """A token that the model expects next, with its probability."""

    token: int
    text: str
    probability: float

    def __str__(self) -> str:
        """As in a sentence: "' Mary' 99 %"."""
        return f"{self.text!r} {self.probability:.0%}".replace("%", " %")

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {"token": self.token, "text": self.text, "probability": self.probability}


@dataclass(frozen=True, eq=False)
class Control:
    """Effects of removing equally many random heads of the same layers: the null distribution.

    ``heads`` by draw; ``loss_change`` [draw] in nats, ``logprob_change`` [draw, watched token].
    ``every`` says that these are all the draws there are.
    """

    heads: tuple[tuple[Head, ...], ...]
    loss_change: np.ndarray = field(repr=False)
    logprob_change: np.ndarray = field(repr=False)
    every: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Intervention(OnText, InNotebook):
    """What a text's prediction becomes without some heads.

    ``losses_before`` and ``losses_after`` [position]: minus the log-probability, in nats, of the
    token that stands there; NaN at position 0. ``watched`` are the token ids whose log-probability
    at ``position`` (what follows that token) is in ``logprobs_before`` and ``logprobs_after``
    [watched token]; ``top_before`` and ``top_after`` are what is expected there. ``scores_before``
    and ``scores_after`` map behaviours to [layer, head] on this text, NaN where it cannot test
    them. ``replaced_by`` says in words what replaced the heads' outputs. ``control`` is None
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
        """The share of control draws that change each watched token less, 0 to 1 [watched token].

        NaN without a control.
        """
        if self.control is None:
            return np.full(len(self.watched), np.nan)
        return (np.abs(self.control.logprob_change) < np.abs(self.logprob_change)).mean(0)

    def moved_heads(self, minimum: float = MIN_CHANGE) -> pd.DataFrame:
        """Other heads whose score on this text changes by ``minimum`` or more, largest first.

        One row for a head and a behaviour: head, behaviour, before, after, change. The removed
        heads are left out: what they do now is not theirs.
        """
        moved = [
            (Head(*place), name)
            for name, change in self.score_changes.items()
            for place in np.argwhere(np.abs(change) >= minimum).tolist()
            if Head(*place) not in self.heads
        ]
        rows = [
            (str(head), name, self.scores_before[name][head], self.scores_after[name][head])
            for head, name in moved
        ]
        table = pd.DataFrame(rows, columns=["head", "behaviour", "before", "after"])
        table["change"] = table["after"] - table["before"]
        return table.sort_values("change", key=np.abs, ascending=False, ignore_index=True)

    def to_frame(self) -> pd.DataFrame:
        """The effect, one row for each watched token: on the loss and on its probability.

        ``loss_change`` and ``logprob_change`` in nats, probabilities from 0 to 1, and the share of
        control draws that each change exceeds, NaN without a control.
        """
        return pd.DataFrame(
            {
                "mode": self.mode,
                "loss_change": self.loss_change,
                "loss_beyond_control": self.loss_beyond_control,
                "token": self.watched_texts,
                "probability_before": np.exp(self.logprobs_before),
                "probability_after": np.exp(self.logprobs_after),
                "logprob_change": self.logprob_change,
                "logprob_beyond_control": self.logprob_beyond_control,
            }
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Everything beside the effect: watched, expected, positions and scores that moved."""
        return {
            "watched": pd.DataFrame(
                {
                    "token": self.watched_texts,
                    "log-probability before": self.logprobs_before,
                    "after": self.logprobs_after,
                }
            ),
            "expected": pd.DataFrame(
                {
                    "before": [best.text for best in self.top_before],
                    "probability before": [best.probability for best in self.top_before],
                    "after": [best.text for best in self.top_after],
                    "probability after": [best.probability for best in self.top_after],
                }
            ),
            "positions": pd.DataFrame(
                {
                    "token": self.token_texts,
                    "loss before": self.losses_before,
                    "loss after": self.losses_after,
                }
            ),
            "scores": self.moved_heads(),
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything measured, in JSON types, with every draw of the control; NaN is None."""
        control = self.control
        return {
            **facts(self),
            "text": self.text,
            "heads": [str(head) for head in self.heads],
            "mode": self.mode,
            "replaced_by": self.replaced_by,
            "loss_change": self.loss_change,
            "control": None
            if control is None
            else {
                "heads": [[str(head) for head in draw] for draw in control.heads],
                "loss_change": control.loss_change.tolist(),
                "logprob_change": control.logprob_change.tolist(),
            },
            "no_control": self.no_control,
            **{name: records(table) for name, table in self.tables().items()},
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Sweep(InNotebook):
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

    def to_frame(self) -> pd.DataFrame:
        """Head and effect in nats, the largest effect either way first; NaN comes last."""
        order = np.argsort(-np.abs(self.effect), axis=None, kind="stable")
        heads = [Head(*divmod(int(index), self.effect.shape[1])) for index in order]
        return pd.DataFrame(
            {"head": [str(head) for head in heads], "effect": self.effect.ravel()[order]}
        )

    def to_dict(self) -> dict[str, Any]:
        """The effect of every head [layer][head] in JSON types; NaN is None."""
        return {
            **facts(self),
            "metric": self.metric,
            "watched": self.watched_text,
            "before": self.before,
            "mode": self.mode,
            "replaced_by": self.replaced_by,
            "texts": list(self.texts),
            "effect": plain(self.effect),
        }

    def without_effect(self, passing: np.ndarray) -> np.ndarray:
        """Which heads pass, bool [layer, head], and yet have less effect than half of all heads."""
        size = np.abs(self.effect)
        return passing & (size < np.nanmedian(size))
