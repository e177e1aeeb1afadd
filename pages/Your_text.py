"""Which heads are active on a text, which stay quiet, and what would have to change."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import numpy as np
import streamlit as st

from headlab.behaviours import Behaviour, get_behaviour
from headlab.exercises.guided import guided_texts
from headlab.figures import position_names
from headlab.heads import Head
from headlab.measuring.reading import ACTIVE, CANNOT, QUIET, TOO_LITTLE, Reading
from headlab.models.tokens import tokenise
from headlab.profiles.profile import Profile
from headlab.ui.services import state
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import ChosenText, get_profile, get_reading
from headlab.ui.services.selection import OWN, Selection
from headlab.ui.services.sharing import model_of
from headlab.ui.services.start_page import page_header, start_page
from headlab.ui.services.state import OWN_TEXT
from headlab.ui.views.going_on import ask_about_words, go_on, say_what_is_written
from headlab.ui.views.passport import CIRCLES
from headlab.ui.views.text_choice import (
    TYPED,
    copy_link,
    mark,
    marked_pairs,
    say_how_read,
    text_chosen,
)

UNSEEN = "not seen on one text"
ORDER = (ACTIVE, QUIET, TOO_LITTLE, CANNOT, UNSEEN)
SHOWN = 2  # heads of each behaviour

HOW = """Each row is one **behaviour**, a named way of attending, and the two heads that show it
most on this text. A bar is the share of a head's attention on the places that the behaviour asks
for; the line across it is where a head counts as **active** here: half of what it takes in general,
and all of it for what heads do at rest (first token, diffuse).

● active · ⊙ active, on one or two places only · ○ quiet · ◌ too little to tell · – cannot be
triggered by this text"""


def text_box(selection: Selection) -> ChosenText | None:
    """The text in a box, texts to try, and what is read: a guided text or the learner's own."""
    texts = guided_texts()
    shown = state.own_text() if selection.is_own_text else texts[selection.text_name].text
    state.empty_for((selection.text_name, shown), {TYPED: shown})
    # said anew in every run: the browser may never have heard of a run that was cut off
    st.session_state[TYPED] = st.session_state.get(TYPED, shown)

    def read() -> None:
        typed = st.session_state[TYPED]
        same = next((text.name for text in texts.values() if text.text == typed), None)
        if same is None:
            st.session_state[OWN_TEXT] = typed
        state.change(text_name=same or OWN)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_area("Text", key=TYPED, height=70, on_change=read, width="stretch")
        st.button("Read", type="primary", on_click=read)
        st.toggle(
            "Start token",
            help="A token put before every text. Many heads rest on it.",
            **state.bound("start_token", selection.start_token),
        )
        say_how_read(selection)
    offered = {OWN: "Your own text"} if state.own_text() else {}
    offered |= {name: text.title for name, text in texts.items()}
    st.pills(
        "Try one of these",
        list(offered),
        wrap=False,  # on a phone they would fill the first screen
        format_func=lambda name: offered[name],
        **state.bound(
            "text_name",
            selection.text_name if selection.text_name in offered else None,
            lambda name: {"text_name": name or selection.text_name},
        ),
    )
    if not shown.strip():
        st.info("Write a sentence or two into the box, then press Read.")
        return None
    return text_chosen(selection)


def status_of(reading: Reading, name: str) -> str:
    """A behaviour's status on the text: active if any head is."""
    if name not in reading.scores:
        return UNSEEN
    found = set(reading.status[name].ravel())
    return next(status for status in ORDER if status in found)


def behaviour_row(selection: Selection, reading: Reading, profile: Profile, name: str) -> None:
    """One behaviour in a line: mark, its two best heads here, why, and what would change it."""
    about, status = get_behaviour(name), status_of(reading, name)
    circle = "⊙" if status == ACTIVE and reading.is_thin(name) else CIRCLES.get(status, "–")
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"row {name}"):
        if status == ACTIVE:
            st.markdown(f"**{circle} {about.title}**", width=170)
        else:
            st.caption(f"{circle} **{about.title}**: {status}", width=300)
        for head in best_here(reading, name):
            with st.container(horizontal=True, vertical_alignment="center", gap=None, width=206):
                with st.container(width=98):
                    page_link("Head", str(head), layer=head.layer, head=head.head, behaviour=name)
                st.html(bar(reading, name, head), width=104)
        st.caption(why(reading, profile, about, status))
        if status != ACTIVE:
            suggest(selection, about)


