"""The heads of one layer side by side, or of all layers, drawn in the browser.

One component (Streamlit components v2, plain JavaScript on canvas) gets the pictures of all layers
once and slides and plays layers, hovers and locks heads without asking the server. Long texts send
the visible layer and its neighbours, the rest as the learner gets there.
"""

import base64
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plotly.colors
import streamlit as st

from headlab.heads import Head
from headlab.measuring.pictures import Pictures, looking_most, quantised
from headlab.measuring.reading import Reading
from headlab.profiles.profile import Profile
from headlab.ui.components.drawing import DRAWING
from headlab.ui.services import state

ALL_AT_ONCE = 184_000  # bytes of pictures; a longer text sends three layers at a time
OVERVIEW_SIDE = 32
FOUND = 8  # heads that are named of those that look from one word to another

_HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "headlab_head_grid",
    html=(_HERE / "head_grid.html").read_text(encoding="utf-8"),
    css=(_HERE / "head_grid.css").read_text(encoding="utf-8"),
    js=DRAWING + (_HERE / "head_grid.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class GridView:
    """What the learner has in view: a layer, and the head locked in it or None."""

    layer: int
    head: int | None


def grid_data(
    reading: Reading,
    pictures: Pictures,
    view: GridView,
    profile: Profile | None = None,
    highlight: Collection[Head] = (),
    overview: bool = False,
    hidden: Collection[Head] = (),
    pair: tuple[int, int] | None = None,
    written: int = 0,
) -> dict[str, Any]:
    """What is sent to the browser; ``id`` names what the pictures are of.

    Of ``hidden`` heads nothing is sent that was measured on the text. ``pair``: the positions
    (query, key) that heads are looked for to look from and to. ``written``: how many of the last
    tokens the model wrote itself.
    """
    layers, heads = range(reading.n_layers), range(reading.n_heads)
    if hidden:
        pictures = pictures.without(hidden)
    found = looking_most(pictures, *pair, FOUND) if pair else []
    sent = list(layers)
    if overview and pictures.cells.nbytes > ALL_AT_ONCE:
        pictures = pictures.smaller(OVERVIEW_SIDE)
    elif pictures.cells.nbytes > ALL_AT_ONCE:
        sent = [layer for layer in layers if abs(layer - view.layer) <= 1]
    left = pictures.mean_left
    row_left = pictures.left if pictures.pool == 1 else None
    identity = f"{reading.model_name} {reading.tokens} {pictures.pool}".encode()
    return {
        "id": hashlib.sha256(pictures.cells.tobytes() + identity).hexdigest()[:16],
        "layers": sent,
        "pictures": _base64(pictures.cells[sent]),
        "side": pictures.side,
        "pool": pictures.pool,
        "lens": left is not None,
        "left": None if left is None else np.round(left, 3).tolist(),
        "row_left": None if row_left is None else _base64(quantised(row_left[sent])),
        "tokens": reading.token_texts,
        "start": reading.start_token is not None,
        "written": written,
        "n_layers": reading.n_layers,
        "n_heads": reading.n_heads,
        "hidden": [list(head) for head in hidden],
        "hints": [
            ["" if Head(i, h) in hidden else reading.hint_texts[i][h] for h in heads]
            for i in layers
        ],
        "spread": np.round(np.nan_to_num(reading.entropy), 2).tolist(),
        "pair": pair and list(pair),
        "found": [[*head, round(value, 3)] for head, value in found],
        "labels": profile and [[profile.label_text(i, h) for h in heads] for i in layers],
        "highlight": [list(head) for head in highlight],
        "overview": overview,
        "palette": list(plotly.colors.sequential.Cividis),
    }


def head_grid(
    reading: Reading,
    pictures: Pictures,
    view: GridView,
    profile: Profile | None = None,
    highlight: Collection[Head] = (),
    overview: bool = False,
    hidden: Collection[Head] = (),
    key: str = "grid",
    link: str | None = None,
    take: Callable[[GridView], None] | None = None,
    pair: tuple[int, int] | None = None,
    hear: Mapping[str, Callable[[Any], None]] | None = None,
    written: int = 0,
) -> None:
    """Draw the grid with ``view`` in it; what the learner slides and locks goes to the address.

    ``take`` is given it instead: for a grid that is not the page's only one.

    With ``hear`` the grid fills the screen, and its callbacks are given what else is chosen there:
    ``pair``, two positions or nothing; ``edit``, a position and its new word; ``go``, a page and
    the head to see there.

    ``highlight`` marks heads across all layers; ``overview`` shows all layers as small pictures;
    the pictures of ``hidden`` heads stay on the server. Grids with the same ``link`` and the same
    tokens show together what is hovered over in one of them. Of the last ``written`` tokens, which
    the model wrote, hovering shows the row they were written from.
    """
    data = grid_data(reading, pictures, view, profile, highlight, overview, hidden, pair, written)
    fills = hear is not None
    _COMPONENT(
        key=key,
        data=data | {"view": _view_to_send(view, key), "link": link, "fills": fills, "asks": fills},
        on_view_change=lambda: _seen(key, take or _to_address),
        **{
            f"on_{name}_change": lambda name=name, take=take: take(st.session_state[key][name])
            for name, take in (hear or {}).items()
        },
    )


def _view_to_send(view: GridView, key: str) -> dict[str, Any]:
    """The view last chosen by the page, with a number that tells a new choice from an old one.

    What the browser itself has chosen is not sent back: the data then stays the same, and
    Streamlit need not send it again.
    """
    book = st.session_state.setdefault(f"{key} views", {"agreed": None, "turn": 0})
    if key not in st.session_state or book["agreed"] != view:
        book |= {"agreed": view, "given": asdict(view), "turn": book["turn"] + 1}
    return book["given"] | {"turn": book["turn"]}


def _seen(key: str, take: Callable[[GridView], None]) -> None:
    """Take over what the browser says is in view now."""
    seen = st.session_state[key].view
    view = GridView(int(seen["layer"]), None if seen["head"] is None else int(seen["head"]))
    st.session_state[f"{key} views"]["agreed"] = view
    take(view)


def _to_address(view: GridView) -> None:
    state.change(layer=view.layer, head=view.head)


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()
