"""What a report is made of, as ``make_report`` is given it."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import date as Date

from headlab.errors import HeadlabError
from headlab.evidence.ladder import Removals
from headlab.exercises import Record
from headlab.heads import HeadName
from headlab.interventions import Intervention, Sweep
from headlab.measuring.reading import Reading
from headlab.mechanisms import AttentionExplanation, Faithfulness
from headlab.profiles.compare import ProfileComparison
from headlab.profiles.corpus import CorpusLooks
from headlab.profiles.profile import Profile
from headlab.report.mechanisms import Told
from headlab.report.sections import Given, chosen_sections


@dataclass(frozen=True, eq=False)
class ReportInput:
    """Everything that a report is made of; ``make_report`` says what each part is."""

    reading: Reading | None
    profile: Profile
    interventions: Sequence[Intervention] = ()
    sweep: Sweep | None = None
    explanations: Sequence[AttentionExplanation] = ()
    told: Sequence[Told] = ()
    kept: Sequence[Faithfulness] = ()
    corpus: CorpusLooks | None = None
    removals: Sequence[Removals] = ()
    comparison: ProfileComparison | None = None
    record: Record | None = None
    sections: Sequence[str] | None = None
    behaviours: Sequence[str] | None = None
    heads: Iterable[HeadName] | None = None
    entities: Sequence[tuple[str, str]] = ()
    title: str = ""
    name: str = ""
    course: str = ""
    notes: str = ""
    date: str = ""
    model: str = ""
    second: str = ""

    def __post_init__(self) -> None:
        if self.reading is None and self.comparison is None:
            raise HeadlabError("There is nothing to report on: give a reading, or a comparison.")

    def chosen_sections(self) -> list[str]:
        """The sections asked for, or all that have something in them."""
        given = Given(
            self.record,
            self.notes,
            has_text=self.reading is not None,
            removes=bool(self.interventions) or self.sweep is not None,
            explains=bool(self.explanations or self.told or self.kept),
            corpus=self.corpus is not None,
            compares=self.comparison is not None,
        )
        return list(chosen_sections(self.sections, given))


def report_date(given: str = "") -> str:
    """The date given, that of SOURCE_DATE_EPOCH, or today's."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        if given:
            return Date.fromisoformat(given).isoformat()
        if epoch:
            return datetime.fromtimestamp(int(epoch), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError) as error:
        what = repr(given) if given else f"SOURCE_DATE_EPOCH={epoch!r}"
        raise HeadlabError(f"{what[:60]} is no date: write YYYY-MM-DD, or seconds.") from error
    return datetime.now(UTC).date().isoformat()
