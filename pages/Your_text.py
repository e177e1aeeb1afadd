"""Which of the model's known heads wake on a text, which stay quiet, and which never could."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

from collections.abc import Sequence

import numpy as np
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.exercises.guided import guided_texts
from headlab.figures import position_names
from headlab.heads import Head
from headlab.measuring.reading import ACTIVE, CANNOT, QUIET, TOO_LITTLE, Reading
from headlab.models.tokens import tokenise
from headlab.profiles.profile import Profile
from headlab.ui.services import state
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import get_model, get_profile, get_reading
from headlab.ui.services.start_page import start_page
from headlab.ui.services.state import OWN, OWN_TEXT, Selection
from headlab.ui.views.passport import CIRCLES
from headlab.ui.views.text_choice import choose_text, mark, marked_pairs


def behaviour_card(selection: Selection, reading: Reading, profile: Profile, name: str) -> None:
    """One behaviour: its known heads with bars for this text, or why the text cannot show it."""
    about = get_behaviour(name)
    known = [Head.parse(top["head"]) for top in profile.top_heads[name]]
    with st.container(border=True):
        if name not in reading.scores:
            st.markdown(f"**– {about.title}**  \n{about.summary}")
            st.caption(f"Not seen on one text: it needs {about.asks}.")
        else:
            status = status_of(reading, name, known)
            st.markdown(f"**{CIRCLES[status]} {about.title}**: {status}  \n{about.summary}")
            if status == CANNOT:
                st.info(f"It needs {about.asks}.")
                suggest(selection, name)
            elif status == TOO_LITTLE:
                rows = reading.rows[name]
                places = "place" if rows == 1 else "places"
                st.caption(f"This text gives {rows} {places} to look; three are needed to tell.")
        if not known:
            st.caption(f"No head of {profile.model_name} is known for it.")
        for head in sorted(known, key=lambda head: -here(reading, name, head)):
            head_row(reading, profile, name, head)


def status_of(reading: Reading, name: str, known: Sequence[Head]) -> str:
    """The behaviour's own status: active if one of its known heads is."""
    found = {str(reading.status[name][head]) for head in known or [Head(0, 0)]}
    return next(status for status in (ACTIVE, QUIET, TOO_LITTLE, CANNOT) if status in found)


def here(reading: Reading, name: str, head: Head) -> float:
    """The score on this text; 0 where it cannot be tested, for sorting only."""
    return float(np.nan_to_num(reading.scores[name][head])) if name in reading.scores else 0.0


def head_row(reading: Reading, profile: Profile, name: str, head: Head) -> None:
    """A head as a link, and its score on this text as a bar."""
    link, bar = st.columns([1, 3], vertical_alignment="center")
    general = f"{profile.score[name][head]:.2f} in general"
    with link:
        page_link("Head", label=str(head), layer=head.layer, head=head.head, behaviour=name)
    if name not in reading.scores or reading.rows[name] == 0:
        bar.caption(general)
        return
    score = here(reading, name, head)
    circle = CIRCLES[str(reading.status[name][head])]
    bar.progress(min(max(score, 0.0), 1.0), text=f"{circle} {score:.2f} here, {general}")


def suggest(selection: Selection, name: str) -> None:
    """A text that can show the behaviour: a guided one to load, or words to type."""
    example = get_behaviour(name).example
    if example is None:
        return
    guided = next((text for text in guided_texts().values() if text.text == example), None)
    if guided is not None:
        change, what = {"text_name": guided.name}, guided.title
    elif not state.own_text():
        change, what = {"text_name": OWN}, example
    else:  # what the learner typed is not overwritten
        st.caption(f"For example: {example}")
        return

    def load() -> None:
        if guided is None:
            st.session_state[OWN_TEXT] = example
        state.change(**change)

    st.button(f"Load “{what}”", key=f"load for {name}", on_click=load)


def mark_facts(selection: Selection, text: str) -> None:
    """Pairs of entity and attribute, marked by clicking tokens, for retrieval."""
    with st.expander("Mark facts, to see retrieval"):
        st.markdown(
            "**Retrieval** asks for one of several facts. Write a few facts and then a question "
            "in other words, such as *Maria lives in Oslo. Tom lives in Lima. The home of Maria "
            "is*. Mark each fact: the tokens of the **entity** (*Maria*) and those of its "
            "**attribute** (*Oslo*). The entity mentioned last is the one asked for."
        )
        _, token_texts = tokenise(get_model(selection.model), text, None)
        names = position_names(token_texts)
        keys = ("entity tokens", "attribute tokens")
        state.empty_for((selection.model, text), {key: [] for key in keys})
        marked = [
            st.pills(
                part,
                range(len(names)),
                selection_mode="multi",
                format_func=lambda index: names[index],
                key=key,
            )
            for part, key in zip(("Entity", "Attribute"), keys, strict=True)
        ]
        pairs = marked_pairs(selection, text)

        def add() -> None:
            entity, attribute = (tuple(sorted(st.session_state[key])) for key in keys)
            mark(selection, text, [*pairs, (entity, attribute)])
            for key in keys:
                st.session_state[key] = []

        st.button("Add this fact", disabled=not all(marked), on_click=add)
        for index, (entity, attribute) in enumerate(pairs):
            words = ["".join(token_texts[k] for k in part).strip() for part in (entity, attribute)]
            left, right = st.columns([4, 1], vertical_alignment="center")
            left.text(f"{words[0]} – {words[1]}")
            right.button(
                "Remove",
                key=f"remove fact {index}",
                on_click=mark,
                args=(selection, text, [*pairs[:index], *pairs[index + 1 :]]),
            )


with start_page("Your text") as selection:
    st.title("What wakes on your text")
    st.markdown(
        "Heads that are known for a behaviour do not show it on every text: a head that continues "
        "repetitions has nothing to do where nothing repeats. Write a text, or change it by a "
        "word, and see who wakes."
    )
    chosen = choose_text(selection, lens=False)
    if chosen is not None:
        reading, profile = get_reading(selection, chosen), get_profile(selection)
        if selection.is_own_text:
            mark_facts(selection, chosen.text)
        st.markdown(
            f"{CIRCLES[ACTIVE]} active: at least half of the behaviour's threshold, over three "
            f"places to look or more · {CIRCLES[QUIET]} quiet · {CIRCLES[TOO_LITTLE]} too little "
            f"to tell · {CIRCLES[CANNOT]} cannot be triggered by this text. Bars are the share of "
            "attention on the places that the behaviour asks for."
        )
        for index in range(0, len(profile.behaviours), 2):
            for column, name in zip(
                st.columns(2), profile.behaviours[index : index + 2], strict=False
            ):
                with column:
                    behaviour_card(selection, reading, profile, name)
