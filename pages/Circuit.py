"""Which heads work together: who tells a head where to look, step by step, and is that all?"""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

from dataclasses import replace

import streamlit as st

from headlab.heads import Head
from headlab.ui.services import state
from headlab.ui.services.navigation import page_link
from headlab.ui.services.results import get_layer, get_reading, ready_profile
from headlab.ui.services.selection import Selection
from headlab.ui.services.start_page import guarded, page_header, start_page
from headlab.ui.views.circuit import collected, only_heard, who_tells
from headlab.ui.views.head_choice import head_choice
from headlab.ui.views.text_choice import text_chosen, text_line
from headlab.ui.views.words import plain

HOW = """A head looks where its **queries** and the **keys** of the tokens fit. Both are made from
what earlier heads wrote. So one head can tell another where to look, and together they do what
neither does alone: a **circuit**.

**Who tells it?** One word of the text is changed. Then one earlier head at a time sends the head in
the middle what it would have sent on the changed text, through one input and past everything else
(**path patching**). If the head then looks elsewhere, that sender mattered. A line is drawn only if
its effect is larger than that of equally large random messages.

**Is that all?** Collect heads, keep only them, replace all others: how much is left?
"""


def leading(selection: Selection) -> Selection:
    """A head to begin with: one known for induction, which earlier ones must tell where to look.

    Of these the one that does it most at the last token of the text.
    """
    profile = ready_profile(selection)
    known = [] if profile is None else profile.top_heads.get("induction", [])
    heads = [head for head in (Head.parse(top["head"]) for top in known) if head.layer > 0]
    unwritten = selection.is_own_text and not state.own_text()
    chosen = None if unwritten or not heads else text_chosen(selection)
    if chosen is None:
        return selection

    targets = get_reading(selection, chosen).targets("induction")
    assert targets is not None

    def looks(head: Head) -> float:
        row = get_layer(selection, chosen, head.layer).patterns[head.head, -1]
        return float(row[targets[-1]].sum())

    best = max(heads, key=looks)
    return replace(selection, layer=best.layer, head=best.head)


with start_page("Circuit", "layer", "head") as selection:
    if selection.head is None:
        with guarded():
            selection = leading(selection)
    head = Head(selection.layer, selection.head or 0)
    page_header(selection, f"What {head} is told", HOW)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        text_line(selection, lens=False)
        head_choice(selection, head)
    chosen = text_chosen(selection)
    if chosen is not None:
        reading = get_reading(selection, chosen)
        pattern = get_layer(selection, chosen, head.layer).patterns[head.head]
        with guarded():
            if head.layer == 0:
                st.info(
                    f"{head} is in the first layer: nothing but the tokens themselves tells it "
                    "where to look. Later heads may listen to it."
                )
                only_heard(selection, chosen, reading, head, pattern)
            else:
                who_tells(selection, chosen, reading, head, pattern)
        with guarded():
            collected(selection, chosen, reading)
        page_link("Head", label=f"See {plain(str(head))} itself", layer=head.layer, head=head.head)
