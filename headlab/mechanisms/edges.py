"""Who tells a head where to look, and who listens to it: paths that exceed their control."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.interventions.base import HeadName, Progress, read
from headlab.interventions.patching import check_lengths
from headlab.mechanisms.composing import Input, checked
from headlab.mechanisms.paths import path_patch_map
from headlab.models import paths
from headlab.models.loaded import LoadedModel
from headlab.models.tokens import StartToken
from headlab.models.weights import check_weights

SEEN = 0.25  # a change of a score below this counts as none: by chance one path in 21 passes
HEARD = 0.05  # of a row of attention: less is not seen in a picture


@dataclass(frozen=True, eq=False)
class Edge:
    """What one earlier head carries into one input of a receiver.

    ``attention`` of the receiver's cell with the path patched, 0 to 1; ``change`` of its score
    before the softmax. ``controls`` [draw] are the changes of the score when the sender's
    layer writes as large a change in a random direction.
    """

    sender: Head
    into: Input
    attention: float
    change: float
    controls: np.ndarray = field(repr=False)

    @property
    def counts(self) -> bool:
        """Whether it changes the score by ``SEEN`` and more than every draw of its control."""
        larger = np.abs(self.controls) < abs(self.change)
        return abs(self.change) >= SEEN and bool(larger.all())


@dataclass(frozen=True, eq=False)
class Listener:
    """What a later head hears of a sender through one of its inputs.

    In its row from ``query`` the share ``moved`` of its attention, 0 to 1, goes elsewhere once the
    sender sends what it would on the other text; most on ``key``, from ``before`` to ``after``.
    ``controls`` [draw] is the most that any of its rows moves when the sender's layer writes as
    large a change in a random direction.
    """

    receiver: Head
    into: Input
    moved: float
    query: int
    key: int
    before: float
    after: float
    controls: np.ndarray = field(repr=False)

    @property
    def counts(self) -> bool:
        """Whether ``HEARD`` of a row or more moves, and more than for every draw of its control."""
        return self.moved >= HEARD and bool((self.controls < self.moved).all())


def strongest_senders(
    model: LoadedModel,
    clean: str,
    corrupt: str,
    receiver: HeadName,
    *,
    query: int = -1,
    key: int,
    mlps: bool = True,
    top: int = 6,
    draws: int = 20,
    seed: int = 0,
    start_token: StartToken = "model",
    progress: Progress | None = None,
) -> tuple[Edge, ...]:
    """Which earlier heads tell a head where to look, through which input, beside a control.

    Every earlier head is patched into the receiver's queries and its keys, one path at a time
    (``path_patch_map``); the ``top`` largest changes of the score of either get a control of
    ``draws``. The largest first. Parameters, errors and source as for :func:`path_patch_map`.
    """
    edges: list[Edge] = []
    inputs: tuple[Input, ...] = ("query", "key")  # where a head looks hangs on no value
    patched = partial(
        path_patch_map,
        model,
        clean,
        corrupt,
        receiver,
        query=query,
        key=key,
        mlps=mlps,
        seed=seed,
        start_token=start_token,
    )
    for done, into in enumerate(inputs):
        every = patched(into)
        order = np.argsort(-np.abs(every.score_change), kind="stable")[:top]
        chosen = [every.senders[place] for place in order if every.score_change[place]]
        if chosen:
            found = patched(into, senders=chosen, draws=draws)
            edges += [
                Edge(
                    sender,
                    into,
                    float(found.attention[place]),
                    float(found.score_change[place]),
                    found.control_score[place] - found.score_before,
                )
                for place, sender in enumerate(found.senders)
            ]
        if progress is not None:
            progress((1 + done) / len(inputs), f"through its {into}")
    return tuple(sorted(edges, key=lambda edge: -abs(edge.change)))


def strongest_listeners(
    model: LoadedModel,
    clean: str,
    corrupt: str,
    sender: HeadName,
    *,
    draws: int = 20,
    seed: int = 0,
    start_token: StartToken = "model",
) -> tuple[Listener, ...]:
    """Which later heads look elsewhere once one head sends what it would on the other text.

    Every other head writes what it writes on ``clean``; MLPs go on. One pass for all later heads
    and both inputs, queries and keys, and a control of ``draws``. Those that move most first.

    Parameters
    ----------
    clean, corrupt : two texts of equally many tokens.
    sender : the head whose message is changed, such as ``"L0.H0"``.

    Raises
    ------
    HeadlabError : texts of unequal length, no such head, none after it, or a model in which paths
        cannot be told apart.

    Source: after Wang et al. 2022, watched at the receivers' attention.
    """
    check_weights(model.network)
    head = checked(model, sender)
    if head.layer == model.n_layers - 1:
        raise HeadlabError(f"No head comes after {head}: choose a sender in an earlier layer.")
    on, other = (read(model, text, start_token) for text in (clean, corrupt))
    check_lengths(on, other)
    batch = model.as_batch([on.tokens, other.tokens])
    found = paths.heard(model.network, batch, head, draws=draws, seed=seed)
    listeners = [Listener(**each._asdict()) for each in found]
    return tuple(sorted(listeners, key=lambda each: -each.moved))
