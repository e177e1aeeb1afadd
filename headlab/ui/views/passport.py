"""The passport of a head: what it does, how sure that is, and what of it shows on this text."""

from html import escape
from typing import Protocol

import numpy as np
import pandas as pd
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.evidence.ladder import evidence_ladder
from headlab.evidence.published import marks
from headlab.figures import position_names
from headlab.heads import Head
from headlab.measuring.budget import SHARES
from headlab.measuring.confidence import UNCLASSIFIED
from headlab.measuring.reading import CANNOT, Reading
from headlab.profiles.profile import Profile
from headlab.ui.services.effects import get_removals, ready_removals
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import ChosenText, get_eigenvalue_copying, get_written
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of
from headlab.ui.views.words import plain

STEPS = {"passed": "✓", "failed": "✗", "not measured": "?", "does not apply": "–"}
ALIKE = 0.9  # the least similarity of scores that is worth a link
NAMED = 0.15  # a share from which on the bar has room for its name
CIRCLES = {"active": "●", "quiet": "○", "too little to tell": "◌", CANNOT: "–"}


def passport(selection: Selection, reading: Reading, profile: Profile, head: Head) -> None:
    """Everything about a head, one below the other."""
    card(reading, profile, head)
    with st.expander("All scores"):
        all_scores(reading, profile, head)
    ladders(selection, reading, profile, head)


def card(reading: Reading, profile: Profile, head: Head) -> None:
    """What a head does, how sure that is, where it looks, and its roles as bars."""
    st.subheader(f"{head}: {profile.label_text(*head)}")
    st.markdown(f"**{profile.sentence(*head)}**")
    st.markdown(
        f"Label {profile.confidence_text(*head)} variants · margin "
        f"{profile.margin[head]:.2f} · on this text: {reading.hint(head.layer, head.head)}"
    )
    if profile.looks is not None:
        st.markdown(f"On ordinary sentences: {plain(profile.where_it_looks(*head))}.")
        st.html(budget_bar(profile.looks, head))
    st.html("".join(role_bar(reading, profile, head, name) for name in shown_roles(profile, head)))


def all_scores(reading: Reading, profile: Profile, head: Head) -> None:
    """Every behaviour, in general and on this text, and what the columns mean."""
    st.dataframe(
        behaviour_table(reading, profile, head),
        hide_index=True,
        height="content",
        alt=f"Behaviours of head {head} with score, interval, chance, confidence and margin",
    )
    st.markdown(
        "**Score**: mean share of attention on the places that the behaviour asks for, over "
        "our probe texts, 0 to 1. **Interval**: where the score lies in 95 % of 1,000 redraws "
        "of those texts. **Chance**: what even attention would score. **Confidence**: the "
        "share of redraws in which the head passes the behaviour's threshold. **Margin**: how "
        "far it lies above (+) or below (−) the threshold; blank: not measurable.\n\n"
        "The **label** is the first behaviour, in a fixed order, that passes its threshold. "
        "It is stable if the redraws keep it, and holds in those of four variants that keep "
        "it: start token toggled, other sentences, short texts, long texts.\n\n"
        "**On this text**: ● active, ○ quiet, ◌ too little to tell, – cannot be triggered by "
        "this text."
    )


def shown_roles(profile: Profile, head: Head) -> list[str]:
    """The behaviours that a head shows in general, the strongest first; else the nearest one."""
    margin = {
        name: float(profile.value(name)[head]) - get_behaviour(name).threshold
        for name in profile.behaviours
    }
    ranked = sorted((n for n in margin if not np.isnan(margin[n])), key=lambda n: -margin[n])
    passing = sorted(
        (name for name in ranked if margin[name] >= 0), key=lambda n: -profile.score[n][head]
    )
    return passing or ranked[:1]


class Budgeted(Protocol):
    """What knows where the attention of every head goes."""

    @property
    def value(self) -> dict[str, np.ndarray]: ...