def best_here(reading: Reading, name: str) -> list[Head]:
    """The heads with the highest value on the text, where it can be measured."""
    if name not in reading.scores or reading.rows[name] == 0:
        return []
    value = np.nan_to_num(reading.value(name), nan=-np.inf)
    order = np.argsort(-value, axis=None, kind="stable")[:SHOWN]
    return [Head(*map(int, np.unravel_index(index, value.shape))) for index in order]


def bar(reading: Reading, name: str, head: Head) -> str:
    """A head's score here as a bar with its figure, and a line from where it counts as active."""
    about, score = get_behaviour(name), float(reading.scores[name][head])
    needed = about.active_from
    if about.scale == "excess":
        chance = float(reading.chance[name][head])
        needed = chance + needed * (1 - chance)
    kind = "bar active" if reading.status[name][head] == ACTIVE else "bar"
    says = f"{score:.2f} here, active from {needed:.2f} on"
    return (
        f'<div class="{kind}" role="img" aria-label="{says}">'
        f'<i style="width:{100 * score:.0f}%"></i><b style="left:{100 * needed:.0f}%"></b>'
        f"<span>{score:.2f}</span></div>"
    )


def why(reading: Reading, profile: Profile, about: Behaviour, status: str) -> str:
    """What the verdict rests on."""
    if status in (UNSEEN, CANNOT):
        return f"It needs {about.asks}."
    places = count(reading.rows[about.name], "place")
    if status == TOO_LITTLE:
        return f"This text gives {places} to look, and {about.min_rows} are needed."
    if status == QUIET:
        return f"This text gives {places} to look, and no head takes the occasion."
    active = reading.status[about.name] == ACTIVE
    known = [Head.parse(top["head"]) for top in profile.top_heads[about.name]]
    awake = sum(bool(active[head]) for head in known)
    found = f"{count(int(active.sum()), 'head')} active"
    thin = f" here, on {places} only" if reading.is_thin(about.name) else ""
    if not known:
        return f"{found}{thin}, none of them known for it"
    return f"{found}{thin}, {awake} of the {len(known)} best known for it"


def count(number: int, thing: str) -> str:
    """Such as "1 head" or "12 heads"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def suggest(selection: Selection, about: Behaviour) -> None:
    """A change to the text that could wake the behaviour; nothing that was typed is lost."""
    if about.example is None:
        return
    guided = next((text for text in guided_texts().values() if text.text == about.example), None)
    if guided is not None:
        words = f"Load “{guided.title}”"
    else:
        words = f"{'Add' if selection.is_own_text else 'Try'}: {about.example}"

    def wake() -> None:
        if guided is not None:
            state.change(text_name=guided.name)
            return
        own = f"{state.own_text()} " if selection.is_own_text else ""
        st.session_state[OWN_TEXT] = own + str(about.example)
        state.change(text_name=OWN)

    st.button(words, key=f"wake {about.name}", on_click=wake, type="tertiary")


def mark_facts(selection: Selection, text: str) -> None:
    """Pairs of entity and attribute, marked by clicking tokens, for retrieval."""
    with st.expander("Mark facts, to see retrieval"):
        st.markdown(
            "**Retrieval** asks for one of several facts. Write a few facts and then a question "
            "in other words, such as *Maria lives in Oslo. Tom lives in Lima. The home of Maria "
            "is*. Mark each fact: the tokens of the **entity** (*Maria*) and those of its "
            "**attribute** (*Oslo*). The entity mentioned last is the one asked for."
        )
        _, token_texts = tokenise(model_of(selection), text, None)
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
        pairs = marked_pairs(selection)

        def add() -> None:
            entity, attribute = (tuple(sorted(st.session_state[key])) for key in keys)
            mark(selection, [*pairs, (entity, attribute)])
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
                args=(selection, [*pairs[:index], *pairs[index + 1 :]]),
            )


with start_page("Your text") as selection:
    page_header(selection, "Which heads are active on your text?", HOW)
    chosen = text_box(selection)
    if chosen is not None:
        reading, profile = get_reading(selection, chosen), get_profile(selection)
        with st.container(key="active heads", gap=None):
            order = sorted(
                profile.behaviours, key=lambda name: ORDER.index(status_of(reading, name))
            )
            for name in order:
                behaviour_row(selection, reading, profile, name)
        say_what_is_written(chosen.text)
        with st.expander("Let the model go on with the text"):
            go_on(selection, chosen)
        with st.expander("Ask about a word: why it, and what if it were another"):
            ask_about_words(selection, chosen, reading)
        if selection.is_own_text:
            mark_facts(selection, chosen.text)
            copy_link(selection)
