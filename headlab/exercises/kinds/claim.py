"""Claims on trial: supported, not supported, or not to be tested here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from headlab.exercises.context import CannotTell, MeasurementContext
from headlab.exercises.finding import find_head, find_layer
from headlab.exercises.format import SHAPES_COUNT, Question
from headlab.exercises.kinds.base import OF_HEADS, Figures, Keys, Kind, Mistake
from headlab.exercises.measures import Bounds, Values, measured, possible_shapes
from headlab.exercises.prepared import (
    CANNOT,
    NOT_SUPPORTED,
    SUPPORTED,
    Key,
    Option,
    PreparedQuestion,
)
from headlab.exercises.wording import number
from headlab.heads import Head
from headlab.languages import gettext as _
from headlab.measuring.reading import Reading


def _verdicts() -> tuple[Option, ...]:
    return tuple(Option(name, _(name)) for name in (SUPPORTED, NOT_SUPPORTED, CANNOT))


@dataclass(frozen=True)
class _Quantity:
    """A value that a claim is about, with its bounds.

    ``total`` is what "all" means for it, ``passes_at`` what "threshold" means.
    """

    name: str
    bounds: Bounds
    heads: tuple[Head, ...]
    total: int = 0
    passes_at: float = 0


def prepare(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """Whether what the claim says holds for what is measured here."""
    quantities, words, passing = _quantities(question, lab)
    if question.rises:
        verdict, margin = _rises([q.bounds for q in quantities]), None
    else:
        sides = [side for q in quantities for side in _sides(question, q)]
        verdict, margin = _all_hold(sides), abs(min(value for value, _, _ in sides))
    heads = tuple(head for q in quantities for head in q.heads)
    score = words if question.head is None else number(quantities[0].bounds[0])
    key = Key(
        accepted=(verdict,),
        text=f"{_(verdict)} ({words})",
        graded=verdict != CANNOT,
        why=""
        if verdict != CANNOT
        else _("too close to decide ({figures}).").format(figures=words),
        score=quantities[0].bounds[0] if len(quantities) == 1 else None,
        margin=margin,
        figures={
            "score": score,
            "claim": _(verdict),
            "passing": passing,
            "answer": _(verdict),
        },
    )
    return PreparedQuestion(
        question,
        options=_verdicts(),
        key=key,
        hidden=heads,
        heads=heads,
        measured={q.name: q.bounds for q in quantities},
    )


def untested(question: Question, why: str) -> PreparedQuestion:
    """A claim that nothing measured here can decide."""
    says = _(CANNOT)
    figures = {"claim": says, "score": _("nothing measured"), "answer": says}
    key = Key((CANNOT,), f"{says}: {why.rstrip('.')}", graded=True, figures=figures)
    return PreparedQuestion(question, options=_verdicts(), key=key)


def _quantities(question: Question, lab: MeasurementContext) -> tuple[list[_Quantity], str, str]:
    """One head's value, or a count in one layer, in every layer, or in the whole model.

    With the same in words, and the value from which a head counts.
    """
    values = None if question.measure == SHAPES_COUNT else measured(question, lab)
    passing = "" if values is None else number(float(np.nanmin(values.passes_at)))
    if question.head is not None and values is not None:
        head = find_head(question.head, question.text, lab)
        bounds, at = values.at(head), float(values.passes_at[head])
        if np.isnan(bounds[0]):
            raise CannotTell(f"{head} could not be measured on this.")
        quantity = _Quantity(str(head), bounds, (head,), passes_at=at)
        return [quantity], f"{head}: {number(bounds[0])}", number(at)
    if question.layer is None:
        groups = {_("all of {model}").format(model=lab.model_name): lab.all_heads()}
    else:
        every = question.layer == "every"
        layers = range(lab.n_layers) if every else [find_layer(question.layer, lab)]
        groups = {
            _("layer {n}").format(n=n): [Head(n, h) for h in range(lab.n_heads)] for n in layers
        }
    if values is None:
        reading = lab.reading(question.text)
        found = [
            _Quantity(name, _shape_count(reading, heads), tuple(heads))
            for name, heads in groups.items()
        ]
    else:
        found = [_counted(name, values, heads) for name, heads in groups.items()]
    what = _("shapes") if values is None else _("heads")
    numbers = ", ".join(str(int(q.bounds[0])) for q in found)
    if len(found) > 1:
        said = _("{what} in layers 0 to {last}: {numbers}")
        return found, said.format(what=what, last=lab.n_layers - 1, numbers=numbers), passing
    of = "" if values is None else _(" of {n}").format(n=found[0].total)
    said = _("{what} in {where}: {numbers}")
    return found, said.format(what=what, where=found[0].name, numbers=numbers + of), passing


def _counted(name: str, values: Values, heads: Sequence[Head]) -> _Quantity:
    """How many of these heads count; heads that are not asked about are left out of "all"."""
    asked = tuple(head for head in heads if not np.isnan(values.value[head]))
    return _Quantity(name, values.count(asked), asked, len(asked))


def _shape_count(reading: Reading, heads: Sequence[Head]) -> Bounds:
    """Different shapes among these pictures: as named, surely, possibly; "mixed" is none."""
    found = [possible_shapes(reading.hint(layer, head)) for layer, head in heads]
    named = {names[0] for names in found}
    surely = {names[0] for names in found if len(names) == 1}
    possibly = {name for names in found for name in names}
    value, low, high = (len(names - {"mixed"}) for names in (named, surely, possibly))
    return float(value), float(low), float(high)


def _sides(question: Question, quantity: _Quantity) -> list[Bounds]:
    """How far the quantity lies on the claimed side of each of the claim's bounds."""
    value, low, high = quantity.bounds
    sides = []
    if question.at_least is not None:
        least = _limit(question.at_least, quantity)
        sides.append((value - least, low - least, high - least))
    if question.at_most is not None:
        most = _limit(question.at_most, quantity)
        sides.append((most - value, most - high, most - low))
    return sides


