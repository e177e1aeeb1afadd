"""The Circuit page: who tells a head where to look, and whether the heads collected do it alone."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from headlab.errors import HeadlabError
from headlab.exercises.effects import LEFT, size_of
from headlab.figures import NO_TOOLBAR, circuit_figure, model_policy, position_names
from headlab.files import CSV_NOTE, to_csv
from headlab.heads import Head
from headlab.interventions import with_word
from headlab.measuring.reading import Reading
from headlab.mechanisms import Edge, Faithfulness, Listener
from headlab.ui.services import state
from headlab.ui.services.collected import MAX_WORD, Collected
from headlab.ui.services.mechanisms import (
    get_composition,
    get_kept_alone,
    get_listeners,
    get_senders,
    has_circuit,
    where_collected,
)
from headlab.ui.services.navigation import open_page, page_link
from headlab.ui.services.results import ChosenText, policy
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of
from headlab.ui.views.why_there import cell
from headlab.ui.views.words import names_of, plain, quoted

WORDS = ("dog", "house", "day", "man", "John", "a", "not")  # to put in a word's place
GUESSES = 4  # heads to choose from
LISTENERS = 5
WIRED = 3
GUESSED = "guessed who tells it"
THROUGH = {"query": "through its queries", "key": "through its keys"}


def who_tells(
    selection: Selection, chosen: ChosenText, reading: Reading, head: Head, pattern: np.ndarray
) -> None:
    """One cell of the head's picture, one word changed, and the heads through which it arrives."""
    query, key = cell(selection, reading, head, pattern)
    names = position_names(reading.token_texts)
    other = other_text(selection, chosen, reading, query, key)
    if other is None:
        return
    edges = get_senders(selection, chosen, other.text, head, query, key)
    told = [edge for edge in edges if edge.counts]
    looks = f"from {quoted(names[query])} to {quoted(names[key])}"
    if not told:
        st.info(
            f"With this word changed, no earlier head alone tells {head} to look elsewhere than "
            "random messages of the same size do. Change another word, or choose another cell."
        )
        return
    if not guessed(reading, head, told, (query, key, other.text)):
        return
    st.markdown(
        f"{head} puts **{pattern[query, key]:.0%}** of its attention {looks}. What that becomes "
        "with one path into it patched, and by how much the **score**, query times key, changes:"
    )
    drawn, words = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with words:
        for edge in told:
            line(edge, float(pattern[query, key]), query, key)
        heard = who_listens(selection, chosen, other.text, head, names)
        wired = by_weights(selection, head)
    with drawn:
        graph(selection, reading, head, told, heard, wired)
    mine = Collected(
        where_collected(selection, chosen),
        query,
        key,
        *other.place,
        tuple(sorted({head, *(edge.sender for edge in told)})),
    )
    st.button(
        "Collect these heads as my circuit",
        icon=":material/add_circle:",
        help="Further down you see whether they do it alone.",
        on_click=collect,
        args=(mine,),
    )


@dataclass(frozen=True)
class Changed:
    """The text with one word changed, and the word at its place."""

    text: str
    place: tuple[int, str]


def other_text(
    selection: Selection, chosen: ChosenText, reading: Reading, query: int, key: int
) -> Changed | None:
    """The text with one word changed; None, with a sentence, where that is no single token."""
    model, start = model_of(selection), policy(selection.start_token)
    names = position_names(reading.token_texts)
    first = 1 if reading.start_token is not None else 0
    texts = reading.token_texts
    # where the key follows an earlier copy of the query, that copy is what the key was told of
    usual = key - 1 if key > first and texts[key - 1].strip() == texts[query].strip() else key
    left, right = st.columns(2)
    about = (reading.model_name, reading.text, reading.start_token, query, key)
    state.empty_for(about, {"changed word": max(usual, first)})
    at = left.selectbox(
        "The word that is changed",
        range(first, query + 1),
        format_func=lambda place: names[place],
        key="changed word",
    )

    def changed(word: str) -> str | None:
        try:
            text = with_word(model, chosen.text, at, word, start)
        except HeadlabError:
            return None
        return None if text == chosen.text else text

    usual_word = next((word for word in WORDS if changed(word)), "")
    state.empty_for((*about, at), {"changed to": usual_word})
    word = right.text_input("… becomes", key="changed to", max_chars=MAX_WORD).strip()
    if not word:
        st.info("Write a word to put in its place, one that is a single token for the model.")
        return None
    text = with_word(model, chosen.text, at, word, start)
    if text == chosen.text:
        st.info("That is the word that stands there: write another.")
        return None
    return Changed(text, (at, word))


