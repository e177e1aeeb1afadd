"""Why a head rests on the first token: the query's bias, and who made the first key."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.base import HeadName, OnText, facts, read
from headlab.measuring.json_types import plain
from headlab.measuring.notebook import InNotebook
from headlab.mechanisms.composing import checked
from headlab.models import sink
from headlab.models.kernels import exact
from headlab.models.loaded import LoadedModel
from headlab.models.score_parts import score_parts
from headlab.models.tokens import StartToken

BIAS, MLP, START = "the query bias", "MLP 0 at the first token", "the start token"


@dataclass(frozen=True, eq=False)
class Less:
    """A text read without something: attention on the first token (0 to 1), loss (nats a token).

    ``control_shares`` and ``control_losses`` [draw] are the same with ``instead`` in its place;
    empty where there is nothing to compare with.
    """

    name: str
    share: float
    loss: float
    instead: str = ""
    control_shares: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    control_losses: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            "without": self.name,
            "share": self.share,
            "loss": self.loss,
            "instead": self.instead,
            "control_shares": plain(self.control_shares),
            "control_losses": plain(self.control_losses),
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Sink(OnText, InNotebook):
    """What makes one head look at the first token of a text.

    ``share`` is its attention there, mean over all later queries, ``loss`` that of the text, nats a
    token. ``contrast`` is the score of the first key minus the mean score of the keys that a row
    can see, mean over the same queries, before the softmax, scaling included; ``by_bias`` how much
    of it the bias of the query gives, whatever the query's token, and ``by_key`` [part] what each
    ``part`` gives to that as a writer of the keys: they sum to ``by_bias``. ``less`` are the text
    read without one thing each.
    """

    head: Head
    share: float
    loss: float
    contrast: float
    by_bias: float
    parts: tuple[str, ...]
    by_key: np.ndarray = field(repr=False)
    less: tuple[Less, ...] = field(repr=False)

    def without(self, name: str) -> Less:
        """The text read without this."""
        return next(each for each in self.less if each.name == name)

    def to_frame(self) -> pd.DataFrame:
        """Without what, attention on the first token, loss, and the range of the control."""
        rows = [("nothing left out", self.share, self.loss, "")]
        for each in self.less:
            drawn = each.control_shares
            spread = f"{drawn.min():.2f} to {drawn.max():.2f}" if len(drawn) else ""
            rows.append((f"without {each.name}", each.share, each.loss, spread))
        return pd.DataFrame(rows, columns=["read", "share", "loss", "control"])

    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            **facts(self),
            "text": self.text,
            "head": str(self.head),
            "share": self.share,
            "loss": self.loss,
            "contrast": self.contrast,
            "by_bias": self.by_bias,
            "by_key": dict(zip(self.parts, plain(self.by_key), strict=True)),
            "less": [each.to_dict() for each in self.less],
        }


def explain_sink(
    model: LoadedModel,
    text: str,
    head: HeadName,
    *,
    draws: int = 20,
    seed: int = 0,
    start_token: StartToken = "model",
) -> Sink:
    """Why a head rests on the first token: how much the query's bias does, and what made that key.

    The text is read again without that bias in this head (beside random vectors of its size
    instead), without what MLP 0 writes at the first token (beside other tokens) and, where there
    is one, without the start token.

    Raises
    ------
    HeadlabError : no such head, a text of fewer than three tokens, or a model without a bias of
        queries: heads rest on the first token there too, so this is one mechanism of one kind of
        model.

    Source: the split is that of ``explain_attention``, exact; sinks: Xiao et al. 2024.
    """
    on = read(model, text, start_token)
    chosen = checked(model, head)
    if len(on.tokens) < 3:
        raise HeadlabError("A text of at least three tokens shows where a head rests.")
    batch = model.as_batch([on.tokens])
    found = score_parts(model.network, batch, chosen.layer, slice(chosen.head, chosen.head + 1))
    bias = exact(found.query_bias[0]).numpy() * found.scaling  # [position, d_head]
    if np.abs(bias).max() < 1e-8:
        raise HeadlabError(
            f"The queries of {model.name} have no bias, and its heads rest on the first token all "
            "the same: this explanation is for models that have one, such as GPT-2."
        )
    keys = exact(found.key[:, 0]).numpy()  # [part, position, d_head]
    whole, query = (exact(part[0]).numpy() for part in (found.whole_key, found.whole_query))
    seen = exact(found.mask).numpy() > -1e4
    seen = seen / seen.sum(1, keepdims=True)  # [query, key], the mean over those it can see
    rows = slice(1, None)

    def contrast(asked: np.ndarray, keys: np.ndarray) -> float:
        """Mean over queries of asked . (first key - mean key)."""
        apart = keys[0] - seen @ keys
        return float((asked * apart).sum(-1)[rows].mean())

    read_without = sink.without(model.network, batch, chosen, bias / found.scaling, draws, seed)
    less = [
        _less(BIAS, read_without.bias, "a random vector of its size"),
        _less(MLP, read_without.mlp, "MLP 0 at another token"),
    ]
    if on.start_token is not None:
        less.append(_less(START, sink.plain(model.network, batch[:, 1:], chosen)[None], ""))
    plain_share, plain_loss = read_without.plain
    return Sink(
        **vars(on),
        head=chosen,
        share=plain_share,
        loss=plain_loss,
        contrast=contrast(query * found.scaling, whole),
        by_bias=contrast(bias, whole),
        parts=tuple(str(part) for part in found.parts),
        by_key=np.array([contrast(bias, each) for each in keys]),
        less=tuple(less),
    )


def _less(name: str, rows: np.ndarray, instead: str) -> Less:
    """The first of rows [row, share and loss] with the others as its control."""
    (share, loss), *_ = rows.tolist()
    return Less(name, share, loss, instead, rows[1:, 0], rows[1:, 1])
