"""Split a logit difference into what each part of the model wrote."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headlab.heads import Head
from headlab.interventions.base import HeadName, OnText, checked_heads, facts, read
from headlab.interventions.replacing import Mode, Reference, edit_of, replacement
from headlab.measuring.notebook import InNotebook
from headlab.models.attention import check_changeable
from headlab.models.attribution import direct_parts
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, single_token, token_text

MIN_WRITTEN = 0.1  # logits; below, there is nothing to make up for
MIN_REPAIR = 0.5  # the share that other parts make up for from which on they are named
MAX_HELPERS = 3


@dataclass(frozen=True)
class SelfRepair:
    """What other parts of a model make up for when heads are removed, at the end of a text.

    ``wrote`` is what ``heads`` themselves write towards the answer and away from the wrong token,
    ``lost`` how much the difference of the two really falls, both in logits. ``helpers`` are the
    heads that write more in that direction without them, most first, with by how much.
    """

    heads: tuple[Head, ...]
    wrote: float
    lost: float
    helpers: tuple[tuple[Head, float], ...]

    @property
    def made_up(self) -> float:
        """What others make up for, in logits."""
        return self.wrote - self.lost

    @property
    def share(self) -> float:
        """The share of what was written that others make up for; NaN where nothing was."""
        return self.made_up / self.wrote if self.wrote else float("nan")

    @property
    def is_shown(self) -> bool:
        """Whether the heads write enough to tell, and others make up for half of it or more."""
        return abs(self.wrote) >= MIN_WRITTEN and self.share >= MIN_REPAIR


@dataclass(frozen=True, eq=False, kw_only=True)
class Attribution(OnText, InNotebook):
    """What each part of the model writes towards one token and away from another.

    Every figure is in logits, at each position of the text (what follows that token), the scale of
    the final LayerNorm that of this pass, in float64: ``heads`` [layer, head, position], ``mlps``
    and ``output_biases`` (of W_O) [layer, position], ``embeddings`` and ``constant`` (the biases
    after the last block) [position]. They sum to ``difference``, logit(answer) - logit(wrong)
    [position]. ``value_biases`` [layer, head, position] is the share of ``heads`` that comes from
    the value bias, whatever the text. ``removed`` heads were taken out in this pass.
    """

    answer: int
    answer_text: str
    wrong: int
    wrong_text: str
    removed: tuple[Head, ...]
    difference: np.ndarray = field(repr=False)
    heads: np.ndarray = field(repr=False)
    value_biases: np.ndarray = field(repr=False)
    mlps: np.ndarray = field(repr=False)
    output_biases: np.ndarray = field(repr=False)
    embeddings: np.ndarray = field(repr=False)
    constant: np.ndarray = field(repr=False)

    @property
    def total(self) -> np.ndarray:
        """The sum of all parts [position]: the difference, up to rounding."""
        layers = self.heads.sum((0, 1)) + self.mlps.sum(0) + self.output_biases.sum(0)
        return layers + self.embeddings + self.constant

    def written(self, heads: Iterable[Head]) -> float:
        """What these heads write directly at the end of the text, in logits."""
        return float(sum(self.heads[head.layer, head.head, -1] for head in heads))

    def self_repair(self, without: "Attribution") -> SelfRepair:
        """How far other parts make up for the heads that were removed in ``without``.

        Source: self-repair, McDougall et al. 2023.
        """
        heads = without.removed
        wrote = self.written(heads) - without.written(heads)
        change = without.heads[:, :, -1] - self.heads[:, :, -1]
        change[tuple(np.array(heads, dtype=int).reshape(-1, 2).T)] = 0
        towards = change * np.sign(wrote)
        order = np.argsort(-towards, axis=None, kind="stable")[:MAX_HELPERS]
        helpers = [Head(*divmod(int(index), change.shape[1])) for index in order]
        return SelfRepair(
            heads=heads,
            wrote=wrote,
            lost=float(self.difference[-1] - without.difference[-1]),
            helpers=tuple((head, float(change[head])) for head in helpers if towards[head] > 0),
        )

    def to_frame(self) -> pd.DataFrame:
        """Head and what it writes at the end of the text, in logits, the largest first."""
        last = self.heads[..., -1]
        order = np.argsort(-np.abs(last), axis=None, kind="stable")
        heads = [Head(*divmod(int(index), last.shape[1])) for index in order]
        return pd.DataFrame({"head": [str(head) for head in heads], "logits": last.ravel()[order]})

    def to_dict(self) -> dict[str, Any]:
        """Every part at the end of the text, in logits and JSON types."""
        parts = {
            "embeddings": self.embeddings,
            "heads": self.heads.sum((0, 1)),
            "MLPs": self.mlps.sum(0),
            "biases of W_O": self.output_biases.sum(0),
            "last biases": self.constant,
            "all parts": self.total,
        }
        return {
            **facts(self),
            "text": self.text,
            "answer": self.answer_text,
            "wrong": self.wrong_text,
            "without": [str(head) for head in self.removed],
            "difference": float(self.difference[-1]),
            "parts": {name: float(part[-1]) for name, part in parts.items()},
            "heads": self.heads[..., -1].tolist(),
            "mlps": self.mlps[:, -1].tolist(),
        }


def attribute(
    model: LoadedModel,
    text: str,
    answer: str | int,
    wrong: str | int,
    *,
    removed: Iterable[HeadName] | HeadName = (),
    mode: Mode = "zero",
    reference: str | Sequence[str] | Reference | None = None,
    start_token: StartToken = "model",
) -> Attribution:
    """Split logit(answer) - logit(wrong) into what each head, MLP, bias and the embeddings wrote.

    ``answer`` and ``wrong`` are one token each (" Mary") or an id. With ``removed`` heads (as in
    ``ablate``) the parts are those of the pass without them: compare the two to see which heads
    make up for the loss. Raises HeadlabError as ``ablate`` does, and for a model that normalises
    after each block.

    Source: direct logit attribution, Wang et al. 2022, equation 1.
    """
    check_changeable(model.network)
    on = read(model, text, start_token)
    without = checked_heads(model, removed, ())
    constants, _, first = replacement(model, on.tokens, on.start_token, mode, reference)
    right, other = single_token(model, answer), single_token(model, wrong)
    parts: dict[str, Any] = direct_parts(
        model.network,
        model.as_batch([on.tokens]),
        right,
        other,
        edit_of(without, first),
        constants,
    )
    return Attribution(
        **vars(on),
        answer=right,
        answer_text=token_text(model, right),
        wrong=other,
        wrong_text=token_text(model, other),
        removed=without,
        **parts,
    )