def guessed(reading: Reading, head: Head, told: list[Edge], about: tuple[object, ...]) -> bool:
    """Ask which head matters most before it is shown; True once that is committed or declined."""
    case = (reading.model_name, reading.text, reading.start_token, head, *about)
    guesses = st.session_state.setdefault(GUESSED, {})
    best = told[0].sender
    if case in guesses:
        answer = guesses[case]
        if answer is not None:
            say = st.success if answer == str(best) else st.warning
            say(f"You said {answer}. The path that matters most begins at {best}.")
        return True
    rng = random.Random(str(case))
    senders = {edge.sender for edge in told}
    others = [
        other
        for layer in range(head.layer)
        for other in (Head(layer, at) for at in range(reading.n_heads))
        if other not in senders
    ]
    drawn = rng.sample(others, min(GUESSES - 1, len(others)))
    state.empty_for(case, {"circuit guess": None})
    st.markdown(f"**Predict first.** Which earlier head tells {head} most about where to look?")
    answer = st.pills(
        "Your prediction", [str(each) for each in sorted([best, *drawn])], key="circuit guess"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, kind, value in (
            ("Lock my prediction", "primary", answer),
            ("Show it without a prediction", "tertiary", None),
        ):
            if st.button(label, type=kind, disabled=kind == "primary" and answer is None):
                guesses[case] = value
                st.rerun()
    return False


def graph(
    selection: Selection,
    reading: Reading,
    head: Head,
    told: list[Edge],
    heard: list[Listener],
    wired: Sequence[Head] = (),
) -> None:
    """Senders, the head and, if asked for, those that listen to it; a press goes there."""
    figure = circuit_figure(head, told, heard, model_policy(reading), wired)
    pressed = st.plotly_chart(
        figure,
        key="circuit graph",
        on_select="rerun",
        selection_mode="points",
        config=NO_TOOLBAR,
        alt=f"{names_of(tuple(edge.sender for edge in told))} tell {head} where to look",
    )
    points = pressed.selection.points
    if points and (name := points[0].get("customdata")):
        to = Head.parse(str(name))
        if to != head:
            open_page("Circuit", layer=to.layer, head=to.head)


def line(edge: Edge, looks: float, query: int, key: int) -> None:
    """What one sender does, beside its control; its name goes on to who tells that head."""
    where = query if edge.into == "query" else key
    with st.container(horizontal=True, vertical_alignment="center"):
        page_link(
            "Circuit",
            label=f"{edge.sender}",
            layer=edge.sender.layer,
            head=edge.sender.head,
            token=where,
        )
        st.markdown(
            f"{THROUGH[edge.into]}: **{looks:.0%} → {edge.attention:.0%}**, score "
            f"{edge.change:+.1f} (random messages: {edge.controls.min():+.1f} to "
            f"{edge.controls.max():+.1f})"
        )


def by_weights(selection: Selection, head: Head) -> list[Head]:
    """The earlier heads whose output this one can read most, by the weights alone."""
    asked = st.toggle(
        "What do the weights alone suggest?",
        help="Earlier heads whose output its queries or keys can read most, whatever the text.",
    )
    if not asked:
        return []
    try:
        found = get_composition(selection)
    except HeadlabError as error:
        st.info(str(error))
        return []
    ways = pd.concat([found.into(head, through) for through in ("query", "key")])
    ways = ways.sort_values("excess", ascending=False).drop_duplicates("head").head(WIRED)
    named = ", ".join(f"{row.head} ({row.excess:+.1f})" for row in ways.itertuples())
    st.caption(
        f"Dotted: {named}, in standard deviations beyond random heads of the same strength. What a "
        "head can read is not yet what it does read on this text."
    )
    return [Head.parse(str(name)) for name in ways["head"]]


def only_heard(
    selection: Selection, chosen: ChosenText, reading: Reading, head: Head, pattern: np.ndarray
) -> None:
    """Who listens to a head that nobody tells where to look."""
    query, key = cell(selection, reading, head, pattern)
    other = other_text(selection, chosen, reading, query, key)
    if other is None:
        return
    names = position_names(reading.token_texts)
    drawn, words = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with words:
        heard = who_listens(selection, chosen, other.text, head, names)
    with drawn:
        graph(selection, reading, head, [], heard)


def who_listens(
    selection: Selection, chosen: ChosenText, other: str, head: Head, names: list[str]
) -> list[Listener]:
    """Later heads that look elsewhere when this one sends what it would on the changed text."""
    listens = st.toggle(
        "And who listens to it?",
        help="Later heads that look elsewhere when this head sends what it would on the changed "
        "text, more than for random messages of the same size.",
    )
    if not listens:
        return []
    try:
        every = get_listeners(selection, chosen, other, head)
    except HeadlabError as error:
        st.info(str(error))
        return []
    heard = [each for each in every if each.counts]
    if not heard:
        st.info(f"With this word changed, no later head hears more from {head} than from chance.")
    for each in heard[:LISTENERS]:
        with st.container(horizontal=True, vertical_alignment="center"):
            to = each.receiver
            page_link(
                "Circuit",
                label=f"{to}",
                layer=to.layer,
                head=to.head,
                token=each.query,
                key=each.key,
            )
            st.markdown(
                f"{THROUGH[each.into]}: from {quoted(names[each.query])} to "
                f"{quoted(names[each.key])} **{each.before:.0%} → {each.after:.0%}** (random "
                f"messages move at most {each.controls.max():.0%} of a row, this "
                f"{each.moved:.0%})"
            )
    if len(heard) > LISTENERS:
        st.caption(f"And {len(heard) - LISTENERS} more that move less.")
    return heard[:LISTENERS]


def collect(mine: Collected) -> None:
    """Begin a circuit, or add to the one of the same text and model; its end stays."""
    kept = state.current()[0].circuit
    if kept is not None and kept.where == mine.where:
        later = max(kept, mine, key=lambda each: each.end)
        mine = replace(later, heads=tuple(sorted({*kept.heads, *mine.heads})))
    state.change(circuit=mine)


def collected(selection: Selection, chosen: ChosenText, reading: Reading) -> None:
    """The heads collected, and how much of what the last of them does they carry alone."""
    mine = selection.circuit
    if mine is None:
        return
    st.subheader("My circuit", anchor=False)
    if not has_circuit(selection, chosen):
        st.info("Your circuit was collected on another text, model or start token: go back to it.")
        throw_away()
        return
    kept = st.pills(
        "Heads; press one to leave it out",
        [str(head) for head in mine.heads],
        selection_mode="multi",
        default=[str(head) for head in mine.heads],
        key=f"circuit heads {len(mine.heads)}",
    )
    heads = tuple(Head.parse(name) for name in kept)
    names = position_names(reading.token_texts)
    st.caption(
        f"What they are to do: {mine.end} looks from {quoted(names[mine.query])} to "
        f"{quoted(names[mine.key])} in “{plain(chosen.text[-60:])}”."
    )
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    said = left.pills(
        f"**Predict first.** Only these {len(heads)} heads are at work, all others write what "
        "they would on the changed text. How much of it is left?",
        [part.name for part in LEFT],
        key="circuit left",
    )
    with right:
        throw_away()
    if said is None or not heads:
        return
    what_is_left(get_kept_alone(selection, chosen, replace(mine, heads=heads), mine.end), said)
    page_link("Report", label="Put it into your report")


def throw_away() -> None:
    """The button that forgets the circuit."""
    st.button("Throw it away", type="tertiary", on_click=state.change, kwargs={"circuit": None})


def what_is_left(found: tuple[Faithfulness, ...], said: str) -> None:
    """Faithfulness and completeness under two ways of replacing, beside random heads."""
    score = found[0].score
    if np.isnan(score):
        st.info(
            f"All heads together change it by less than a hundredth ({found[0].whole:.3f} against "
            f"{found[0].none:.3f}), so there is nothing that a circuit could carry."
        )
        return
    outcome = size_of(score, LEFT).name
    say = st.success if outcome == said else st.warning
    say(
        f"You said: {said}. These heads alone keep **{_percent(score)}** of it (**faithfulness**: "
        "0 % with no head at work, 100 % with all)."
    )
    rows = []
    for each in found:
        drawn = each.random_scores
        rows.append(
            {
                "others replaced by": each.replaced_by,
                "these heads alone": _percent(each.score),
                "random heads alone": (
                    f"{_percent(drawn.min())} to {_percent(drawn.max())}"
                    if len(drawn)
                    else each.no_random
                ),
                "all but these heads": _percent(each.left),
            }
        )
    table = pd.DataFrame(rows)
    st.dataframe(table, hide_index=True, alt="How much is left")
    st.caption(
        "**All but these heads**: what the rest of the model does by itself; near 0 % nothing else "
        "does the job too. The two ways of replacing can disagree: more than 100 % or less than "
        "0 % says that the replaced heads pushed the other way."
    )
    whole = pd.concat(
        [each.to_frame().assign(replaced_by=each.replaced_by) for each in found],
        ignore_index=True,
    )
    st.download_button("Download as CSV", to_csv(whole), "circuit.csv", "text/csv", help=CSV_NOTE)


def _percent(share: float) -> str:
    """A share in words, never "-0%"."""
    return f"{round(share, 2) + 0.0:.0%}"
