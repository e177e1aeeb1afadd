"""Is it these heads? What is left of a behaviour with only them at work, and with all but them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.base import (
    HeadName,
    OnText,
    checked_heads,
    checked_position,
    facts,
    read,
)
from headlab.interventions.controls import drawn_heads
from headlab.interventions.replacing import Mode, Reference, edit_of, replacement
from headlab.measuring.json_types import plain
from headlab.measuring.notebook import InNotebook
from headlab.mechanisms.composing import checked
from headlab.models import editing
from headlab.models.kernels import exact
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken, single_token, token_text

SMALL = 0.01  # a behaviour that all heads together change by less is not theirs


@dataclass(frozen=True, eq=False, kw_only=True)
class Faithfulness(OnText, InNotebook):
    """How much of a behaviour some heads carry alone.

    ``measured`` says what the behaviour is: attention of a head at a cell, 0 to 1, or log
    probability or logit difference after the last token, in nats. It is ``whole`` in the model,
    ``none`` with every head replaced (``replaced_by``), ``alone`` with only the circuit's heads at
    work and ``without`` with all but them; ``random`` [draw] as many heads of the same layers
    alone, drawn at random, none of them the circuit's.
    """

    heads: tuple[Head, ...]
    measured: str
    replaced_by: str
    whole: float
    none: float
    alone: float
    without: float
    random: np.ndarray = field(repr=False)
    no_random: str = ""

    @property
    def score(self) -> float:
        """Faithfulness: (alone - none) / (whole - none).

        1 where nothing is missing; more than 1 and less than 0 can be. NaN where all heads together
        change the behaviour by less than ``SMALL``.
        """
        return float(self._share(np.array(self.alone)))

    @property
    def left(self) -> float:
        """What is left when only the circuit is replaced, on the same scale: completeness.

        0 where nothing else does it too.
        """
        return float(self._share(np.array(self.without)))

    @property
    def random_scores(self) -> np.ndarray:
        """The same for each of the random sets alone, [draw]."""
        return self._share(self.random)

    @property
    def beyond_random(self) -> float:
        """The share of random sets that carry less, 0 to 1; NaN without any."""
        if not len(self.random) or np.isnan(self.score):
            return float("nan")
        return float((self.random_scores < self.score).mean())

    def _share(self, value: np.ndarray) -> np.ndarray:
        span = self.whole - self.none
        return (value - self.none) / (span if abs(span) >= SMALL else np.nan)

    def to_frame(self) -> pd.DataFrame:
        """What was at work, the behaviour, and its share of the way from none to whole."""
        named = {
            "the whole model": self.whole,
            "these heads alone": self.alone,
            "all but these heads": self.without,
            "no head": self.none,
        }
        if len(self.random):
            named["random heads alone, mean"] = float(self.random.mean())
        values = np.array(list(named.values()))
        return pd.DataFrame({"at work": list(named), "value": values, "share": self._share(values)})

    def to_dict(self) -> dict[str, Any]:
        """In JSON types; NaN is None."""
        shares = plain(np.array([self.score, self.left, self.beyond_random]))
        return {
            **facts(self),
            "text": self.text,
            "heads": [str(head) for head in self.heads],
            "measured": self.measured,
            "replaced_by": self.replaced_by,
            "whole": self.whole,
            "none": self.none,
            "alone": self.alone,
            "without": self.without,
            **dict(zip(("faithfulness", "left_without", "beyond_random"), shares, strict=True)),
            "random": plain(self.random_scores),
        }


@dataclass(frozen=True)
class Circuit:
    """Heads that are said to do something together.

    >>> from headlab import Circuit
    >>> Circuit(["L3.H5", (0, 0)]).heads
    (Head(layer=0, head=0), Head(layer=3, head=5))
    """

    heads: tuple[Head, ...]

    def __init__(self, heads: Iterable[HeadName]) -> None:
        object.__setattr__(self, "heads", tuple(sorted({Head.of(head) for head in heads})))

    def faithfulness(
        self,
        model: LoadedModel,
        text: str,
        *,
        head: HeadName | None = None,
        query: int = -1,
        key: int | None = None,
        answer: str | int | None = None,
        wrong: str | int | None = None,
        mode: Mode = "mean",
        reference: str | Sequence[str] | Reference | None = None,
        draws: int = 20,
        seed: int = 0,
        start_token: StartToken = "model",
    ) -> Faithfulness:
        """Keep only these heads, replace all others, and see how much of a behaviour is left.

        Parameters
        ----------
        head, query, key : the behaviour is how much attention ``head`` pays from ``query`` to
            ``key``, positions of the text, the start token counted.
        answer, wrong : or it is the log-probability of ``answer`` as the next token; with
            ``wrong``, by how much its logit lies above that of the other.
        mode, reference : what stands in for a head, as for ``ablate``. Two modes can disagree.
        draws : random sets of as many heads to compare with.

        Raises
        ------
        HeadlabError : a head or position that there is not, or no behaviour or two.

        Source: Wang et al. 2022 (faithfulness, completeness), in the form of Marks et al. 2024.
        """
        on = read(model, text, start_token)
        kept = checked_heads(model, self.heads, ())
        if (key is None) == (answer is None):
            raise HeadlabError(
                "Say what the circuit is to do: give a head and a key that it looks at, or an "
                "answer that comes next."
            )
        watched: _Looks | _Says
        if key is not None:
            if head is None:
                raise HeadlabError("Give the head that looks at the key.")
            places = (checked_position(query, on.tokens), checked_position(key, on.tokens))
            watched = _Looks(checked(model, head), *places)
        else:
            assert answer is not None
            tokens = [single_token(model, word) for word in (answer, wrong) if word is not None]
            watched = _Says(model, tokens)
        constants, words, first = replacement(model, on.tokens, on.start_token, mode, reference)
        every = [Head(i, h) for i in range(model.n_layers) for h in range(model.n_heads)]
        drawn, why, _ = drawn_heads(model.n_heads, kept, draws, seed)
        alone = [[head for head in every if head not in keep] for keep in (kept, *drawn)]
        edits = [edit_of(replaced, first) for replaced in (every, kept, *alone)]
        values = np.full(1 + len(edits), np.nan)
        batch = model.as_batch([on.tokens])
        for part, hidden in editing.versions(model.network, batch, edits, constants, watched.look):
            values[[0, *(1 + at for at in part)]] = watched.values(hidden)
        whole, none, without, found = values[:4].tolist()
        return Faithfulness(
            **vars(on),
            heads=kept,
            measured=watched.words,
            replaced_by=words,
            whole=whole,
            none=none,
            alone=found,
            without=without,
            random=values[4:],
            no_random=why,
        )


class _Looks:
    """A head's attention at one cell, in every row of a pass."""

    def __init__(self, head: Head, query: int, key: int) -> None:
        self._head, self._cell, self._seen = head, (query, key), np.empty(0)
        self.words = f"attention of {head} from position {query} to {key}"

    def look(self, layer: int, heads: slice, pattern: Any) -> None:
        start, stop, _ = heads.indices(self._head.head + 1)
        if layer == self._head.layer and start <= self._head.head < stop:
            self._seen = exact(pattern[:, self._head.head - start, *self._cell]).numpy()

    def values(self, hidden: Any) -> np.ndarray:
        late = len(hidden) - len(self._seen)  # what begins to differ later does as the first row
        return np.pad(self._seen, (0, late), constant_values=self._seen[0])


class _Says:
    """What is expected after the last token, in every row of a pass."""

    look = None

    def __init__(self, model: LoadedModel, tokens: Sequence[int]) -> None:
        self._network, self._tokens = model.network, tokens
        names = [repr(token_text(model, token)) for token in tokens]
        self.words = (
            f"logit of {names[0]} above that of {names[1]}"
            if len(tokens) == 2
            else f"log-probability of {names[0]}"
        )

    def values(self, hidden: Any) -> np.ndarray:
        last = hidden[:, -1]
        if len(self._tokens) == 2:
            both = editing.chosen_logits(self._network, last, self._tokens).numpy()
            return np.asarray(both[:, 0] - both[:, 1])
        found = editing.log_probabilities(self._network, last, self._tokens)
        return np.asarray(exact(found[:, 0]).numpy())
