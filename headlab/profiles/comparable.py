"""What two profiles may be compared by: head by head, role by role, and with which cautions."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from headlab.behaviours import get_behaviour
from headlab.profiles.profile import Profile

SEED = 0
N_SHUFFLES = 1_000
MIN_ORDERS = 20  # of the heads: with fewer, chance meets the right one in more than 5 %


def obstacles(before: Profile, after: Profile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Why heads are not compared one by one, and what limits even the comparison of roles."""
    one, two = names_of(before, after)
    by_role, cautions = [], []
    if (before.start_token is None) != (after.start_token is None):
        cautions.append(
            f"{one} was measured with {_start(before)} and {two} with {_start(after)}, which alone "
            "changes where heads look: profile both alike."
        )
    elif before.start_text != after.start_text:
        by_role.append(
            f"{one} was measured with {_start(before)}, {two} with {_start(after)}: their probe "
            "texts are not the same."
        )
    versions = [p.provenance.get("probe_version") for p in (before, after)]
    if versions[0] != versions[1]:
        cautions.append(
            f"The profiles were measured on different probe texts (version {versions[0]} and "
            f"{versions[1]}): make the older one again."
        )
    if _thresholds(before) != _thresholds(after):
        cautions.append(
            "The profiles name heads by different thresholds: make the older one again before you "
            "compare labels."
        )
    shapes = [(p.n_layers, p.n_heads) for p in (before, after)]
    if shapes[0] != shapes[1]:
        by_role.append(
            f"{one} has {_shape(before)}, {two} {_shape(after)}: no head of one is a head of the "
            "other."
        )
    by_role = [*cautions, *by_role]
    if not by_role and (before.n_rows, before.n_prompts) != (after.n_rows, after.n_prompts):
        by_role.append(
            f"{one} and {two} split the probe texts into different tokens, so their scores do not "
            "belong to the same places."
        )
    if not by_role and not share_lineage(before, after):
        by_role.append(
            f"{one} and {two} have the same shape, but a head of one is no more like the head of "
            "the same number in the other than like its neighbours: they were trained apart."
            if _n_orders(before) >= MIN_ORDERS
            else f"{one} and {two} have too few heads to tell whether one grew out of the other."
        )
    return tuple(by_role), tuple(cautions)


def share_lineage(before: Profile, after: Profile) -> bool:
    """Whether heads of the same number are more alike than chance, so that one model grew out of
    the other.

    The correlation of both models' scores, less each layer's mean, must be positive and exceed that
    under every one of 1,000 seeded shuffles of the heads within their layers. Where a layer has one
    head, heads are shuffled over the layers. Fewer than 20 orders of the heads would be met by
    chance, so then only equal scores are taken for a lineage.
    """
    names = [
        name
        for name in before.behaviours
        if name in after.score
        and np.isfinite(before.score[name]).all()
        and np.isfinite(after.score[name]).all()
    ]
    if not names:
        return False
    if _n_orders(before) < MIN_ORDERS:
        return all(np.array_equal(before.score[name], after.score[name]) for name in names)
    ours, theirs = (
        (scores - scores.mean(axis=2, keepdims=True)).astype(np.float32)
        for scores in (_among_neighbours(p, names) for p in (before, after))
    )
    n_layers, n_heads = ours.shape[1:]
    # [behaviour, layer, head] of one against every head of the other: [layer, head, other head]
    alike = np.einsum("bli,blj->lij", ours, theirs)
    rng = np.random.default_rng(SEED)
    order = rng.random((N_SHUFFLES, n_layers, n_heads)).argsort(axis=2)
    layers, heads = np.arange(n_layers)[:, None], np.arange(n_heads)[None, :]
    shuffled = alike[layers, heads, order].sum(axis=(1, 2))
    same = np.trace(alike, axis1=1, axis2=2).sum()
    return bool(same > 0 and (shuffled <= same * (1 + 1e-6)).all())


def _among_neighbours(profile: Profile, names: Sequence[str]) -> np.ndarray:
    """Scores [behaviour, group, head] of heads that may be taken for one another."""
    scores = np.stack([profile.score[name] for name in names])
    return scores.swapaxes(1, 2) if profile.n_heads == 1 else scores


def _n_orders(profile: Profile) -> int:
    """In how many orders the heads could stand among their neighbours."""
    if profile.n_heads == 1:
        return math.factorial(profile.n_layers)
    return math.factorial(profile.n_heads) ** profile.n_layers


def left_out(before: Profile, after: Profile) -> list[str]:
    """A sentence for each behaviour that only one of the profiles holds."""
    sentences = []
    names = names_of(before, after)
    for (here, name), (there, other) in (
        ((before, names[0]), (after, names[1])),
        ((after, names[1]), (before, names[0])),
    ):
        for behaviour in here.behaviours:
            if behaviour not in there.score:
                why = there.untested.get(behaviour, "its profile does not hold it")
                title = get_behaviour(behaviour).title
                sentences.append(f"{title} was measured on {name} only; on {other}: {why}.")
    return sentences


def names_of(before: Profile, after: Profile) -> tuple[str, str]:
    """What the two models are called in a sentence, told apart if they share a name."""
    if before.model_name != after.model_name:
        return before.model_name, after.model_name
    return f"{before.model_name} (first)", f"{after.model_name} (second)"


def _start(profile: Profile) -> str:
    return "no start token" if profile.start_text is None else f"start token {profile.start_text}"


def _shape(profile: Profile) -> str:
    return f"{profile.n_layers} layers of {profile.n_heads} heads"


def _thresholds(profile: Profile) -> Any:
    return profile.provenance.get("thresholds")
