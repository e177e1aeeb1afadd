"""What was measured beside what was predicted: pictures, figures, and the verdict."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from headlab.exercises import (
    PreparedQuestion,
    Text,
    grade,
)
from headlab.exercises.effects import SIZES
from headlab.exercises.format import PROBABILITY, TOLD
from headlab.exercises.kinds import get_kind
from headlab.exercises.measures import MEASURES
from headlab.exercises.prepared import RIGHT, WRONG
from headlab.figures import (
    NO_TOOLBAR,
    model_policy,
    pattern_figure,
    prediction_figure,
    removal_figure,
)
from headlab.heads import Head
from headlab.languages import gettext as _
from headlab.report.dashboards import row_html
from headlab.ui.components.head_grid import GridView, head_grid
from headlab.ui.services.learner import get_lab
from headlab.ui.services.results import ChosenText, get_pictures, get_reading
from headlab.ui.services.selection import Selection
from headlab.ui.services.speaking import speak_on
from headlab.ui.services.start_page import guarded
from headlab.ui.views.words import plain

MAX_BARS = 12


def reveal(
    selection: Selection,
    prepared: PreparedQuestion,
    value: str,
    part: str,
    hidden: Sequence[Head] = (),
) -> None:
    """The pictures, with the prediction over them; ``hidden`` ones are still asked about."""
    answers = get_kind(prepared.question.kind).answers
    passages(prepared, uncovered=True)
    predicted = [Head.parse(value)] if answers == "head" else []
    marked = [*predicted, *prepared.counted]
    lines = []
    if prepared.framed is not None:
        framed = _("The framed picture is that of {head}.")
        lines.append(framed.format(head=f"**{prepared.framed}**"))
    if predicted:
        lines.append(_("◆ marks your prediction, {head}.").format(head=f"**{value}**"))
    elif marked:
        lines.append(_("◆ marks the heads that count."))
    if hidden:
        lines.append(_("Pictures marked “?” are asked about in a later question."))
    if answers == "size":
        before_and_after(selection, prepared, value, part)
    if prepared.framed is not None and prepared.query is not None:
        large_picture(selection, prepared, value, part)
    if lines:
        st.markdown(" ".join(lines))
    pictures(selection, prepared.question.text, hidden, marked, part)


def passages(prepared: PreparedQuestion, uncovered: bool = False) -> None:
    """The passages that a question shows: the framed token looks, the shaded ones are looked at.

    What is looked at in the one asked about is not sent before the answer (``uncovered``).
    """
    if prepared.passages:
        shown = range(len(prepared.passages))
        open_ones = [uncovered or at != prepared.covered for at in shown]
        st.html(
            "".join(
                row_html(row, keys=is_open)
                for row, is_open in zip(prepared.passages, open_ones, strict=True)
            )
        )


def before_and_after(
    selection: Selection, prepared: PreparedQuestion, value: str, key: str
) -> None:
    """What was watched with and without the removed heads, with the prediction over it."""
    assert prepared.key is not None
    figures = prepared.key.figures
    by_token = prepared.question.measure == PROBABILITY
    what = (
        _("probability of {token}").format(token=figures["token"])
        if by_token
        else _("score of {head}").format(head=figures["watched"])
    )
    before, after = (prepared.measured[name][0] for name in ("before", "after"))
    size = next(size for size in SIZES if size.name == value)
    figure = removal_figure(
        before,
        after,
        (size.least * before, size.limit * before),
        what,
        _("Without {heads}").format(heads=figures["removed"]),
        policy(selection),
    )
    st.plotly_chart(
        figure,
        key=f"removal {key}",
        config=NO_TOOLBAR,
        alt=_("{what} before and after").format(what=what),
    )
    st.caption(
        _(
            "{what}: from {before} to {after}. The orange frame is your prediction. The heads' "
            "outputs were replaced by their means over the probe sentences."
        ).format(what=what, before=figures["before"], after=figures["after"])
    )


def large_picture(selection: Selection, prepared: PreparedQuestion, value: str, key: str) -> None:
    """The framed head, with the place that was asked about or predicted outlined."""
    assert prepared.framed is not None and prepared.query is not None
    reading = get_lab(selection).reading(prepared.question.text)
    pattern = reading.pattern(*prepared.framed)
    is_prediction = get_kind(prepared.question.kind).answers == "token"
    outlined = np.zeros(pattern.shape, dtype=bool)
    outlined[prepared.query, [int(value)] if is_prediction else list(prepared.keys)] = True
    figure = pattern_figure(
        pattern, reading.token_texts, str(prepared.framed), policy(selection), outlined=outlined
    )
    st.plotly_chart(
        figure,
        key=f"picture {key}",
        config=NO_TOOLBAR,
        alt=_("Attention of head {head}").format(head=prepared.framed),
    )
    st.caption(
        _("The orange outline marks your prediction.")
        if is_prediction
        else _("The orange outline marks the place asked about.")
    )


def verdict(selection: Selection, prepared: PreparedQuestion, value: str, key: str) -> None:
    """What was measured, and what it makes of the prediction."""
    assert prepared.key is not None
    found = grade(prepared.key, value)
    draw = {RIGHT: st.success, WRONG: st.warning}.get(found.outcome, st.info)
    draw(found.sentence)
    if prepared.measured and get_kind(prepared.question.kind).answers != "size":
        with st.expander(_("The figures behind it")):
            measured_figures(selection, prepared, value, key)


def measured_figures(
    selection: Selection, prepared: PreparedQuestion, value: str, key: str
) -> None:
    """The largest measured values, and always those of the prediction and of the answer."""
    assert prepared.key is not None
    names = {option.value: option.text for option in prepared.options}
    largest = sorted(prepared.measured, key=lambda name: -prepared.measured[name][0])[:MAX_BARS]
    wanted = {*largest, *prepared.key.accepted, value}
    shown = [name for name in prepared.measured if name in wanted]
    middle, low, high = np.array([prepared.measured[name] for name in shown]).T
    texts = [names.get(name, name) + " ✓" * (name in prepared.key.accepted) for name in shown]
    predicted = next((text for text, name in zip(texts, shown, strict=True) if name == value), None)
    is_sampled = MEASURES[prepared.question.measure].sampled
    figure = prediction_figure(
        texts,
        middle,
        (low, high) if is_sampled else None,
        predicted,
        _("What was measured"),
        policy(selection),
    )
    st.plotly_chart(
        figure,
        config=NO_TOOLBAR,
        key=f"measured {key}",
        alt=_("Measured value of each answer"),
    )
    if is_sampled:
        how = _("The thin lines are 95 % intervals over the probe texts.")
    elif prepared.question.measure == TOLD:
        how = _("How far each message moves the score, query times key; near values count as tied.")
    else:
        how = _(
            "On one text these figures are exact; answers less than five points of a hundred "
            "apart count as tied."
        )
    st.caption(_("✓ counts as right.") + f" {how}")


@st.fragment
def pictures(
    selection: Selection,
    text: Text,
    hidden: Sequence[Head],
    marked: Sequence[Head],
    part: str,
) -> None:
    """The grid on a sheet's text, in one part of a step; it keeps its own layer and head."""
    speak_on()
    with guarded():
        lab = get_lab(selection)
        if len(hidden) == lab.n_layers * lab.n_heads:
            st.markdown(f"{plain(text.words)}")
            st.info(_("All pictures of this text are hidden until you have answered."))
            return
        plain_view = replace(selection, lens=False)
        chosen = ChosenText(text.words, text.facts)
        key = view_key(part)
        head_grid(
            get_reading(plain_view, chosen),
            get_pictures(plain_view, chosen),
            st.session_state.get(key) or GridView(0, None),
            highlight=marked,
            hidden=hidden,
            key=f"{part} grid",
            take=lambda view: st.session_state.update({key: view}),
        )


def view_key(part: str) -> str:
    """Where the session keeps the layer and head in view in one part of a step."""
    return f"{part} view"


def policy(selection: Selection) -> str:
    """Model and start token, which every figure names."""
    return model_policy(get_lab(selection))
