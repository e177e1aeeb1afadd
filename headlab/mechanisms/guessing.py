"""A first guess at which earlier heads tell a head where to look: gradients, nothing patched."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.base import (
    HeadName,
    OnText,
    facts,
)
from headlab.measuring.json_types import plain
from headlab.measuring.notebook import InNotebook
from headlab.mechanisms.paths import asked
from headlab.models import edge_attribution
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken


@dataclass(frozen=True, eq=False, kw_only=True)
class EdgeAttribution(OnText, InNotebook):
    """A first guess at what earlier heads carry into a receiver: gradients, nothing patched.

    ``through_query`` and ``through_key`` [sender]: by how much the score of the cell, before the
    softmax and above the mean of its row, would change if the sender's output were the other
    text's. Exact only where the score were linear in what the head writes.
    """

    corrupt: str
    receiver: Head
    query: int
    key: int
    senders: tuple[Head, ...]
    through_query: np.ndarray = field(repr=False)
    through_key: np.ndarray = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Sender, input and guessed change of the score; the largest first."""
        n = len(self.senders)
        table = pd.DataFrame(
            {
                "from": [str(head) for head in self.senders] * 2,
                "into": ["query"] * n + ["key"] * n,
                "guessed change": np.concatenate([self.through_query, self.through_key]),
            }
        )
        order = np.argsort(-np.abs(table["guessed change"]), kind="stable")
        return table.iloc[order].reset_index(drop=True)

    def to_dict(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            **facts(self),
            "text": self.text,
            "corrupt": self.corrupt,
            "receiver": str(self.receiver),
            "query": self.query,
            "key": self.key,
            "senders": [str(head) for head in self.senders],
            "through_query": plain(self.through_query),
            "through_key": plain(self.through_key),
        }


def attribute_edges(
    model: LoadedModel,
    clean: str,
    corrupt: str,
    receiver: HeadName,
    *,
    query: int = -1,
    key: int,
    steps: int = 1,
    start_token: StartToken = "model",
) -> EdgeAttribution:
    """Guess which earlier heads tell a head where to look, from a few gradients.

    Much faster than :func:`path_patch_map`, which says what is so: patch what this names first.

    Parameters
    ----------
    clean, corrupt, receiver, query, key : as for :func:`path_patch_map`.
    steps : gradients that are averaged on the way from ``clean`` to ``corrupt``. One, at the clean
        text, is the plain method, and nearer to what patching one path then gives.

    Raises
    ------
    HeadlabError : as :func:`path_patch_map`.

    Source: Syed et al. 2023; Hanna et al. 2024.
    """
    if steps < 1:
        raise HeadlabError(f"{steps} steps are too few: average at least one gradient.")
    on, other, to, cell = asked(model, clean, corrupt, receiver, query, key, start_token)
    batch = model.as_batch([on.tokens, other.tokens])
    through = edge_attribution.attributed(model.network, batch, to, cell, steps)
    senders = [Head(layer, head) for layer in range(to.layer) for head in range(model.n_heads)]
    return EdgeAttribution(
        **vars(on),
        corrupt=corrupt,
        receiver=to,
        query=cell[0],
        key=cell[1],
        senders=tuple(senders),
        through_query=through[0].flatten().numpy(),
        through_key=through[1].flatten().numpy(),
    )