def _limit(bound: float | str, quantity: _Quantity) -> float:
    named = {"all": quantity.total, "threshold": quantity.passes_at}
    return float(named.get(bound, bound) if isinstance(bound, str) else bound)


def _all_hold(sides: Sequence[Bounds]) -> str:
    """Supported if every side surely holds, not supported if one surely fails."""
    if all(low >= 0 for _, low, _ in sides):
        return SUPPORTED
    return NOT_SUPPORTED if any(high < 0 for _, _, high in sides) else CANNOT


def _rises(bounds: Sequence[Bounds]) -> str:
    """Supported if no value lies below the one before, not supported if one surely does."""
    steps = list(pairwise(bounds))
    if all(value <= after for (value, _, _), (after, _, _) in steps):
        return SUPPORTED
    return NOT_SUPPORTED if any(high < low for (_, low, _), (_, _, high) in steps) else CANNOT


def check(question: Question) -> Iterable[Mistake]:
    """A claim is about a head or about a layer, and says what would hold."""
    q = question
    if q.head is not None and (q.layer is not None or q.among or q.passing is not None):
        yield Mistake("head", "a claim is about a head or about a layer: delete one.")
    if q.rises and q.layer != "every":
        yield Mistake("rises", "'rises' needs layer = \"every\".")
    if q.rises is (q.at_least is not None or q.at_most is not None):
        yield Mistake(
            "", "a claim needs a bound: 'at_least', 'at_most' or both, or else rises = true."
        )
    bounds = (q.at_least, q.at_most)
    if "all" in bounds and (q.head is not None or q.measure == SHAPES_COUNT):
        yield Mistake("", '"all" counts heads, and this claim does not.')
    if "threshold" in bounds and q.head is None:
        yield Mistake("", '"threshold" needs a claim about one head.')


KIND = Kind(
    name="claim",
    asks="supported, not supported, cannot be tested here",
    measures=(*OF_HEADS, SHAPES_COUNT),
    keys=Keys(may=frozenset({"head", "layer", "passing", "among", "at_least", "at_most", "rises"})),
    keys_by={SHAPES_COUNT: Keys(frozenset({"layer"}), frozenset({"at_least", "at_most"}))},
    figures=Figures(explanation=("claim",)),
    figures_by={measure: Figures(ask=("passing",)) for measure in OF_HEADS},
    layers=("first", "middle", "last", "every"),
    prepare=prepare,
    untested=untested,
    check=check,
)
