"""Two profiles side by side.

Head 5 of one model is not head 5 of another. Heads are compared one by one only where one model
grew out of the other (fine-tuning, checkpoints), which the profiles themselves must show; otherwise
roles are compared: shares of heads by relative depth, and the strongest heads of each behaviour.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.measuring.confidence import UNCLASSIFIED
from headlab.measuring.json_types import records
from headlab.measuring.notebook import InNotebook
from headlab.profiles.changes import DOWN, OPEN, SAME, UNMEASURED, UP, Change, changes
from headlab.profiles.comparable import left_out, names_of, obstacles
from headlab.profiles.profile import Profile
from headlab.profiles.roles import NOBODY, THIRDS, label_share, strongest_heads

SCHEMA = "headlab.comparison/1"


@dataclass(frozen=True, eq=False, repr=False)
class ProfileComparison(InNotebook):
    """Two profiles side by side.

    ``by_role`` gives the reasons why heads are not compared one by one; where it is empty,
    ``changes`` maps every behaviour measured on both to its :class:`Change`. ``cautions`` say what
    limits even the comparison of roles, ``left_out`` which behaviours were measured on one only.
    """

    before: Profile
    after: Profile
    by_role: tuple[str, ...]
    cautions: tuple[str, ...]
    left_out: tuple[str, ...]
    changes: dict[str, Change]

    @property
    def names(self) -> tuple[str, str]:
        """What the two models are called, told apart if they share a name."""
        return names_of(self.before, self.after)

    @property
    def behaviours(self) -> tuple[str, ...]:
        """Behaviours measured on both, in label order."""
        return tuple(name for name in self.before.behaviours if name in self.after.score)

    def __repr__(self) -> str:
        return f"ProfileComparison({self.before!r}, {self.after!r})"

    def to_frame(self) -> pd.DataFrame:
        """The same as :meth:`table`."""
        return self.table()

    def table(self) -> pd.DataFrame:
        """Tidy table, one row for each head and behaviour: scores, change, interval, verdict."""
        layer, head = np.indices((self.before.n_layers, self.before.n_heads)).reshape(2, -1)
        names = [str(Head(int(a), int(b))) for a, b in zip(layer, head, strict=True)]
        parts = [
            pd.DataFrame(
                {"name": names, "layer": layer, "head": head, "behaviour": behaviour}
                | {"before": self.before.score[behaviour].reshape(-1)}
                | {"after": self.after.score[behaviour].reshape(-1)}
                | {"change": c.change.reshape(-1), "low": c.low.reshape(-1)}
                | {"high": c.high.reshape(-1), "verdict": c.verdict.reshape(-1)}
                | {"sure": c.sure.reshape(-1)}
            )
            for behaviour, c in self.changes.items()
        ]
        columns = ["name", "layer", "head", "behaviour", "before", "after", "change", "low"]
        columns += ["high", "verdict", "sure"]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    def ranking(self, behaviour: str | None = None, top: int | None = None) -> pd.DataFrame:
        """Changes that are sure, the surest first: by the least change that the interval allows."""
        table = self.table()
        table = table[table["verdict"].isin((UP, DOWN))]
        if behaviour is not None:
            table = table[table["behaviour"] == behaviour]
        order = table["sure"].abs().sort_values(ascending=False, kind="stable").index
        return table.loc[order].head(top).reset_index(drop=True)

    def verdict_counts(self) -> pd.DataFrame:
        """One row for each behaviour: how many heads went up, down, stayed, cannot be told."""
        kinds = (UP, DOWN, SAME, OPEN, UNMEASURED)
        return pd.DataFrame(
            [
                {"behaviour": name} | {kind: int((c.verdict == kind).sum()) for kind in kinds}
                for name, c in self.changes.items()
            ],
            columns=["behaviour", *kinds],
        )

    def relabelled(self) -> pd.DataFrame:
        """Heads whose label changed, those first whose two labels both hold up best."""
        one, two = self.before, self.after
        differ = (one.label != two.label) if self.changes else np.zeros((0, 0), dtype=bool)
        rows = [
            {
                "name": str(Head(int(layer), int(head))),
                "before": one.label_text(layer, head),
                "confidence_before": one.label_confidence[layer, head],
                "after": two.label_text(layer, head),
                "confidence_after": two.label_confidence[layer, head],
            }
            for layer, head in np.argwhere(differ)
        ]
        columns = ["name", "before", "confidence_before", "after", "confidence_after"]
        table = pd.DataFrame(rows, columns=columns)
        least = table[["confidence_before", "confidence_after"]].min(axis=1, skipna=False)
        order = least.sort_values(ascending=False, kind="stable").index
        return table.loc[order].reset_index(drop=True)

    def flow(self) -> pd.DataFrame:
        """How many heads went from which label to which, labels that nobody carries left out."""
        one, two = (profile.label.reshape(-1) for profile in (self.before, self.after))
        end = len(one) if self.changes else 0
        pairs = pd.DataFrame({"before": one[:end], "after": two[:end]})
        order = {name: i for i, name in enumerate((*self.before.behaviours, UNCLASSIFIED))}
        counts = pairs.value_counts().rename("heads").reset_index()
        return counts.sort_values(
            ["before", "after"], key=lambda column: column.map(order).fillna(len(order))
        ).reset_index(drop=True)

    def label_shares(self) -> pd.DataFrame:
        """Share of each model's heads that carry a label, over the whole depth and by thirds."""
        names = dict.fromkeys((*self.before.behaviours, *self.after.behaviours, UNCLASSIFIED))
        return pd.DataFrame(
            [
                {"label": name, "depth": part}
                | {"before": label_share(self.before, name, part)}
                | {"after": label_share(self.after, name, part)}
                for name in names
                if name in self.before.label or name in self.after.label
                for part in ("all", *THIRDS)
            ],
            columns=["label", "depth", "before", "after"],
        )

    def matched_roles(self, top: int = 3) -> pd.DataFrame:
        """The strongest heads of each behaviour side by side, by rank, with their relative depth.

        The first of one model stands beside the first of the other, whatever their numbers.
        ``shows`` says whether a head passes from where the behaviour counts as shown.
        """
        rows = []
        for behaviour in self.behaviours:
            sides = [
                strongest_heads(profile, behaviour, top) for profile in (self.before, self.after)
            ]
            for rank in range(max(map(len, sides))):
                row: dict[str, Any] = {"behaviour": behaviour, "rank": rank + 1}
                for side, found in zip(("before", "after"), sides, strict=True):
                    there = found[rank] if rank < len(found) else NOBODY
                    row |= {f"{key}_{side}": value for key, value in there.items()}
                rows.append(row)
        sides_columns = [f"{key}_{side}" for side in ("before", "after") for key in NOBODY]
        return pd.DataFrame(rows, columns=["behaviour", "rank", *sides_columns])

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON types; NaN becomes null."""
        tables = {
            "changes": self.table(),
            "labels_changed": self.relabelled(),
            "label_flow": self.flow(),
            "label_shares": self.label_shares(),
            "matched_roles": self.matched_roles(),
        }
        return {
            "schema": SCHEMA,
            "before": _facts(self.before),
            "after": _facts(self.after),
            "by_role": list(self.by_role),
            "cautions": list(self.cautions),
            "left_out": list(self.left_out),
            "no_interval": {name: c.why for name, c in self.changes.items() if c.why},
            **{name: records(table) for name, table in tables.items()},
        }


def compare_profiles(before: Profile, after: Profile) -> ProfileComparison:
    """Two profiles side by side: head by head where that means something, else role by role."""
    by_role, cautions = obstacles(before, after)
    common = [name for name in before.behaviours if name in after.score]
    if not common:
        raise HeadlabError(
            "The two profiles have no behaviour in common: profile both models with one version."
        )
    return ProfileComparison(
        before=before,
        after=after,
        by_role=by_role,
        cautions=cautions,
        left_out=tuple(left_out(before, after)),
        changes={} if by_role else changes(before, after),
    )


def _facts(profile: Profile) -> dict[str, Any]:
    return {
        "model": profile.model_name,
        "content_hash": profile.content_hash,
        "start_token": profile.start_token,
        "start_text": profile.start_text,
        "n_layers": profile.n_layers,
        "n_heads": profile.n_heads,
    }
