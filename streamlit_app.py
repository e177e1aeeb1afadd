"""The entrance: what this is, the shapes in a minute, and the doors."""

from headlab.ui.services.opening import wait_for_imports

wait_for_imports()

import numpy as np
import plotly.colors
import streamlit as st

from headlab.behaviours import get_behaviour
from headlab.ui.services.navigation import page_link
from headlab.ui.services.start_page import start_page
from headlab.ui.views.room import show_room

WORDS = "the cat sat on the mat the cat sat on the".split()
DOORS = {
    "Layers": "Look at all heads of a layer at once.",
    "Your_text": "See which heads wake on what you write.",
    "Rankings": "See which heads do what.",
    "Predict": "Guess what a head does before you look.",
}
SHAPES = (
    "first_token",
    "current_token",
    "previous_token",
    "duplicate_token",
    "induction",
    "diffuse",
)


def textbook_pattern(name: str) -> np.ndarray:
    """A head [query, key] that does nothing but one behaviour, on WORDS after a start token."""
    tokens = np.unique(["", *WORDS], return_inverse=True)[1]
    n = len(tokens)
    targets = get_behaviour(name).targets
    asked = None if targets is None else targets(tokens, None, None)
    cells = np.tri(n) if asked is None else asked.astype(float)
    resting = cells.sum(axis=1) == 0
    cells[resting, 0] = 1  # with nothing to look for, a head rests on the first token
    return cells / cells.sum(axis=1, keepdims=True)


def picture(pattern: np.ndarray, size: int = 16) -> np.ndarray:
    """A pattern as an image [row, column, rgba]; what lies ahead of a query stays clear."""
    colours = np.array(
        plotly.colors.sample_colorscale("Cividis", np.linspace(0, 1, 256), colortype="tuple")
    )
    rgb = colours[(pattern * 255).astype(int)]
    image = np.concatenate([rgb, np.tri(len(pattern))[..., None]], axis=-1)
    return (image * 255).astype(np.uint8).repeat(size, axis=0).repeat(size, axis=1)


with start_page("Start"):
    st.title("What do attention heads do?")
    st.markdown(
        "A language model reads a text as **tokens**, pieces of words. In every layer it has "
        "several **attention heads**; from each token a head looks back at the tokens before it, "
        "and shares out its attention among them. Here you can see all heads of a layer at once, "
        "name what you see, and read what was measured about each."
    )
    show_room()
    for column, (page, purpose) in zip(st.columns(len(DOORS)), DOORS.items(), strict=True):
        with column.container(border=True):
            page_link(page)
            st.markdown(purpose)
    st.header("The shapes in a minute")
    st.markdown(
        f"Drawn by hand, not measured: heads that do one thing only, on the words "
        f"*{' '.join(WORDS)}* after a start token. Each row is the token that looks (the "
        "**query**), each column the token looked at (the **key**); bright means much attention. "
        "Nothing looks ahead, so the upper half stays empty. Real heads are mixtures."
    )
    for row in (SHAPES[:3], SHAPES[3:]):  # by rows: columns stack on a narrow screen
        for column, name in zip(st.columns(3), row, strict=True):
            with column.container(border=True):
                behaviour = get_behaviour(name)
                st.image(
                    picture(textbook_pattern(name)),
                    width=190,
                    alt=f"A hand-drawn pattern: {behaviour.summary}",
                )
                st.markdown(f"**{behaviour.title}**  \n{behaviour.summary}")
    st.header("What a picture cannot tell")
    st.markdown(
        "Attention shows where a head looks, not what it does with what it finds there. Two heads "
        "with the same picture can push the next word in opposite directions. So read a label as a "
        "statement about attention, and mind the confidence beside it."
    )
    page_link("Cause", label="**Cause**: remove a head and see what changes")
    st.markdown(
        "The model that comes with headlab, `mini`, is a sandbox: small, trained by this project, "
        "and **not GPT-2**. What you find in it need not hold in larger models."
    )
    page_link("Models", label="**Models**: get GPT-2 and its relatives")
