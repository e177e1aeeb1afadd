"""The kinds of questions that ask for one of several answers: how each is measured.

Answers whose measured values lie too close to the best are all accepted; where that would be too
many, the question is not graded and says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from headlab.exercises.effects import SIZES, possible_sizes
from headlab.exercises.format import PROBABILITY, Question
from headlab.exercises.measures import (
    HALF,
    MIN_MARGIN,
    Bounds,
    CannotTell,
    MeasurementContext,
    Values,
    all_heads,
    find_head,
    find_layer,
    measured,
    possible_shapes,
    profile_values,
    query_position,
    removal_effect,
)
from headlab.exercises.prepared import MAX_ACCEPTED, Key, Option, PreparedQuestion
from headlab.exercises.wording import (
    heads_named,
    heads_text,
    number,
    percent,
    quoted,
    token_words,
    whole,
)
from headlab.heads import Head
from headlab.measuring.pictures import without_first
from headlab.measuring.reading import SHAPES


def which_head(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The head of a layer, or of the model, with the largest value."""
    layer = None if question.layer is None else find_layer(question.layer, lab)
    values = measured(question, lab)
    rows = range(lab.n_layers) if layer is None else [layer]
    heads = [Head(row, head) for row in rows for head in range(lab.n_heads)]
    options = [Option(str(head), str(head)) for head in heads]
    return _arg_max(
        question,
        options,
        [np.array([array[head] for head in heads]) for array in values.bounds],
        hidden=heads,
    )


