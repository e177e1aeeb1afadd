"""The words headlab uses, its behaviours with their sources, and what attention cannot tell."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

from dataclasses import dataclass

import streamlit as st

from headlab.behaviours import Behaviour, behaviours
from headlab.evidence.references import get_reference
from headlab.measuring.confidence import INTERVAL, MIN_PROMPTS, N_RESAMPLES
from headlab.measuring.reading import DOMINANT, MIN_ROWS
from headlab.ui.services.navigation import page_link
from headlab.ui.services.start_page import start_page

COLUMN = 820  # pixels: longer lines are hard to read


@dataclass(frozen=True)
class Term:
    """A word and what it means here, in a sentence or two."""

    name: str
    meaning: str
    sources: tuple[str, ...] = ()


PROBES = {
    "sentences": "plain English sentences",
    "repeats": "random words said twice",
    "facts": "facts with a question about one of them",
    "names": "sentences of two given names",
}

TERMS = {
    "Text and model": (
        Term(
            "Token", "A piece of text that the model reads as one: a word, part of a word, a comma."
        ),
        Term(
            "Start token",
            "A special token set before a text, so that the first word has something to look back "
            "at. What heads do depends on it, so every page says which one is used.",
        ),
        Term(
            "Layer",
            "One step of the model. A text passes through all layers in order, counted from zero.",
        ),
        Term(
            "Attention head",
            "One of several parts of a layer. From each token it looks at this token and those "
            "before it, and passes on something of what it finds. L5.H10 is head 10 of layer 5.",
            ("Vaswani et al. 2017",),
        ),
        Term("Query", "The token that looks: a row of a head's picture."),
        Term("Key", "A token that is looked at: a column of a head's picture."),
        Term(
            "Attention",
            "How a query shares out its looking among the keys. The shares of one query add up to "
            "1, and no query looks ahead.",
        ),
        Term(
            "Attention pattern",
            "The attention of one head on one text, from every query to every key; drawn as a "
            "picture in which bright means much.",
        ),
        Term(
            "Sink lens",
            "Shows a pattern without the first token, on which many heads rest (an *attention "
            "sink*). What is left of each row is scaled up to 1; the page says how much it was.",
            ("Xiao et al. 2023",),
        ),
    ),
    "What is measured": (
        Term("Behaviour", "A named way in which a head can work. All are listed below."),
        Term(
            "Probe text",
            "A text made to give occasion for a behaviour. There are several kinds: "
            f"{'; '.join(PROBES.values())}.",
        ),
        Term(
            "Score",
            "How much a head shows a behaviour, from 0 to 1. For most behaviours it is the mean "
            "share of attention on the places that the behaviour asks for; queries that have no "
            "such place do not count.",
        ),
        Term(
            "Chance",
            "The score of a head that looks everywhere alike; for retrieval, of one that looks at "
            "all the facts alike; for names, that of any five tokens. Evenness itself (*diffuse*) "
            "has no chance.",
        ),
        Term(
            "Excess",
            "The score on a scale where chance is 0 and a perfect score is 1: "
            "(score − chance) / (1 − chance).",
        ),
        Term(
            "Threshold", "The score or excess from which on a head counts as showing a behaviour."
        ),
        Term(
            "Redraw",
            "A new sample of the probe texts, drawn from them at random: some come twice, others "
            f"not at all. We draw {N_RESAMPLES:,} to see how much the figures depend on the texts.",
        ),
        Term(
            "Interval",
            f"Where the score lies in {INTERVAL[1] - INTERVAL[0]:g} % of the redraws, from low to "
            "high.",
        ),
    ),
    "What a head is called": (
        Term(
            "Role",
            "A behaviour that a head shows. One head can have several; for some behaviours a role "
            "is listed from a value below the threshold.",
        ),
        Term(
            "Role confidence",
            "The share of redraws in which the head passes the behaviour's threshold. In tables it "
            "is called confidence. It is about our texts, not about what the head causes.",
        ),
        Term(
            "Label",
            "The one behaviour a head is named after: the first, in the order in which they are "
            "listed below, that passes its threshold; *unclassified* if none does.",
        ),
        Term(
            "Tag",
            "What a head does beside its label, written after it: *induction · copies*. Where it "
            "writes against what it looks at, the label is called a pattern: *induction pattern · "
            "suppresses names*.",
        ),
        Term(
            "Stability",
            "The share of redraws that give the head the same label; unknown where there are fewer "
            f"than {MIN_PROMPTS} probe texts.",
        ),
        Term(
            "Holds in",
            "How many variants of the measurement give the same label: with the start token put on "
            "or taken away, on other sentences, on short texts, on long ones.",
        ),
        Term(
            "Margin",
            "How far a value lies above (+) or below (−) the threshold. A head's own margin is "
            "that of its label; unclassified, it is the distance to the nearest threshold.",
        ),
    ),
    "What speaks for a label": (
        Term(
            "Writing",
            "What a head passes on from the token it looks at, seen as tokens that it makes "
            "likelier or less likely as the next one.",
            ("Elhage et al. 2021",),
        ),
        Term(
            "Eigenvalue copying",
            "From −1 to 1: whether, over the whole vocabulary, what a head reads makes itself "
            "likelier. It comes from the weights alone and proves nothing alone.",
            ("Elhage et al. 2021",),
        ),
        Term(
            "Evidence ladder",
            "What speaks for a label, step by step: its pattern on our texts, its pattern on this "
            "text, and whether what the head writes agrees. Each rung is passed, failed, not "
            "measured or does not apply.",
        ),
    ),
    "Cause and effect": (
        Term(
            "Removal",
            "Taking a head out of the model while it reads a text: what the head writes is "
            "replaced, and all later layers work with the replacement. Also called *ablation*. "
            "What changes, such as the probability of the next word, is the head's effect here.",
            ("Zhang and Nanda 2023",),
        ),
        Term(
            "Mean ablation",
            "Removal that puts in what the head writes on average over plain sentences, so that "
            "the rest of the model meets nothing unusual. *Zero* puts in nothing at all.",
            ("Wang et al. 2022",),
        ),
        Term(
            "Control",
            "The same done to other heads of the same layers, drawn at random. An effect says "
            "something about a head only if it exceeds that of most of them.",
        ),
        Term(
            "Patching",
            "Putting what a head did on one text into the same place of another text that differs "
            "in a word or two. If the answer moves along, the head carries what differs.",
            ("Zhang and Nanda 2023",),
        ),
        Term(
            "Direct logit attribution",
            "How much each part of the model itself adds to one next token and takes from another. "
            "Logits are the figures that probabilities are made from. What later parts make of a "
            "head's writing is not counted.",
            ("Wang et al. 2022",),
        ),
        Term(
            "Self-repair",
            "Other parts of a model make up for a removed head, so that its effect is smaller than "
            "what it wrote. A small effect then does not show that the head does nothing.",
            ("McDougall et al. 2023",),
        ),
    ),
    "On one text": (
        Term(
            "Active",
            f"The text gives at least {MIN_ROWS} queries a place to look, and the head reaches "
            "at least half of the behaviour's threshold there.",
        ),
        Term("Quiet", "The text gives as much occasion, and the head does not take it."),
        Term(
            "Too little to tell",
            f"The text gives occasion, but to fewer than {MIN_ROWS} queries.",
        ),
        Term(
            "Cannot be triggered by this text",
            "The text gives no occasion at all. That is not a score of zero: nothing was measured.",
        ),
        Term(
            "Shape hint",
            "The words under a picture: where most of this head's attention goes on this text, "
            f"with its share; *mixed* if no place gets {100 * DOMINANT:g} %, *diffuse* if it is "
            "spread evenly. It describes the picture and is no label.",
        ),
        Term(
            "Entity and attribute",
            "In a fact such as *Maria lives in Oslo*, what it is about (*Maria*) and what is said "
            "of it (*Oslo*).",
        ),
    ),
    "Your own answers": (
        Term(
            "Sureness",
            "How sure you say you are of a prediction of your own. Confidence is measured from "
            "texts; sureness is yours. On why to predict before looking:",
            ("Crouch et al. 2004",),
        ),
    ),
}

CITED = {"after": "After", "related": "Related"}

LIMITS = (
    (
        "**Where a head looks is not what it does.** In GPT-2 small some heads look at a name and "
        "make it likelier to be said next, and others look at the same name and make it less "
        "likely. Their pictures do not tell them apart.",
        ("Wang et al. 2022", "McDougall et al. 2023"),
    ),
    (
        "**Whether attention explains an answer is disputed.** The same answer can come from quite "
        "different attention, says one side; it depends on what is asked of an explanation, says "
        "the other.",
        ("Jain and Wallace 2019", "Wiegreffe and Pinter 2019"),
    ),
    (
        "**A cause shows only when something is changed.** To learn whether an answer depends on "
        "a head, one changes what the head passes on and watches the answer. A label is no such "
        "test.",
        ("Zhang and Nanda 2023",),
    ),
    (
        "**A label comes from certain texts and one model.** On other texts a head can do "
        "something else, and a head in the same place of another model is another head. So read "
        "stability and *holds in* beside every label.",
        (),
    ),
)


def links(sources: tuple[str, ...]) -> str:
    """Publications as links, in the order given."""
    found = [get_reference(name) for name in sources]
    return "; ".join(f"[{each.name}, *{each.title}*]({each.url})" for each in found)


def explained(text: str, sources: tuple[str, ...]) -> str:
    """A text and, where it has any, its sources."""
    return f"{text} {links(sources)}." if sources else text


def described(about: Behaviour) -> str:
    """What a behaviour is, how it is measured, what it needs and where it comes from."""
    probes = " and on ".join(PROBES[probe] for probe in about.probes)
    lower = "; the lower of the two counts" if len(about.probes) > 1 else ""
    scale = "a score" if about.scale == "raw" else "an excess"
    role = f", listed as a role from {about.shown_from:g}" * (about.shown_from < about.threshold)
    lines = [
        about.summary,
        f"- **Score:** {about.measured_as}; on {probes}{lower}.",
        f"- **Counts from:** {scale} of {about.threshold:g}{role}.",
        f"- **Needs:** {about.asks.partition(';')[0]}.",
        f"- **{CITED[about.cited]}:** {links(about.sources)}.",
    ]
    return f"{lines[0]}\n\n" + "\n".join(lines[1:])


with start_page("Glossary") as selection, st.container(width=COLUMN):
    st.title("Glossary")
    st.header("Terms")
    for group, terms in TERMS.items():
        st.subheader(group)
        st.markdown(
            "\n\n".join(
                f"**{term.name}.** {explained(term.meaning, term.sources)}" for term in terms
            )
        )
    st.header("Behaviours")
    st.markdown(
        "In the order in which they give a head its label. *After*: the publication describes this "
        "behaviour, and we measure it in our own way. *Related*: it describes something near, and "
        "the definition is ours."
    )
    for name, about in behaviours().items():
        with st.container(border=True):
            st.subheader(about.title, anchor=name)
            st.markdown(described(about))
            page_link("Rankings", label=f"Heads ranked by {about.title.lower()}", behaviour=name)
    st.header("What attention cannot tell")
    st.markdown("\n\n".join(explained(text, sources) for text, sources in LIMITS))
