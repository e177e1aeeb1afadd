"""A head over many texts: where it writes most, at lower levels, and where its attention goes."""

import streamlit as st

from headlab import settings
from headlab.errors import HeadlabError
from headlab.heads import Head
from headlab.measuring.budget import SHARES
from headlab.models.weights import has_weights
from headlab.profiles.corpus import CorpusLooks, parted
from headlab.profiles.profile import Profile
from headlab.report.dashboards import row_html
from headlab.ui.services.results import get_corpus, ready_corpus
from headlab.ui.services.selection import Selection
from headlab.ui.services.sharing import model_of
from headlab.ui.views.passport import budget_bar

FEW = 5  # rows shown before more are asked for
MOST_OF_STRANGERS = 200_000  # bytes of a corpus on a public server: some minutes of reading
APART = 0.15  # of attention: a share that differs by more is worth a sentence


def over_corpus(selection: Selection, profile: Profile, head: Head) -> None:
    """The head's rows of the corpus; a button measures them where they are not ready."""
    if not has_weights(model_of(selection).network):
        st.info(
            "headlab cannot read how much the heads of this architecture write: choose another "
            "model for this."
        )
        return
    texts = own_corpus()
    found = ready_corpus(selection, texts)
    if found is None:
        whose = "your passages" if texts else "the passages that come with headlab"
        st.markdown(
            "How does this head behave on many texts, of many kinds? All heads are read over "
            f"{whose}, once."
        )
        if not st.button("Read the corpus", type="primary"):
            return
        found = get_corpus(selection, texts)
    st.markdown(
        f"{found.n_tokens:,} tokens of {found.n_passages} passages. In each line the **framed** "
        "token is the one that looks, the **shaded** ones are looked at; *writes* is the length of "
        "what the head adds there."
    )
    most, levels = st.columns(2, gap="medium")
    rows = found.of(head)
    with most:
        st.markdown("**Where it writes most**")
        strongest = [row for row in rows if row.kind == "strongest"]
        more = st.toggle("More like these", key="more rows")
        st.html("".join(row_html(row) for row in (strongest if more else strongest[:FEW])))
    with levels:
        st.markdown("**At lower levels of what it writes**")
        for kind in dict.fromkeys(row.kind for row in rows if row.kind != "strongest"):
            st.caption(f"{kind} of its rows write less than these")
            shown = [row for row in rows if row.kind == kind]
            st.html("".join(row_html(row) for row in (shown if more else shown[:1])))
    where_it_goes(found, profile, head)


def own_corpus() -> tuple[str, ...]:
    """The passages of a file that a learner has dropped in; none without one."""
    with st.popover("A corpus of your own", icon=":material/upload_file:"):
        st.markdown(
            "A text file, its passages parted by empty lines or by lines of `---`. It is read here "
            "and kept nowhere."
        )
        file = st.file_uploader("Text", type="txt", key="corpus file")
    if file is None:
        return ()
    if settings.public() and file.size > MOST_OF_STRANGERS:
        raise HeadlabError(
            f"On this server a corpus may have {MOST_OF_STRANGERS // 1000} kB: choose a shorter "
            "one, or read it with headlab on your own machine."
        )
    found = tuple(parted(file.getvalue(), file.name))
    if not found:
        raise HeadlabError(f"{file.name} holds no text: write some into it.")
    return found


def where_it_goes(found: CorpusLooks, profile: Profile, head: Head) -> None:
    """The budget of attention on the corpus, and where it differs from that on the probes."""
    st.markdown("**Where its attention goes on the corpus**")
    st.html(budget_bar(found, head))
    if profile.looks is None:
        return
    st.caption("And on the probe sentences:")
    st.html(budget_bar(profile.looks, head))
    for name, words in SHARES.items():
        here, there = (float(looks.value[name][head]) for looks in (found, profile.looks))
        if abs(here - there) >= APART:
            st.markdown(
                f"They disagree on *{words}*: {here:.0%} of its attention on the corpus, "
                f"{there:.0%} on the probe sentences."
            )
