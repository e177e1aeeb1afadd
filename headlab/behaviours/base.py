"""What a behaviour is, and what it is measured on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from headlab.models.anatomy import anatomy
from headlab.models.weights import has_weights

MIN_ROWS = 3  # places to look that a text must give before a head's score says something

Tokens = Sequence[int] | Sequence[str] | np.ndarray


@dataclass(frozen=True)
class Spans:
    """Which key positions hold the attribute asked for, and which hold the other attributes."""

    attribute: tuple[int, ...]
    others: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "attribute", tuple(int(k) for k in self.attribute))
        object.__setattr__(self, "others", tuple(int(k) for k in self.others))

    @property
    def share(self) -> float:
        """The right attribute's share of all attribute tokens, 0 to 1."""
        return len(self.attribute) / (len(self.attribute) + len(self.others))


@dataclass(frozen=True)
class Prompt:
    """One token sequence that behaviours are measured on.

    ``half`` is the position where a repeated sequence starts again (repeat probes), ``answer``
    the token id that comes next (fact and name probes); both None elsewhere. ``names`` are the
    positions of the given names (name probes).
    """

    tokens: tuple[int, ...]
    token_texts: tuple[str, ...] | None = None
    spans: Spans | None = None
    half: int | None = None
    answer: int | None = None
    names: tuple[int, ...] = ()


@dataclass(frozen=True)
class Rung:
    """What one rung of the evidence ladder asks of a behaviour, in plain words.

    Where it does not apply (``applies`` False), ``asks`` says why. ``figure`` names what is
    measured for it in ``Profile.evidence``, [layer, head], and ``least`` is the value from which
    it passes. ``contrary`` names a figure which, from the same value on, says that the head does
    the opposite.
    """

    asks: str
    applies: bool = True
    figure: str | None = None
    least: float | None = None
    contrary: str | None = None
    probe: str | None = None
    rises: bool = False


Targets = Callable[[np.ndarray, Sequence[str] | None, Spans | None], np.ndarray | None]
ChanceCells = Callable[[np.ndarray, Sequence[str] | None, Spans | None], tuple[np.ndarray, float]]


class Evidence(Protocol):
    """Figures of every head that are gathered while the prompts of a probe are read."""

    def read(self, run: Any) -> None:
        """Look at one layer of a batch (``scoring.LayerRun``)."""

    def end(self, batch: Any, hidden: Any) -> None:
        """Look at the last hidden states [prompt, position, d_model], padded at the end.

        ``batch`` is the ``scoring.Batch`` that they are of.
        """

    def figures(self) -> dict[str, np.ndarray]:
        """What was found, by name: [layer, head], or one number."""


