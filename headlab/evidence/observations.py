"""What a picture of GPT-2 small's name-copying heads is said to show, put on trial on any model.

The observations are those of a widely copied description of two heat maps (name copying and its
suppression, with the classes of Wang et al. 2022); each becomes a claim that a profile can settle.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from headlab.behaviours import get_behaviour
from headlab.evidence.published import NAMES, heads_with_role
from headlab.heads import Head
from headlab.profiles.profile import Profile

COPYING, SUPPRESSION = "name_copying", "name_suppression"
NEAR_ZERO = 0.1
MIN_SHARE = 0.8  # "the vast majority", "heavily concentrated"
MIN_HEADS = 3  # below it, nothing can be said of where heads lie

Verdict = Literal["supported", "not supported", "cannot be tested here"]


@dataclass(frozen=True)
class Observation:
    """One claim, what was measured for it here, and the verdict."""

    claim: str
    measured: str
    verdict: Verdict


def name_observations(profile: Profile) -> list[Observation]:
    """Each claim about the two maps with its figure on this model.

    Empty for a profile without name copying. A head counts as bright where it passes the
    behaviour's threshold.
    """
    if COPYING not in profile.score or SUPPRESSION not in profile.score:
        return []
    return [
        _sparse(profile),
        _late(profile, COPYING, profile.n_layers * 4 // 12, "the final third of the layers"),
        _late(profile, SUPPRESSION, profile.n_layers * 2 // 12, "the final sixth of the layers"),
        _fewer(profile),
        _both(profile),
        *_published(profile),
    ]


def _verdict(holds: bool) -> Verdict:
    return "supported" if holds else "not supported"


def _bright(profile: Profile, behaviour: str) -> np.ndarray:
    """Which heads pass the threshold, boolean [layer, head]; NaN passes nothing."""
    return profile.value(behaviour) >= get_behaviour(behaviour).threshold


def _names(bright: np.ndarray, most: int = 6) -> str:
    """Heads in a line, such as "L9.H6, L9.H9 and 3 more"."""
    heads = [str(Head(int(layer), int(head))) for layer, head in np.argwhere(bright)]
    if len(heads) <= most:
        return ", ".join(heads)
    return f"{', '.join(heads[:most])} and {len(heads) - most} more"


def _sparse(profile: Profile) -> Observation:
    claim = f"The vast majority of heads (at least {MIN_SHARE:.0%}) score near zero in both maps."
    shares = []
    for name in (COPYING, SUPPRESSION):
        known = profile.score[name][np.isfinite(profile.score[name])]
        shares.append(float((known < NEAR_ZERO).mean()) if known.size else np.nan)
    if np.isnan(shares).any():
        return Observation(claim, "no head could be tested", "cannot be tested here")
    measured = f"below {NEAR_ZERO}: {shares[0]:.0%} (copying), {shares[1]:.0%} (suppression)"
    return Observation(claim, measured, _verdict(min(shares) >= MIN_SHARE))


def _late(profile: Profile, behaviour: str, last: int, where: str) -> Observation:
    title = get_behaviour(behaviour).title
    claim = f"{title}: bright heads lie (at least {MIN_SHARE:.0%} of them) in {where}."
    bright = _bright(profile, behaviour)
    if bright.sum() < MIN_HEADS or last == 0:
        found = f"{bright.sum()} heads pass the threshold, too few to say where"
        return Observation(claim, found, "cannot be tested here")
    late = int(bright[profile.n_layers - last :].sum())
    measured = f"{late} of {bright.sum()} in layers {profile.n_layers - last} and later"
    return Observation(claim, measured, _verdict(late >= MIN_SHARE * bright.sum()))


def _fewer(profile: Profile) -> Observation:
    claim = "Far fewer heads (at most half as many) suppress names than copy them."
    copies, suppresses = (int(_bright(profile, name).sum()) for name in (COPYING, SUPPRESSION))
    measured = f"{suppresses} suppress, {copies} copy"
    if copies < MIN_HEADS:
        return Observation(claim, f"{measured}: too few", "cannot be tested here")
    return Observation(claim, measured, _verdict(suppresses <= copies / 2))


def _both(profile: Profile) -> Observation:
    claim = "A head can be bright in both maps (L10.H7 is said to be)."
    copies, suppresses = (_bright(profile, name) for name in (COPYING, SUPPRESSION))
    if not (copies.any() and suppresses.any()):
        return Observation(claim, "one map has no bright head", "cannot be tested here")
    both = copies & suppresses
    measured = f"bright in both: {_names(both) or 'none'}"
    return Observation(claim, measured, _verdict(bool(both.any())))


def _published(profile: Profile) -> list[Observation]:
    """What is said of the classes of Wang et al. 2022, which only GPT-2 small has."""
    claims = (
        ("The three brightest heads for copying are the published name movers.", COPYING),
        ("The published negative name movers are bright for suppression.", SUPPRESSION),
    )
    if profile.model_name not in NAMES:
        return [
            Observation(claim, "the classes are those of GPT-2 small", "cannot be tested here")
            for claim, _ in claims
        ]
    top = [Head.parse(name) for name in profile.ranking(COPYING, top=3)["name"]]
    movers = heads_with_role("name_mover")
    hits = sum(head in movers for head in top)
    negative = heads_with_role("negative_name_mover")
    scores = [f"{head} {profile.score[SUPPRESSION][head]:.2f}" for head in negative]
    bright = all(_bright(profile, SUPPRESSION)[head] for head in negative)
    return [
        Observation(
            claims[0][0],
            f"{', '.join(map(str, top))}: {hits} of 3 are name movers",
            _verdict(hits == len(top)),
        ),
        Observation(claims[1][0], ", ".join(scores), _verdict(bright)),
    ]
