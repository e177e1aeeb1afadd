"""The report: what was measured and what the learner made of it, as one file to hand in."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import urllib.parse
from dataclasses import replace

import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.exercises import Record
from headlab.files import CSV_NOTE
from headlab.heads import Head
from headlab.interventions import Intervention
from headlab.models.tokens import tokenise
from headlab.profiles.profile import Profile
from headlab.report import MAX_LINE, MAX_NOTES, REPORTED, SECTIONS, Given
from headlab.ui.services.draft import Draft, Measured, drafted, drafted_report, get_draft
from headlab.ui.services.effects import get_removal, get_sweep
from headlab.ui.services.learner import get_record
from headlab.ui.services.mechanisms import get_circuit, get_look, has_circuit
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import ChosenText, get_profile, ready_corpus
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of
from headlab.ui.services.start_page import guarded, page_header, start_page
from headlab.ui.views.removal import as_token, names_of
from headlab.ui.views.text_choice import choose_text, marked_pairs

HOW = """Everything measured on a text, with your notes and what you predicted, in **one file** that
opens anywhere and holds its own data. What you write is kept in this browser."""


def write(selection: Selection, chosen: ChosenText, record: Record, profile: Profile) -> None:
    """Everything that can be chosen and written; it is kept as it is typed."""
    left, middle, right = st.columns([2, 1, 1], vertical_alignment="bottom")
    left.text_input(
        "Title",
        placeholder=f"What attention heads do in {profile.model_name}",
        max_chars=MAX_LINE,
        **drafted("title"),
    )
    middle.text_input("Your name, if you like", max_chars=MAX_LINE, **drafted("name"))
    right.text_input("Course, if you like", max_chars=MAX_LINE, **drafted("course"))
    st.text_area(
        "Notes and conclusion",
        placeholder="What did you see, what surprised you, what do you conclude?",
        help="Markdown: # heading, *emphasis*, - list, | tables |. Pictures and markup are not "
        "taken in.",
        max_chars=MAX_NOTES,
        height=220,
        **drafted("notes"),
    )
    choose_causes(selection, chosen)
    if ready_corpus(selection) is not None:
        st.toggle(
            "The heads of the passports on ordinary text",
            help="The passages where they write most, as on the Head page, “Over a corpus”.",
            **drafted("corpus"),
        )
    draft = fitting(selection, chosen, get_draft(), record, profile)
    given, names = given_to(draft, record), head_names(profile)
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    available = [name for name, section in SECTIONS.items() if section.has(given)]
    left.multiselect(
        "Sections",
        available,
        select_all=False,
        format_func=lambda name: SECTIONS[name].title,
        placeholder="all of them",
        **drafted("sections", available),
    )
    middle.multiselect(
        "Passports of these heads",
        names,
        select_all=False,
        placeholder="the best ones",
        **drafted("heads", names),
    )
    right.multiselect(
        "Maps of these behaviours",
        profile.behaviours,
        select_all=False,
        format_func=lambda name: get_behaviour(name).title,
        placeholder="all of them",
        **drafted("behaviours", profile.behaviours),
    )
    for asked, name in (
        (given.removes, "interventions"),
        (given.explains, "mechanisms"),
        (given.corpus, "corpus"),
    ):
        if asked and draft.sections and name not in draft.sections:
            st.caption(f"Choose the section “{SECTIONS[name].title}” too, to have it in.")
    if not given.has_answers:
        st.caption("Once you have answered questions on the Predict page, they can stand here too.")
        page_link("Predict")


def choose_causes(selection: Selection, chosen: ChosenText) -> None:
    """What the report says about causes: nothing that has not been asked for."""
    if not model_of(selection).interventions:
        return
    if selection.removed:
        st.toggle(
            f"What happens without {names_of(selection.removed, 4)}",
            help="The heads chosen on the Cause page, removed together.",
            **drafted("without"),
        )
    else:
        page_link("Cause", label="Choose heads to remove, and report what happens")
    st.toggle(
        "What happens without each head",
        help="The text is read once for each head of the model, which takes a while on large ones.",
        **drafted("every"),
    )
    if selection.head is not None:
        st.toggle(
            f"Why {Head(selection.layer, selection.head)} looks where it does",
            help="The look chosen on the Head page, “Why there”, or its brightest one.",
            **drafted("why"),
        )
    if has_circuit(selection, chosen):
        st.toggle(
            "My circuit: who tells its last head, and is that all",
            help="The heads collected on the Circuit page.",
            **drafted("circuit"),
        )


def given_to(draft: Draft, record: Record) -> Given:
    """What there is for a report that is drafted like this (:func:`fitting`)."""
    removes, explains = draft.every or draft.without, draft.why or draft.circuit
    return Given(record, draft.notes, removes=removes, explains=explains, corpus=draft.corpus)


def head_names(profile: Profile) -> list[str]:
    """Every head of the model by its name."""
    return [str(Head(a, b)) for a in range(profile.n_layers) for b in range(profile.n_heads)]


def fitting(
    selection: Selection, chosen: ChosenText, draft: Draft, record: Record, profile: Profile
) -> Draft:
    """The draft without what this model, this text, these notes or this record do not have."""
    names, able = set(head_names(profile)), model_of(selection).interventions
    draft = replace(
        draft,
        without=draft.without and able and bool(selection.removed),
        every=draft.every and able,
        why=draft.why and able and selection.head is not None,
        corpus=draft.corpus and ready_corpus(selection) is not None,
        circuit=draft.circuit and able and has_circuit(selection, chosen),
        behaviours=tuple(name for name in draft.behaviours if name in profile.behaviours),
        heads=tuple(name for name in draft.heads if name in names),
    )
    given = given_to(draft, record)
    there = tuple(s for s in draft.sections if s in SECTIONS and SECTIONS[s].has(given))
    return replace(draft, sections=there)


def with_facts(selection: Selection, chosen: ChosenText) -> ChosenText:
    """The text with the learner's marked facts as words, which a report can name."""
    if chosen.spans is None:
        return chosen
    _, texts = tokenise(model_of(selection), chosen.text, None)
    words = [
        tuple("".join(texts[k] for k in part).strip() for part in pair)
        for pair in marked_pairs(selection)
    ]
    return ChosenText(chosen.text, tuple((entity, fact) for entity, fact in words))


