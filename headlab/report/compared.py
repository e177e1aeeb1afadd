"""What a report says about two models side by side."""

from typing import Any

from headlab.errors import HeadlabError
from headlab.measuring.scoring import MIN_CHANGE
from headlab.profiles.compare import ProfileComparison
from headlab.profiles.profile import Profile
from headlab.report.numbers import DIGITS

N_CHANGES = 20  # changes that are listed
MAX_LABELS = 50  # heads whose label changed that are listed
MATCHED = 1  # heads of each behaviour side by side
_LISTS = {"labels_changed": MAX_LABELS, "label_flow": None, "label_shares": None}


def compared(
    profile: Profile, comparison: ProfileComparison | None, second: str
) -> dict[str, Any] | None:
    """Two models side by side, if one of them is the report's."""
    if comparison is None:
        return None
    sides = (comparison.before, comparison.after)
    ours = [_identity(side) == _identity(profile) for side in sides]
    if not any(ours):
        raise HeadlabError(
            f"The comparison is about other models than {profile.model_name} as it was measured "
            "here: compare this one."
        )
    data = comparison.to_dict()
    tables = {name: data[name][:most] for name, most in _LISTS.items()}
    tables["matched_roles"] = [row for row in data["matched_roles"] if row["rank"] <= MATCHED]
    tables["counts"] = comparison.verdict_counts().to_dict("records")
    ranked = comparison.ranking()
    sure = [
        {str(k): v for k, v in row.items()} for row in ranked.head(N_CHANGES).to_dict("records")
    ]
    facts = ("schema", "before", "after", "by_role", "cautions", "left_out", "no_interval")
    return _rounded(
        {
            **{name: data[name] for name in facts},
            "names": list(comparison.names),
            "asked_for": second or sides[1 if ours[0] else 0].model_name,
            "one_by_one": bool(comparison.changes),
            "n_sure": len(ranked),
            "n_relabelled": len(data["labels_changed"]),
            "least_change": MIN_CHANGE,
            "largest": sure,
            **tables,
        }
    )


def _identity(profile: Profile) -> tuple[str, int | None]:
    return profile.content_hash, profile.start_token


def _rounded(value: Any) -> Any:
    """JSON types with their numbers as short as everywhere in a report."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, DIGITS) if isinstance(value, float) else value