def which_layer(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The layer whose heads lead."""
    values = measured(question, lab)
    options = [Option(str(i), f"layer {i}") for i in range(lab.n_layers)]
    layers = [values.layer(index, question.by) for index in range(lab.n_layers)]
    prepared = _arg_max(question, options, list(np.array(layers).T), hidden=all_heads(lab))
    assert prepared.key is not None
    best = int(prepared.key.accepted[0])
    return replace(prepared, framed=Head(best, int(np.nanargmax(values.value[best]))))


def how_many(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """How many heads of a layer count; heads too close to the line leave room."""
    assert question.layer is not None
    layer = find_layer(question.layer, lab)
    values = measured(question, lab)
    heads = [Head(layer, head) for head in range(lab.n_heads)]
    count, surely, possibly = (int(x) for x in values.count(heads))
    options = tuple(Option(str(n), heads_text(n)) for n in range(lab.n_heads + 1))
    near = sorted(range(surely, possibly + 1), key=lambda n: (abs(n - count), n))
    text = heads_text(count)
    if surely != possibly:
        text += f"; anything from {surely} to {possibly}, since some lie too close to the line"
    passing = values.passes_at[layer]
    key = _key(
        options,
        [options[n] for n in near],
        text,
        score=float(count),
        figures={"score": str(count), "passing": number(float(np.nanmin(passing)))},
    )
    return PreparedQuestion(
        question,
        question.ask,
        True,
        options=options,
        key=key,
        hidden=tuple(heads),
        heads=tuple(heads),
        measured={str(head): values.at(head) for head in heads if not np.isnan(values.value[head])},
    )


def which_of_two(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """Which of two heads has the larger value."""
    assert question.heads is not None
    heads = [find_head(name, question.text, lab) for name in question.heads]
    if heads[0] == heads[1]:
        raise CannotTell(f"In {lab.model_name} one head plays both roles: {heads[0]}.")
    values = measured(question, lab)
    options = [Option(str(head), str(head)) for head in heads]
    prepared = _arg_max(
        question,
        options,
        [np.array([array[head] for head in heads]) for array in values.bounds],
        hidden=heads,
    )
    figures = {
        "a": str(heads[0]),
        "b": str(heads[1]),
        "a_score": number(values.value[heads[0]]),
        "b_score": number(values.value[heads[1]]),
    }
    assert prepared.key is not None
    key = replace(prepared.key, figures={**prepared.key.figures, **figures})
    return replace(prepared, key=key)


def which_model(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """Which of two models has the stronger or more heads."""
    profiles = lab.profile(), lab.second_profile()
    values = [profile_values(profile, str(question.behaviour)) for profile in profiles]
    found = np.array([_of_model(each, question.by) for each in values])
    names = [profile.model_name for profile in profiles]
    if names[0] == names[1]:
        names = [f"{names[0]} (open)", f"{names[1]} (second)"]
    options = [Option(value, name) for value, name in zip(("open", "second"), names, strict=True)]
    prepared = _arg_max(question, options, list(found.T), hidden=())
    show = whole if question.by == "count" else number
    figures = {"a": names[0], "b": names[1]}
    figures |= {"a_score": show(found[0][0]), "b_score": show(found[1][0])}
    assert prepared.key is not None
    key = replace(prepared.key, figures={**prepared.key.figures, **figures})
    return replace(prepared, key=key)


def _of_model(values: Values, by: str) -> Bounds:
    """A model's strongest head, or the number or share of its heads that count."""
    heads = [Head(*map(int, place)) for place in np.argwhere(~np.isnan(values.value))]
    if by == "strongest":
        value, low, high = (float(np.nanmax(array)) for array in values.bounds)
        return value, low, high
    value, low, high = values.count(heads)
    per = 1 if by == "count" else len(heads)
    return value / per, low / per, high / per


def which_shape(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The shape of one head's picture on a text."""
    head = find_head(str(question.head), question.text, lab)
    hint = lab.reading(question.text).hint(head.layer, head.head)
    near = possible_shapes(hint)
    options = tuple(Option(name, name) for name in (*SHAPES.values(), "diffuse", "mixed"))
    figure = hint.entropy if hint.shape == "diffuse" else max(hint.shares.values())
    shares = ", ".join(f"{SHAPES[key]} {share:.0%}" for key, share in hint.shares.items())
    key = _key(
        options,
        [Option(name, name) for name in near],
        f"{hint.shape} ({shares}; evenness {hint.entropy:.2f})",
        score=float(figure),
        figures={"score": number(figure)},
    )
    return PreparedQuestion(
        question,
        question.ask,
        True,
        options=options,
        key=key,
        hidden=(head,),
        heads=(head,),
        measured={SHAPES[k]: (float(s), float(s), float(s)) for k, s in hint.shares.items()},
    )


def which_token(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """The token that one head looks at most from another token."""
    head = find_head(str(question.head), question.text, lab)
    reading = lab.reading(question.text)
    query = query_position(question, lab)
    row = reading.pattern(*head)[: query + 1, : query + 1].astype(float)
    value = row[query]
    if question.without_first:
        rest, left = without_first(row)
        value = rest[query]
        value[0] = np.nan
        if not left[query] >= MIN_MARGIN:
            raise CannotTell(
                f"{head} leaves only {left[query]:.1%} of its attention for other tokens than the "
                "first."
            )
    options = [Option(str(k), token_words(reading, k)) for k in range(query + 1)]
    return _arg_max(question, options, [value, value - HALF, value + HALF], hidden=[head])


def what_if(question: Question, lab: MeasurementContext) -> PreparedQuestion:
    """How much a value changes without some heads, as one of a few sizes."""
    effect = removal_effect(question, lab)
    near = possible_sizes(effect.ratio, MIN_MARGIN)
    limits = [size.least for size in SIZES if size.least > 0]
    show = percent if question.measure == PROBABILITY else number
    before, after = show(effect.before), show(effect.after)
    is_close = f"; so near its limit that “{near[1].name}” counts too" if len(near) > 1 else ""
    key = Key(
        accepted=tuple(size.name for size in near),
        text=f"{near[0].name} (from {before} to {after}: {number(effect.ratio)} times as much"
        f"{is_close})",
        graded=True,
        score=effect.ratio,
        margin=min(abs(effect.ratio - limit) for limit in limits),
        figures={
            "answer": near[0].name,
            "score": number(effect.ratio),
            "ratio": number(effect.ratio),
            "before": before,
            "after": after,
            "beyond": f"{effect.beyond:.0%}" if np.isfinite(effect.beyond) else "no share",
            "removed": heads_named(effect.removed),
            "token": quoted(effect.watched),
            "watched": effect.watched,
        },
    )
    return PreparedQuestion(
        question,
        question.ask,
        True,
        options=tuple(Option(size.name, size.name) for size in SIZES),
        key=key,
        heads=effect.removed,
        measured={
            name: (value, value, value)
            for name, value in (("before", effect.before), ("after", effect.after))
        },
    )


def _arg_max(
    question: Question,
    options: Sequence[Option],
    arrays: Sequence[np.ndarray],
    hidden: Sequence[Head],
) -> PreparedQuestion:
    """The option with the largest value; those whose bounds reach its own are accepted beside it.

    ``arrays`` are values, lower and upper bounds, one for each option; NaN is never an answer.
    """
    value, low, high = arrays
    if np.isnan(value).all():
        raise CannotTell("None of these could be measured here.")
    order = [int(i) for i in np.argsort(-value, kind="stable") if not np.isnan(value[i])]
    best = order[0]
    near = [i for i in order if i == best or high[i] >= low[best]]
    others = [i for i in order if i not in near]
    show = whole if question.by == "count" else number
    texts = [f"{options[i].text} ({show(value[i])})" for i in order]
    figures = {"score": show(value[best])}
    if len(order) > 1:
        second = order[1]
        figures |= {
            "second": options[second].text,
            "second_score": show(value[second]),
            "margin": show(value[best] - value[second]),
        }
    key = _key(
        options,
        [options[i] for i in near],
        texts[0] + _too_close(texts[1 : len(near)]),
        score=float(value[best]),
        margin=float(value[best] - value[others[0]]) if others else None,
        figures=figures,
    )
    return PreparedQuestion(
        question,
        question.ask,
        True,
        options=tuple(options),
        key=key,
        hidden=tuple(hidden),
        heads=tuple(hidden),
        measured={
            option.value: (float(value[i]), float(low[i]), float(high[i]))
            for i, option in enumerate(options)
            if not np.isnan(value[i])
        },
    )


def _too_close(texts: Sequence[str]) -> str:
    more = ", …" if len(texts) > MAX_ACCEPTED else ""
    return f", too close to tell from {', '.join(texts[:MAX_ACCEPTED])}{more}" if texts else ""


def _key(
    options: Sequence[Option],
    near: Sequence[Option],
    text: str,
    score: float,
    figures: Mapping[str, str],
    margin: float | None = None,
) -> Key:
    """The key, ungraded if more answers lie too close than can fairly be called right."""
    graded = len(near) <= min(MAX_ACCEPTED, max(1, len(options) // 3))
    named = ", ".join(option.text for option in near[:MAX_ACCEPTED])
    more = "" if len(near) <= MAX_ACCEPTED else f" and {len(near) - MAX_ACCEPTED} more"
    return Key(
        accepted=tuple(option.value for option in near),
        text=text,
        graded=graded,
        why="" if graded else f"{len(near)} answers lie too close to each other: {named}{more}.",
        score=score,
        margin=margin,
        figures={"answer": near[0].text, **figures},
    )
