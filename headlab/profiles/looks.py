"""Where every head looks on the probe sentences, as a profile keeps it, and in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from headlab.behaviours import get_behaviour
from headlab.measuring.budget import FIGURES, SHARES, Sums
from headlab.measuring.confidence import UNCLASSIFIED

if TYPE_CHECKING:
    from headlab.profiles.controls import Controls
    from headlab.profiles.profile import Profile

WRITES_LITTLE = 0.25  # provisional; of the mean of the heads of its layer
STANDS_OUT = 2.0  # times the share that even attention would give
DIGITS = 4


@dataclass(frozen=True, eq=False)
class Looks:
    """The budget of attention, and what goes with it: measures of ``budget.FIGURES``.

    ``value`` and the interval ``low``, ``high`` map a figure to [layer, head]. Shares,
    ``explained`` and ``explained_chance`` are 0 to 1; ``reach`` is in tokens, ``spread`` a number
    of tokens, ``output_norm`` relative to the mean of the heads of a layer. ``random`` is the same
    on random weights, the mean over the controls, for the same places (empty without controls).
    ``even`` is the share that even attention would give.
    """

    value: dict[str, np.ndarray]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    random: dict[str, np.ndarray]
    even: dict[str, float]

    @classmethod
    def of(
        cls,
        sums: Sums,
        shows: Mapping[str, np.ndarray],
        weights: np.ndarray,
        controls: "Controls | None" = None,
    ) -> "Looks":
        """From sums; ``weights`` [resample, prompt], ``shows`` the roles by behaviour."""
        low, high = sums.intervals(shows, weights)
        random = {} if controls is None else controls.looks(sums.places.explained_by(shows))
        return cls(sums.figures(shows), low, high, random, sums.even_shares())

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, rounded to ``DIGITS``; NaN becomes null."""
        arrays = {
            name: {
                figure: [
                    [None if np.isnan(x) else round(float(x), DIGITS) for x in row] for row in array
                ]
                for figure, array in getattr(self, name).items()
            }
            for name in ("value", "low", "high", "random")
        }
        return arrays | {"even": {k: round(v, DIGITS) for k, v in self.even.items()}}

    @classmethod
    def from_dict(cls, data: Any, shape: tuple[int, int]) -> "Looks":
        """From JSON types; ValueError for figures that are none."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for name in ("value", "low", "high", "random"):
            figures = FIGURES if name != "random" or data[name] else ()
            found[name] = {
                figure: np.array(data[name][figure], dtype=float).reshape(shape)
                for figure in figures
            }
            if any((array < 0).any() or np.isinf(array).any() for array in found[name].values()):
                raise ValueError("a figure of where heads look is below zero")
        even = {share: float(data["even"][share]) for share in SHARES}
        totals = np.array([*np.sum([found["value"][s] for s in SHARES], axis=0).flat])
        if (np.abs(totals - 1) > 0.02).any():
            raise ValueError("the shares of attention of a head do not sum to 1")
        return cls(**found, even=even)


MEASURED = "looks_"  # before the name of a figure, where behaviours are named too
_TITLES = {
    "reach": "Reach, in tokens",
    "spread": "Spread, in tokens",
    "explained": "Explained share",
    "explained_chance": "Explained share by chance",
    "output_norm": "Output norm, beside its layer's mean",
}


def look_names() -> dict[str, str]:
    """The figures by a name that no behaviour has, with their titles."""
    titles = {f: _TITLES.get(f) or f"Attention on {SHARES[f]}" for f in FIGURES}
    return {f"{MEASURED}{figure}": title for figure, title in titles.items()}


def writes_little(profile: "Profile", layer: int, head: int) -> bool:
    """Whether what the head writes is short beside what the others of its layer write."""
    if profile.looks is None:
        return False
    return bool(profile.looks.value["output_norm"][layer, head] < WRITES_LITTLE)


def explaining(profile: "Profile", layer: int, head: int) -> list[str]:
    """The roles of the head that say where it looks off the first token, by name."""
    return [
        name
        for name in profile.roles(layer, head)
        if get_behaviour(name).targets is not None and not get_behaviour(name).resting
    ]


def words(profile: "Profile", layer: int, head: int) -> str:
    """Where a head looks on ordinary sentences, in a line; every page and report says it so.

    With a name or role that says where it looks: "induction; this explains 23 % of where it looks,
    chance 3 %". Without: "mixed: first token 41 %, local 22 %; 3.9 tokens back; looks at about 2.7
    tokens". What it adds to both is "writes little".
    """
    if profile.looks is None:
        return "where it looks was not measured: make the profile again"
    value = {name: float(array[layer, head]) for name, array in profile.looks.value.items()}
    roles, label = explaining(profile, layer, head), str(profile.label[layer, head])
    if roles and not np.isnan(value["explained"]):
        titles = " and ".join(get_behaviour(name).title.lower() for name in roles)
        explains = "this explains" if len(roles) == 1 else "together these explain"
        parts = [
            titles,
            f"{explains} {percent(value['explained'])} of where it looks, "
            f"chance {percent(value['explained_chance'])}",
        ]
    else:
        title = "mixed" if label == UNCLASSIFIED else profile.title(layer, head).lower()
        parts = [f"{title}: {stand_out(profile.looks, layer, head)}"]
        if not np.isnan(value["reach"]):
            parts.append(f"{value['reach']:.1f} tokens back")
        parts.append(f"looks at about {value['spread']:.1f} tokens")
    if writes_little(profile, layer, head):
        parts.append("writes little")
    return "; ".join(parts)


def stand_out(looks: Looks, layer: int, head: int) -> str:
    """The two largest shares that are at least twice what even attention gives, largest first."""
    shares = {name: float(looks.value[name][layer, head]) for name in SHARES}
    more = [name for name in SHARES if shares[name] > STANDS_OUT * looks.even[name]]
    largest = sorted(more, key=lambda name: -shares[name])[:2]
    found = ", ".join(f"{SHARES[name]} {percent(shares[name])}" for name in largest)
    return found or "no place stands out"


def percent(share: float) -> str:
    """A share as a whole percentage: "23 %"."""
    return f"{100 * share:.0f} %"
