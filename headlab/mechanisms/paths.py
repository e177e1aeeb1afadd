"""Paths: what reaches one head from an earlier one, and nothing else, on two texts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.base import (
    HeadName,
    OnText,
    checked_position,
    facts,
    known,
    read,
)
from headlab.interventions.patching import check_lengths
from headlab.measuring.json_types import plain
from headlab.measuring.notebook import InNotebook
from headlab.mechanisms.composing import INPUTS, Input, checked
from headlab.models import paths
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, single_token, token_text
from headlab.models.weights import check_weights


@dataclass(frozen=True, eq=False, kw_only=True)
class PathPatching(OnText, InNotebook):
    """What a head does once one path into it carries what the other text would have sent.

    ``senders`` and, beside them, the attention of ``receiver`` from ``query`` to ``key`` with the
    path patched [sender], 0 to 1, ``before`` without; its score before the softmax, above the mean
    of those that the row can see (``score``, ``score_before``), which still moves where attention
    is near 0 or 1; and the logit difference between ``answer`` and ``wrong`` after the last token,
    where both were asked for (NaN else). ``control`` and ``control_score`` [sender, draw] are the
    cell when the sender's layer writes as large a change in a random direction.
    """

    corrupt: str
    receiver: Head
    into: Input
    query: int
    key: int
    senders: tuple[Head, ...]
    before: float
    attention: np.ndarray = field(repr=False)
    score_before: float
    score: np.ndarray = field(repr=False)
    logits_before: float
    logits: np.ndarray = field(repr=False)
    control: np.ndarray = field(repr=False)
    control_score: np.ndarray = field(repr=False)
    answer_text: str | None = None
    wrong_text: str | None = None

    @property
    def change(self) -> np.ndarray:
        """How much attention on the key changes, [sender], -1 to 1."""
        return self.attention - self.before

    @property
    def score_change(self) -> np.ndarray:
        """How much the score changes, [sender], in units before the softmax."""
        return self.score - self.score_before

    @property
    def logit_change(self) -> np.ndarray:
        """How much the logit difference changes, [sender]; NaN where none was asked for."""
        return self.logits - self.logits_before

    @property
    def beyond_control(self) -> np.ndarray:
        """The share of draws that change the score less, [sender], 0 to 1; NaN without any."""
        if not self.control.shape[1]:
            return np.full(len(self.senders), np.nan)
        drawn = np.abs(self.control_score - self.score_before)
        less = drawn < np.abs(self.score_change)[:, None]
        return np.asarray(less.mean(1))

    def to_frame(self) -> pd.DataFrame:
        """Sender, attention with its path patched, changes, control; most change of score first."""
        table = pd.DataFrame(
            {
                "from": [str(head) for head in self.senders],
                "attention": self.attention,
                "change": self.change,
                "score change": self.score_change,
                "logit change": self.logit_change,
                "beyond control": self.beyond_control,
            }
        )
        order = np.argsort(-np.abs(self.score_change), kind="stable")
        return table.iloc[order].reset_index(drop=True)

    def to_dict(self) -> dict[str, Any]:
        """In JSON types; NaN is None."""
        return {
            **facts(self),
            "text": self.text,
            "corrupt": self.corrupt,
            "receiver": str(self.receiver),
            "into": self.into,
            "query": self.query,
            "key": self.key,
            "before": self.before,
            "senders": [str(head) for head in self.senders],
            "attention": plain(self.attention),
            "change": plain(self.change),
            "score_change": plain(self.score_change),
            "logit_change": plain(self.logit_change),
            "control": plain(self.control),
            "beyond_control": plain(self.beyond_control),
        }


def path_patch(
    model: LoadedModel,
    clean: str,
    corrupt: str,
    sender: HeadName,
    receiver: HeadName,
    into: Input = "query",
    **watched: Any,
) -> PathPatching:
    """Let one earlier head alone send what it would have on the other text.

    See :func:`path_patch_map`, which does it for every sender and takes the same.
    """
    return path_patch_map(model, clean, corrupt, receiver, into, senders=[sender], **watched)


def path_patch_map(
    model: LoadedModel,
    clean: str,
    corrupt: str,
    receiver: HeadName,
    into: Input = "query",
    *,
    query: int = -1,
    key: int,
    answer: str | int | None = None,
    wrong: str | int | None = None,
    senders: Iterable[HeadName] | None = None,
    mlps: bool = False,
    draws: int = 0,
    seed: int = 0,
    start_token: StartToken = "model",
) -> PathPatching:
    """Every earlier head in turn sends the receiver what it would have on the other text.

    Parameters
    ----------
    clean, corrupt : two texts of equally many tokens.
    receiver : the head that reads, such as ``"L3.H5"``.
    into : through which of its inputs: "query", "key" or "value". Nothing else that reads the
        sender notices; what the receiver then writes goes on through the rest of the model.
    query, key : the cell of its pattern that is watched, positions of ``clean``, the start token
        counted.
    answer, wrong : next tokens whose logit difference is watched too.
    senders : heads of earlier layers; by default all of them.
    mlps : count what MLPs on the way make of the sender's output too (as Wang et al. do); without,
        only what the sender itself writes (direct). Other heads always stay as they are.
    draws : of a control for each sender: its layer writes a random change of the same size instead.

    Returns
    -------
    PathPatching : attention and logit difference [sender].

    Raises
    ------
    HeadlabError : texts of unequal length, a head or position that there is not, a sender that is
        not in an earlier layer, or a model in which paths cannot be told apart.

    Source: after Wang et al. 2022 and Goldowsky-Dill et al. 2023.
    """
    known("input", into, INPUTS)
    on, other, to, cell = asked(model, clean, corrupt, receiver, query, key, start_token)
    if senders is None:
        chosen = [Head(layer, head) for layer in range(to.layer) for head in range(model.n_heads)]
    else:
        chosen = [checked(model, sender) for sender in senders]
    if late := [head for head in chosen if head.layer >= to.layer]:
        raise HeadlabError(f"{late[0]} is not in an earlier layer than {to}: choose another.")
    if (answer is None) != (wrong is None):
        raise HeadlabError("A logit difference needs two tokens: give both answer and wrong.")
    pair = None
    if answer is not None and wrong is not None:
        pair = single_token(model, answer), single_token(model, wrong)
    batch = model.as_batch([on.tokens, other.tokens])
    found = paths.patched_paths(
        model.network, batch, chosen, to, into, cell, pair, mlps=mlps, draws=draws, seed=seed
    )
    return PathPatching(
        **vars(on),
        corrupt=corrupt,
        receiver=to,
        into=into,
        query=cell[0],
        key=cell[1],
        senders=tuple(chosen),
        before=float(found.attention[0]),
        attention=found.attention[1:],
        score_before=float(found.score[0]),
        score=found.score[1:],
        logits_before=float(found.logits[0]),
        logits=found.logits[1:],
        control=found.control,
        control_score=found.control_score,
        answer_text=None if pair is None else token_text(model, pair[0]),
        wrong_text=None if pair is None else token_text(model, pair[1]),
    )


def asked(
    model: LoadedModel,
    clean: str,
    corrupt: str,
    receiver: HeadName,
    query: int,
    key: int,
    start_token: StartToken,
) -> tuple[OnText, OnText, Head, tuple[int, int]]:
    """Both texts, the receiver and its cell; HeadlabError where they do not fit together."""
    check_weights(model.network)
    to = checked(model, receiver)
    if to.layer == 0:
        raise HeadlabError(f"No head comes before {to}: choose a receiver in a later layer.")
    on, other = (read(model, text, start_token) for text in (clean, corrupt))
    check_lengths(on, other)
    query, key = (checked_position(place, on.tokens) for place in (query, key))
    if key > query:
        raise HeadlabError(
            f"Position {key} comes after position {query}, and a head looks at earlier tokens "
            "only: choose a key that is not later than the query."
        )
    return on, other, to, (query, key)