@dataclass(frozen=True)
class Behaviour:
    """One named behaviour of an attention head; each is one file of this package.

    Exactly one of ``targets`` and ``measure`` is given.

    ``targets(tokens, token_texts, spans)`` returns the cells [query, key] that the behaviour asks
    for, boolean, or None where the information it needs is missing; rows with at least one target
    are eligible. ``text_targets`` is the stricter variant for a learner's own text, where targets
    of different behaviours overlap. ``chance_cells`` replaces the default chance (a uniform
    head's score) by the head's own attention on some cells [query, key] times one weight; it is
    asked where there are targets.

    On a learner's text a verdict needs ``min_rows`` eligible rows: one where a single place tells
    much, since hardly anything looks there by chance.

    ``tag`` ("copies") is added to a label, ``does`` ("rests on the first token") is how a sentence
    about a head says that it rests.

    ``measured_as`` says what the score is, for learners; whoever gives ``measure`` says it anew.
    ``probes`` are measured on. A behaviour may bring one of its own, which bears its name: either
    ``sentences``, texts that give occasion to it, or ``prompts(model, start, seed)``, which makes
    ``Prompt`` objects.

    ``asks`` is what a text must hold; what follows a semicolon is only said where that is missing.

    ``sources`` are short names of ``headlab.evidence.references``. They are ``cited`` as "after"
    where they describe this behaviour, measured here in our way, and as "related" where they
    describe something near.

    ``measure(run)`` returns score and chance [prompt, head] of one layer (see
    ``scoring.LayerRun``) and ``n_rows(prompt)`` the number of query rows it averages over; with
    ``needs_model`` it needs more than the pattern, and heads before ``first_layer`` cannot be
    tested.

    ``evidence(model, prompts)`` begins what its rungs need beside the score, gathered in the same
    passes over the prompts of its first probe.

    ``rung3`` and ``rung4`` are what the evidence ladder asks beyond the pattern: that what the
    head writes agrees, and that removing the head changes the prediction. ``contrary`` marks a
    behaviour that runs against what a pattern suggests: beside it a label reads "... pattern". With
    ``names_with_rung3`` a head that passes the threshold is named so only if it passes rung 3 too;
    else it has the role, and the next in label order names it.
    """

    name: str
    title: str
    summary: str
    label_order: int
    probes: tuple[str, ...]
    threshold: float
    reason: str
    rung3: Rung
    rung4: Rung
    min_rows: int = MIN_ROWS
    scale: Literal["excess", "raw"] = "excess"
    role_from: float | None = None
    resting: bool = False
    tag: str | None = None
    does: str | None = None
    measured_as: str = "the mean share of its attention on the places that the behaviour asks for"
    sources: tuple[str, ...] = ()
    cited: Literal["after", "related"] = "related"
    asks: str = "a text of a few words"
    example: str | None = None
    sentences: tuple[str, ...] = ()
    prompts: Callable[[Any, int | None, int], list[Prompt]] | None = None
    targets: Targets | None = None
    text_targets: Targets | None = None
    chance_cells: ChanceCells | None = None
    measure: Callable[[Any], tuple[Any, Any]] | None = None
    n_rows: Callable[[Prompt], int] | None = None
    needs_model: bool = False
    first_layer: int = 0
    contrary: bool = False
    names_with_rung3: bool = False
    evidence: Callable[[Any, Sequence[Prompt]], Evidence] | None = None

    @property
    def scale_words(self) -> str:
        """What is held against the threshold, in words."""
        return "score" if self.scale == "raw" else "score above chance"

    @property
    def active_from(self) -> float:
        """The value, on the threshold's scale, from which a head is active on a text.

        Half the threshold; for resting behaviours all of it, since half calls most heads active.
        """
        return self.threshold if self.resting else self.threshold / 2

    @property
    def shown_from(self) -> float:
        """The value, on the threshold's scale, from which the role is shown at all."""
        return self.threshold if self.role_from is None else self.role_from


def positions(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Query positions as a column [n, 1] and key positions as a row [1, n]."""
    return np.arange(n)[:, None], np.arange(n)[None, :]


class ReadsAndWrites:
    """How often a head raises the token that it reads most, and how often it lowers it most.

    Of some prompts the positions that are read, by ``id`` of the prompt. Attention does not matter:
    the measure is that of the behaviour ``copying``. NaN for heads that are not there and for
    weights that headlab cannot read.
    """

    def __init__(self, model: Any, positions: Mapping[int, Sequence[int]]) -> None:
        self._positions = {prompt: list(places) for prompt, places in positions.items()}
        self._counts = np.full((2, model.n_layers, model.n_heads), np.nan)
        self._readable = anatomy(model.network) if has_weights(model.network) else None

    def read(self, run: Any) -> None:
        """Count the hits of one layer of a batch."""
        rows = [(row, self._positions.get(id(prompt))) for row, prompt in enumerate(run.prompts)]
        asked = [(row, places) for row, places in rows if places]
        if self._readable is None or not self._readable.layers[run.layer].attention or not asked:
            return
        for count, hits in zip(self._counts, run.raised_and_lowered, strict=True):
            found = hits.cpu().numpy()
            here = sum(found[row][:, places].sum(-1) for row, places in asked)
            count[run.layer] = np.nan_to_num(count[run.layer]) + here

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Raised and lowered [layer, head], 0 to 1."""
        raised, lowered = self._counts / max(sum(map(len, self._positions.values())), 1)
        return raised, lowered
