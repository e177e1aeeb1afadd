"""All heads of a model as one small map, layer across and head down: the picker of every page.

Each cell has the letters and the colour of its head's label (``figures/labels.py``). A cell is a
button; arrow keys move between cells, Enter or a click chooses one, and while the pointer or the
keyboard rests on one the line above says which head it is and what it usually does.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import streamlit as st

from headlab.figures.labels import INK, label_colour, label_letters, label_order
from headlab.heads import Head
from headlab.measuring.confidence import UNCLASSIFIED, label_title
from headlab.profiles.profile import Profile

_HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "headlab_head_map",
    html=(_HERE / "head_map.html").read_text(encoding="utf-8"),
    css=(_HERE / "head_map.css").read_text(encoding="utf-8"),
    js=(_HERE / "head_map.js").read_text(encoding="utf-8"),
)


def map_data(
    n_layers: int,
    n_heads: int,
    profile: Profile | None = None,
    chosen: Collection[Head] = (),
    marked: Collection[Head] = (),
) -> dict[str, Any]:
    """What is sent to the browser; without a profile the cells are blank."""
    layers, heads = range(n_layers), range(n_heads)
    names = label_order()
    places = None
    words = None
    if profile is not None:
        places = [[names.index(str(profile.label[i, h])) for h in heads] for i in layers]
        words = [[profile.label_text(i, h) for h in heads] for i in layers]
    return {
        "n_layers": n_layers,
        "n_heads": n_heads,
        "labels": [
            {
                "letters": label_letters(name),
                "colour": None if name == UNCLASSIFIED else label_colour(name),
                "title": label_title(name).lower(),
            }
            for name in names
        ],
        "places": places,
        "words": words,
        "chosen": [list(head) for head in chosen],
        "marked": [list(head) for head in marked],
        "ink": INK,
    }


def head_map(
    n_layers: int,
    n_heads: int,
    take: Callable[[Head], None],
    profile: Profile | None = None,
    chosen: Collection[Head] = (),
    marked: Collection[Head] = (),
    key: str = "head_map",
    says: str = "All heads: layer across, head down",
) -> None:
    """Draw the map; ``take`` is called, as a callback, with the head that a learner chooses.

    ``chosen`` heads are framed and spoken as pressed (what a second choice of one means is up to
    ``take``), ``marked`` ones carry a diamond. ``says`` names the map for screen readers.
    """

    def taken() -> None:
        picked = st.session_state[key].head
        if picked is not None:
            take(Head(int(picked[0]), int(picked[1])))

    data = map_data(n_layers, n_heads, profile, chosen, marked)
    _COMPONENT(key=key, data=data | {"says": says}, on_head_change=taken)
