"""The grid of the laboratory, and one head on a text, as HTML without server or network.

For notebooks, blogs and learning platforms. The scripts are those of the app's components.
"""

import json
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from headlab.errors import HeadlabError
from headlab.files import write_file
from headlab.heads import Head, HeadName
from headlab.measuring.pictures import Drawing
from headlab.measuring.reading import Reading
from headlab.models.kernels import as_tensor
from headlab.profiles.profile import Profile
from headlab.ui.components.drawing import DRAWING
from headlab.ui.components.head_grid import GridView, grid_data
from headlab.ui.components.text_view import text_data

COMPONENTS = Path(__file__).parent / "components"
HEIGHT = 640  # pixels of a frame in a notebook
_STYLE = """
:root { color-scheme: light dark; --st-text-color: light-dark(#0c151e, #e4eaf0);
  --st-background-color: light-dark(#fbfcfd, #10171f);
  --st-primary-color: light-dark(#1f5c8b, #3475a7); --st-link-color: var(--st-primary-color);
  --st-secondary-background-color: light-dark(#eef2f6, #1a2430);
  --st-border-color: light-dark(#d5dde5, #2e3b49); --st-font: system-ui, sans-serif;
  --st-code-font: ui-monospace, monospace; }
body { margin: 8px; font-family: var(--st-font); color: var(--st-text-color);
  background: var(--st-background-color); }
h1 { font-size: 1.05rem; margin: 0 0 6px; }
"""


class Shown:
    """A view as one HTML document: notebooks draw it, :meth:`save` writes it.

    ``html`` is the document.
    """

    def __init__(self, html: str, height: int = HEIGHT) -> None:
        self.html, self.height = html, height

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html)}" style="width: 100%; height: {self.height}px; '
            'border: 0" title="headlab" sandbox="allow-scripts"></iframe>'
        )

    def __repr__(self) -> str:
        return f"Shown({len(self.html):,} characters of HTML)"

    def save(self, path: str | Path) -> None:
        """Write the document; it opens in any browser, without a network."""
        write_file(path, self.html)


def show(reading: Reading, layer: int = 0, profile: Profile | None = None) -> Shown:
    """All heads of a layer on a text, as the page Layers shows them: hover, slide, play, lock.

    Parameters
    ----------
    layer : the layer to begin with.
    profile : of the same model, for the labels on the cards.

    Raises
    ------
    HeadlabError : a layer that there is not, or a reading that kept no patterns.

    >>> from headlab import load_model, read_text, show
    >>> show(read_text(load_model("mini"), "The cat sat. The cat sat."), layer=3)._repr_html_()[:7]
    '<iframe'
    """
    if not 0 <= layer < reading.n_layers:
        raise HeadlabError(
            f"{reading.model_name} has no layer {layer}: they run from 0 to {reading.n_layers - 1}."
        )
    pictures = reading.pictures
    if pictures is None:
        if len(reading.layers) < reading.n_layers:
            raise HeadlabError(
                "This reading kept the patterns of some layers only: read the text again with all "
                "of them, or with pictures=True."
            )
        drawing = Drawing((reading.n_layers, reading.n_heads), len(reading.tokens))
        for index, patterns in enumerate(reading.patterns):
            drawing.add(index, slice(None), as_tensor(patterns))
        pictures = drawing.pictures()
    view = GridView(layer, None)
    data = grid_data(reading, pictures, view, profile) | {
        "layers": list(range(reading.n_layers)),
        "view": {"layer": layer, "head": None, "turn": 1},
        "link": None,
        "fills": False,
        "asks": False,
    }
    title = f"{reading.model_name}, start token: {reading.start_text or 'none'}"
    return Shown(_document("head_grid", title, data, DRAWING))


def embed(reading: Reading, head: HeadName, token: int = -1) -> Shown:
    """One head on a text: the words shaded by where one of them looks, and arcs between them.

    ``token``: the position to begin with, from the end if negative. HeadlabError for a head whose
    patterns the reading did not keep.
    """
    chosen = Head.of(head)
    if chosen.layer not in reading.layers or not 0 <= chosen.head < reading.n_heads:
        raise HeadlabError(
            f"This reading holds no pattern of {chosen}: it kept the layers {list(reading.layers)} "
            f"of {reading.n_heads} heads each."
        )
    n = len(reading.tokens)
    if not -n <= token < n:
        raise HeadlabError(
            f"There is no position {token}: the text's {n} tokens stand at 0 to {n - 1}."
        )
    pattern = reading.pattern(*chosen)
    data = text_data(reading, np.asarray(pattern), token % n)
    title = f"{chosen} of {reading.model_name}: {reading.hint(*chosen)}"
    return Shown(_document("text_view", title, data), height=420)


def _document(component: str, title: str, data: dict[str, Any], before: str = "") -> str:
    """A component alone on a page, with its data inside."""
    folder = COMPONENTS / component
    html, css, script = (
        (folder / f"{component}.{ending}").read_text(encoding="utf-8")
        for ending in ("html", "css", "js")
    )
    script = before + script.replace("export default function", "function start", 1)
    held = json.dumps(data, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\!--")
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>{escape(title)}</title><style>{_STYLE}{css}</style>
<h1>{escape(title)}</h1><div id="root">{html}</div>
<script>
{script}
const data = {held}
const none = () => {{}}
start({{ data, parentElement: document.getElementById("root"), key: "shown", setStateValue: none,
  setTriggerValue: none }})
</script>
</html>
"""