def budget_bar(looks: Budgeted, head: Head) -> str:
    """Where the head's attention goes, as one bar of shares that sum to 1."""
    shares = {name: float(looks.value[name][head]) for name in SHARES}
    parts = "".join(
        f'<i class="s{number}" style="width:{100 * share:.1f}%" title="{SHARES[name]} {share:.0%}">'
        f"{SHARES[name] if share >= NAMED else ''}</i>"
        for number, (name, share) in enumerate(shares.items())
    )
    says = ", ".join(f"{SHARES[name]} {share:.0%}" for name, share in shares.items())
    return f'<div class="budget" role="img" aria-label="Attention goes to: {says}">{parts}</div>'


def role_bar(reading: Reading, profile: Profile, head: Head, name: str) -> str:
    """One behaviour in general: its score as a bar, with interval and threshold, and here."""
    about, score = get_behaviour(name), float(profile.score[name][head])
    needed, chance = about.threshold, float(profile.chance[name][head])
    if about.scale == "excess":
        needed = chance + needed * (1 - chance)
    low, high = float(profile.low[name][head]), float(profile.high[name][head])
    kind = "bar active" if score >= needed else "bar"
    between = "" if np.isnan(low) else f", between {low:.2f} and {high:.2f} in 95 % of redraws"
    line = (
        ""
        if np.isnan(low)
        else f'<u style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></u>'
    )
    here = escape(on_this_text(reading, name, head))
    says = f"{about.title}: {score:.2f}{between}; it counts from {needed:.2f} on"
    return (
        f'<div class="role"><span>{about.title}</span>'
        f'<div class="{kind}" role="img" aria-label="{says}" title="{says}">'
        f'<i style="width:{100 * score:.1f}%"></i>{line}<b style="left:{100 * needed:.1f}%"></b>'
        f'<span>{score:.2f}</span></div><span title="{here}">{here.partition(":")[0]}</span></div>'
    )


def behaviour_table(reading: Reading, profile: Profile, head: Head) -> pd.DataFrame:
    """One row for each behaviour, in general and on this text; those that pass come first."""
    first = shown_roles(profile, head)
    names = [*first, *(name for name in profile.behaviours if name not in first)]

    def number(value: float, form: str) -> str:
        return "" if np.isnan(value) else format(value, form)

    return pd.DataFrame(
        {
            "behaviour": get_behaviour(name).title,
            "score": number(profile.score[name][head], ".3f"),
            "interval": interval(profile, name, head),
            "chance": number(profile.chance[name][head], ".3f"),
            "confidence": number(profile.role_confidence[name][head], ".0%"),
            "margin": number(profile.value(name)[head] - get_behaviour(name).threshold, "+.2f"),
            "here": number(reading.scores[name][head] if name in reading.scores else np.nan, ".3f"),
            "on this text": on_this_text(reading, name, head),
        }
        for name in names
    )


def interval(profile: Profile, name: str, head: Head) -> str:
    """The 95 % interval of a score; empty where it cannot be measured."""
    low, high = profile.low[name][head], profile.high[name][head]
    return "" if np.isnan(low) else f"{low:.3f} to {high:.3f}"


def on_this_text(reading: Reading, name: str, head: Head) -> str:
    """Whether a behaviour is awake here, with what is missing where it cannot be."""
    if name not in reading.scores:
        return f"– not seen on one text: it needs {get_behaviour(name).asks}"
    status = str(reading.status[name][head])
    words = f"{CIRCLES[status]} {status}"
    if reading.rows[name] == 0:
        return f"{words}: it needs {get_behaviour(name).asks}"
    return words


def ladders(selection: Selection, reading: Reading, profile: Profile, head: Head) -> None:
    """How far up the evidence for the head's label reaches, and folded for its other roles."""
    label = str(profile.label[head])
    if label == UNCLASSIFIED:
        return
    roles = [name for name in profile.roles(*head) if not get_behaviour(name).resting]
    names = list(dict.fromkeys([label, *roles]))
    place = st.container()
    measure_removals(selection, head, names)
    with place:
        st.markdown(f"**Evidence ladder: what speaks for “{get_behaviour(label).title.lower()}”**")
        st.markdown(rungs(selection, reading, profile, head, label))
        for name in names[1:]:
            with st.expander(f"What speaks for “{get_behaviour(name).title.lower()}”"):
                st.markdown(rungs(selection, reading, profile, head, name))


