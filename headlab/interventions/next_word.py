"""Why this word: what else a model expected at a place of a text, and which heads decided."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.attributing import Attribution, attribute
from headlab.interventions.base import checked_position, read
from headlab.interventions.effects import Prediction
from headlab.models.continuing import next_log_probabilities
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, token_text

CANDIDATES = 10


@dataclass(frozen=True, eq=False)
class WhyWord:
    """What stood behind the token at ``position`` of a text when it was foretold.

    ``candidates`` are the tokens most expected there, the first the most, and ``word`` the one that
    stands there, each with its probability. ``heads`` [layer, head] and ``mlps`` [layer] say, in
    logits, what each wrote towards ``word`` and away from ``rival``, the most expected other token;
    None, with the reason in ``no_attribution``, where a model's logits are no sum of such parts.
    """

    position: int
    word: Prediction
    rival: Prediction
    candidates: tuple[Prediction, ...]
    heads: np.ndarray | None = field(repr=False)
    mlps: np.ndarray | None = field(repr=False)
    no_attribution: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All of it in JSON types, logits of heads [layer][head]."""
        return {
            "position": self.position,
            "word": self.word.to_dict(),
            "rival": self.rival.to_dict(),
            "candidates": [each.to_dict() for each in self.candidates],
            "heads": None if self.heads is None else self.heads.tolist(),
            "mlps": None if self.mlps is None else self.mlps.tolist(),
            "no_attribution": self.no_attribution,
        }

    def to_frame(self) -> pd.DataFrame:
        """Heads (layer, head, name) and what they wrote, in logits, the most for the word first."""
        if self.heads is None:
            return pd.DataFrame(columns=["layer", "head", "name", "logits"])
        order = np.argsort(-self.heads, axis=None, kind="stable")
        heads = [Head(*divmod(int(index), self.heads.shape[1])) for index in order]
        return pd.DataFrame(
            {
                "layer": [head.layer for head in heads],
                "head": [head.head for head in heads],
                "name": [str(head) for head in heads],
                "logits": self.heads.ravel()[order],
            }
        )


def why_word(
    model: LoadedModel, text: str, position: int, start_token: StartToken = "model"
) -> WhyWord:
    """What ``model`` expected at ``position``, and which heads pushed the word that stands there.

    ``position`` counts tokens from 0, the start token counted; nothing is foretold of the first.
    Two forward passes. Raises HeadlabError for a text that cannot be read and for position 0.

    Source: direct logit attribution, Wang et al. 2022, equation 1.
    """
    on = read(model, text, start_token)
    position = checked_position(position, on.tokens)
    if position == 0:
        raise HeadlabError("Nothing stands before the first token: choose a later one.")
    before = model.as_batch([on.tokens[:position]])
    expected = next_log_probabilities(model.network, before).numpy()
    order = np.argsort(-expected, kind="stable")

    def prediction(token: int) -> Prediction:
        return Prediction(token, token_text(model, token), float(np.exp(expected[token])))

    word = on.tokens[position]
    rival = int(next(token for token in order if token != word))
    heads = mlps = None
    reason = ""
    try:
        found: Attribution = attribute(model, text, word, rival, start_token=start_token)
        heads, mlps = found.heads[..., position - 1], found.mlps[:, position - 1]
    except HeadlabError as error:  # such as a model that normalises after each block
        reason = str(error)
    return WhyWord(
        position=position,
        word=prediction(word),
        rival=prediction(rival),
        candidates=tuple(prediction(int(token)) for token in order[:CANDIDATES]),
        heads=heads,
        mlps=mlps,
        no_attribution=reason,
    )
