"""How much of a head's look some heads carry alone, or all but them, as one of a few sizes."""

import numpy as np

from headlab.exercises.changed import changed_text, check_change
from headlab.exercises.context import CannotTell, MeasurementContext
from headlab.exercises.effects import LEFT, possible_sizes
from headlab.exercises.finding import find_head, head_or_name, key_positions, query_position
from headlab.exercises.format import ALONE, WITHOUT, Question
from headlab.exercises.kinds.base import Figures, Keys, Kind
from headlab.exercises.measures import MIN_MARGIN
from headlab.exercises.prepared import Key, Option, PreparedQuestion
from headlab.exercises.wording import heads_named, near_limit
from headlab.languages import gettext as _


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """Faithfulness of the question's heads, or what is left without them."""
    head = find_head(str(question.head), question.text, lab)
    query, key = query_position(question, lab), key_positions(question, lab)[-1]
    kept = tuple(sorted({find_head(name, question.text, lab) for name in question.keep}))
    found = lab.kept(question.text, changed_text(question, lab), kept, head, query, key)
    left = found.score if question.measure == ALONE else found.left
    if np.isnan(left):
        raise CannotTell(
            f"With this word changed, all heads together hardly move where {head} looks: from "
            f"{found.whole:.0%} to {found.none:.0%}."
        )
    near = possible_sizes(left, MIN_MARGIN, LEFT)
    drawn = found.random_scores
    return PreparedQuestion(
        question,
        options=tuple(Option(size.name, _(size.name)) for size in LEFT),
        key=Key(
            accepted=tuple(size.name for size in near),
            text=f"{_(near[0].name)} ({left:.0%}{near_limit(near)})",
            graded=True,
            score=left,
            margin=min(abs(left - size.limit) for size in LEFT if np.isfinite(size.limit)),
            figures={
                "answer": _(near[0].name),
                "score": f"{left:.0%}",
                "random": _("at most {share:.0%}").format(share=drawn.max())
                if len(drawn)
                else _("not measured"),
                "kept": heads_named(kept),
                "head": str(head),
                "whole": f"{found.whole:.0%}",
                "none": f"{found.none:.0%}",
            },
        ),
        heads=kept,
    )


def known(question: Question, lab: MeasurementContext) -> dict[str, str]:
    """What the question may name where it cannot be measured."""
    heads = [head_or_name(name, question.text, lab) for name in question.keep]
    return {"kept": heads_named(dict.fromkeys(heads))}


KIND = Kind(
    name="what is left",
    asks="how much of where a head looks is left with only some heads at work, or with all but "
    "them: hardly anything, part of it, nearly all of it",
    measures=(ALONE, WITHOUT),
    keys=Keys(needs=frozenset({"keep"})),
    figures=Figures(("kept",), ("random", "whole", "none")),
    prepare=prepare,
    known=known,
    check=check_change,
)