def measured(selection: Selection, chosen: ChosenText, draft: Draft) -> Measured:
    """What the report says about causes, shared with the pages on which it was first asked."""
    interventions: tuple[Intervention, ...] = ()
    if draft.without:
        watch = as_token(selection.watch, chosen.text)
        interventions = tuple(get_removal(selection, chosen, mode, watch) for mode in REPORTED)
    why = [get_look(selection, chosen)] if draft.why else []
    told, kept = get_circuit(selection, chosen) if draft.circuit else ((), ())
    return Measured(
        interventions,
        get_sweep(selection, chosen.text, None) if draft.every else None,
        tuple(why),
        told,
        kept,
        ready_corpus(selection) if draft.corpus else None,
    )


def hand_out(selection: Selection, chosen: ChosenText, record: Record, profile: Profile) -> None:
    """The downloads and the preview."""
    draft = fitting(selection, chosen, get_draft(), record, profile)
    found = measured(selection, chosen, draft)
    drawn = drafted_report(selection, with_facts(selection, chosen), draft, record, found)
    page = drawn.html()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download the report (HTML)", drawn.html, "report.html", "text/html", type="primary"
        )
        st.download_button("Its data (JSON)", drawn.to_json, "report.json", "application/json")
        st.download_button(
            "Its scores (CSV)", drawn.to_csv, "report.csv", "text/csv", help=CSV_NOTE
        )
        st.toggle("Preview", value=True, key="report preview")
    st.caption(
        f"One file of {len(page.encode()) / 1e6:.1f} MB that needs no network. Every figure in it "
        "can be saved as SVG or PNG, here or in the file."
    )
    if st.session_state["report preview"]:
        # what a learner wrote is escaped, and the policy in the page runs no script but ours
        st.iframe(page, height=620, alt="Preview of the report")
        # st.iframe has asked urllib whether this is an address, and urllib keeps what it is asked
        urllib.parse.clear_cache()  # type: ignore[attr-defined]


with start_page("Report") as selection:
    page_header(selection, "Report", HOW)
    chosen = choose_text(selection, lens=False)
    if chosen is not None:
        record, profile = get_record(), get_profile(selection)
        form, result = st.columns([2, 3], gap="medium")
        with form:
            write(selection, chosen, record, profile)
        with result, guarded():
            hand_out(selection, chosen, record, profile)