def measure_removals(selection: Selection, head: Head, names: list[str]) -> None:
    """The button that measures rungs 4 and 5, while they are not measured and can be."""
    asked = [get_behaviour(name).rung4 for name in names]
    probes = [rung.probe for rung in asked if rung.probe is not None]
    waiting = [
        probe
        for probe in dict.fromkeys(probes)
        if ready_removals(selection, probe, head.layer) is None
    ]
    if not waiting or not model_of(selection).interventions:
        return
    if st.button(
        "Measure what removing it does",
        help="Rungs 4 and 5: every head of this layer and of the two beside it is removed in turn "
        "on our probe texts.",
        key=f"removals {head}",
    ):
        for probe in waiting:
            get_removals(selection, probe, head.layer)


def rungs(
    selection: Selection, reading: Reading, profile: Profile, head: Head, behaviour: str
) -> str:
    """The rungs of one behaviour as a numbered list, with what was found on each."""
    probe = get_behaviour(behaviour).rung4.probe
    removed = None if probe is None else ready_removals(selection, probe, head.layer)
    lines = []
    for step in evidence_ladder(profile, head, behaviour, reading, removed):
        found, asks = "", f" {step.asks}"
        if not np.isnan(step.figure):
            found = f" ({step.figure:.2f}, {step.least:.2f} needed: {step.words})"
        elif step.status == "does not apply":
            asks = f" {step.words[0].upper()}{step.words[1:]}."
        else:
            found = f" ({step.words})"
        lines.append(
            f"{step.number}. {STEPS[step.status]} **{step.title}: {step.status}**{found}.{asks}"
        )
    return "\n".join(lines)


def what_it_writes(
    selection: Selection, chosen: ChosenText, reading: Reading, position: int, head: Head
) -> None:
    """The tokens that a head makes likelier and less likely if it looks at one token alone."""
    token = position_names(reading.token_texts)[position]
    st.markdown(f"**What {head} writes when it looks at token** `{token}`")
    st.caption(
        "If all its attention fell on this token, these would become likelier, and less likely, as "
        "the next token: by how much its output moves their logits, the scores that probabilities "
        "are made from (final scale left out: compare figures within the table only)."
    )
    written = get_written(selection, chosen, position, head)
    visible = position_names([text for text, _ in (*written.raised, *written.lowered)])
    shown = [name.split(" ", 1)[1] for name in visible]
    n = len(written.raised)
    st.dataframe(
        pd.DataFrame(
            {
                "raises": shown[:n],
                "by": [much for _, much in written.raised],
                "lowers": shown[n:],
                "by ": [much for _, much in written.lowered],
            }
        ),
        hide_index=True,
        alt=f"Tokens whose logits head {head} raises and lowers when it looks at {token}",
        column_config={
            "by": st.column_config.NumberColumn(format="%+.2f", width=80),
            "by ": st.column_config.NumberColumn(format="%+.2f", width=80),
        },
    )
    copying = get_eigenvalue_copying(selection)[head]
    st.caption(
        f"Beside it: eigenvalue copying {copying:+.2f}, from −1 (over the whole vocabulary, tokens "
        "mostly lower themselves) to +1 (raise themselves). It comes from the weights alone, "
        "and alone it proves nothing: some heads that suppress names score near +1."
    )


def similar_heads(profile: Profile, head: Head) -> None:
    """Links to the heads with the most similar scores."""
    rows = [row for row in profile.similar(*head).itertuples() if row.similarity >= ALIKE]
    if not rows:
        return
    st.markdown("**Heads with the most similar scores**")
    for row in rows:
        other = Head.parse(row.name)
        page_link(
            "Head",
            label=f"{row.name}: {row.label} (similarity {row.similarity:.2f})",
            layer=other.layer,
            head=other.head,
        )
    st.caption(
        "Similarity: one minus the root mean square difference of the scores of all behaviours; "
        "1 means the same scores."
    )


def published_marks(profile: Profile, head: Head) -> None:
    """What others have published about this head; nothing for a model nobody has written about."""
    found = marks(profile.model_name, head)
    if not found:
        return
    st.markdown("**Published about this head** (not measured here)")
    for mark in found:
        st.markdown(f"- {mark.text}. *{mark.source}*")
