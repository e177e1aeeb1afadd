"""The Detector page: where a head of your own kind would look, which heads do, and a file of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from headlab.behaviours import behaviours
from headlab.behaviours.detector import MOST_BACK, PARTS, Detector, fitting_parts
from headlab.errors import HeadlabError
from headlab.figures import position_names
from headlab.measuring.detecting import Detection, detect
from headlab.measuring.reading import Reading
from headlab.measuring.scoring import token_codes
from headlab.profiles.profile import Profile
from headlab.ui.components.paint import paint
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import ChosenText, get_position_control, ready_profile
from headlab.ui.services.selection import Selection
from headlab.ui.services.start_page import guarded
from headlab.ui.views.words import plain

PAINTED, RULE = "What I painted", "A rule"
CELLS = "painted cells"
BACK, PLACES, WORDS, FROM = (f"detector {part}" for part in ("back", "places", "words", "from"))
UNNAMED = "my_detector"
NAME, WAY = "detector name", "detector way"
MOST_TOKENS = 40
SHOWN = 8
SAME = 0.1  # of a score: a head that loses less by shuffling goes by position


@st.fragment
def detector_view(selection: Selection, chosen: ChosenText, reading: Reading) -> None:
    """Paint or put together, and see at once which heads look there; only this reruns then."""
    with guarded():
        _draw(selection, chosen, reading)


def _draw(selection: Selection, chosen: ChosenText, reading: Reading) -> None:
    if len(reading.tokens) > MOST_TOKENS:
        st.info(
            f"This text has {len(reading.tokens)} tokens, and up to {MOST_TOKENS} can be painted: "
            "choose a shorter one above."
        )
        return
    left, right = st.columns([3, 2], gap="medium")
    with right:
        st.session_state.setdefault(WAY, PAINTED)
        way = st.segmented_control(
            "A head is to look at",
            [PAINTED, RULE],
            required=True,
            key=WAY,
            persist_state="session",
        )
        rule = rule_of_parts() if way == RULE else None
    painted = painted_cells(reading)
    ruled = np.zeros_like(painted)
    if rule is not None:
        ruled = rule.targets(token_codes(reading.tokens), reading.token_texts)
    with left:
        paint(
            position_names(reading.token_texts),
            painted,
            ruled,
            lambda cells: st.session_state.update({CELLS: (about(reading), cells)}),
        )
        st.caption(
            "Press or drag over cells: from the row's token a head is to look at the column's. "
            "Orange is painted, a blue frame is what a rule asks for."
        )
    with right:
        found = found_heads(reading, rule if way == RULE else painted)
        if found is None:
            return
        matching(found, ready_profile(selection))
        more_than_position(selection, chosen, found)
        if way == PAINTED:
            rules_for(reading, painted)
        elif rule is not None:
            save(rule)


def about(reading: Reading) -> tuple[str, str, int | None]:
    """What painted cells belong to."""
    return reading.model_name, reading.text, reading.start_token


def painted_cells(reading: Reading) -> np.ndarray:
    """The cells painted on this text, [query, key]; none on a new one."""
    cells = np.zeros((len(reading.tokens),) * 2, dtype=bool)
    owner, places = st.session_state.get(CELLS, (None, []))
    if owner == about(reading):
        for query, key in places:
            cells[query, key] = True
    return cells


def rule_of_parts() -> Detector | None:
    """The rule that the parts chosen make; None, with a hint, while there is none."""
    back = st.multiselect(
        "So many tokens back",
        range(MOST_BACK + 1),
        format_func=lambda n: "0: itself" if n == 0 else str(n),
        key=BACK,
        persist_state="session",
        select_all=False,
        placeholder="none",
    )
    places = st.multiselect(
        "Or at",
        list(PARTS),
        format_func=PARTS.get,
        key=PLACES,
        persist_state="session",
        select_all=False,
        placeholder="nothing else",
    )
    words = st.text_input(
        "Or at these words", key=WORDS, persist_state="session", placeholder="he, she, it"
    )
    only = st.text_input(
        "Only from these words", key=FROM, persist_state="session", placeholder="any word"
    )
    lists = [
        tuple(w.strip() for w in (given or "").split(",") if w.strip()) for given in (words, only)
    ]
    if not back and not places and not lists[0]:
        st.info("Choose at least one part that says where to look.")
        return None
    try:
        return Detector(
            UNNAMED,
            back=tuple(back),
            same="same" in places,
            after_same="after_same" in places,
            punctuation="punctuation" in places,
            first="first" in places,
            words=_listed(words),
            from_words=_listed(only),
        )
    except HeadlabError as error:
        st.error(str(error))
        return None


def _listed(words: str | None) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(word.strip() for word in (words or "").split(",") if word.strip())


def found_heads(reading: Reading, asked: Detector | np.ndarray | None) -> Detection | None:
    """Every head on what is asked for; None, with a hint, where nothing is."""
    if asked is None:
        return None
    if isinstance(asked, np.ndarray) and not asked.any():
        st.info("Paint a cell: where should a head look, and from where?")
        return None
    try:
        return detect(reading, asked)
    except HeadlabError as error:
        st.info(str(error))
        return None


def matching(found: Detection, profile: Profile | None) -> None:
    """The heads that look there most."""
    rows = f"{found.rows} row{'s' * (found.rows > 1)}"
    st.markdown(
        f"**Heads that look there most** ({rows}; even attention would give {found.chance:.0%})"
    )
    for row in found.to_frame().head(SHOWN).itertuples():
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            label = "" if profile is None else f" ({profile.label_text(row.layer, row.head)})"
            page_link(
                "Head", label=f"{row.name}: {row.score:.0%}{label}", layer=row.layer, head=row.head
            )


def more_than_position(selection: Selection, chosen: ChosenText, found: Detection) -> None:
    """The same cells with the words in another order, and in a network that learned nothing."""
    if not st.toggle("Is it more than position?", help="Reads the words in other orders."):
        return
    shuffled, random = get_position_control(selection, chosen, found.cells)
    best = found.to_frame().head(SHOWN)
    scores = [float(shuffled[row.layer, row.head]) for row in best.itertuples()]
    st.dataframe(
        pd.DataFrame(
            {
                "head": best["name"],
                "here": best["score"],
                "words shuffled": scores,
                "goes by": [
                    "position" if here - there < SAME else "what the words are"
                    for here, there in zip(best["score"], scores, strict=True)
                ],
            }
        ),
        hide_index=True,
        alt="The same cells with the words in another order",
        column_config={
            name: st.column_config.NumberColumn(format="percent")
            for name in ("here", "words shuffled")
        },
    )
    st.caption(
        f"Of as many heads with random weights the best looks there with {random.max():.0%}."
    )


def rules_for(reading: Reading, painted: np.ndarray) -> None:
    """Rules of one part that ask for what was painted, to take over."""
    fitting = fitting_parts(painted, token_codes(reading.tokens), reading.token_texts)
    if not fitting:
        return
    st.markdown("**A rule for what you painted?**")
    for rule, covers, only in fitting[:3]:
        st.button(
            f"{rule.parts[0]}: {covers:.0%} of yours, {only:.0%} of its own",
            key=f"take {rule.parts[0]}",
            help="The share of your cells that it asks for, and of its cells that you painted.",
            on_click=_take,
            args=(rule,),
        )


def _take(rule: Detector) -> None:
    places = [part for part in PARTS if getattr(rule, part)]
    st.session_state.update({WAY: RULE, BACK: list(rule.back), PLACES: places, WORDS: "", FROM: ""})


def save(rule: Detector) -> None:
    """A name, and the file that makes a behaviour of it."""
    name = st.text_input(
        "Its name", key=NAME, persist_state="session", placeholder=UNNAMED, max_chars=40
    )
    rule = replace(rule, name=(name or UNNAMED).strip())
    if rule.name in behaviours():
        st.info(f"There is a behaviour {plain(rule.name)} already: give yours another name.")
        return
    st.download_button(
        "Save as a behaviour",
        rule.source(),
        f"{rule.name}.py",
        "text/x-python",
        help="Put it into a folder and start headlab with HEADLAB_BEHAVIOURS=that folder: every "
        "head is then scored on it, and sheets and reports can use it.",
    )
