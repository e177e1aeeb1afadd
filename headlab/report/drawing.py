"""Small pictures as SVG: maps of heads, patterns, bars.

Colours are classes that the style sheet fills (``c0`` to ``c31``), so that a reader can change the
colour scale, and a printer gets ink for the light page, without drawing anything again.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import plotly.colors
from markupsafe import Markup

from headlab.figures.labels import label_colour, label_letters, label_order
from headlab.measuring.confidence import UNCLASSIFIED
from headlab.models.tokens import visible

LEVELS = 32
SCALES = {"cividis": "Cividis", "viridis": "Viridis", "greys": "Greys_r"}  # bright is much
EFFECTS = "PuOr_r"  # both ways from zero, and told apart by readers with any colour vision
STEPS = 33
CANNOT = "nan"
_MIN_TYPE_SIZE = 8.0
_MAX_LABELS = 28
_DIAMOND = "l.16 .16l-.16 .16l-.16 -.16z"


def palettes() -> str:
    """The colour scales as a style sheet: one class for each level, one set of values a scale."""
    steps = np.linspace(0, 1, LEVELS)
    rules = [f".c{i}{{fill:var(--c{i})}}" for i in range(LEVELS)]
    for name, scale in SCALES.items():
        colours = plotly.colors.sample_colorscale(scale, steps, colortype="tuple")
        values = (f"--c{i}:{_hex(colour)}" for i, colour in enumerate(colours))
        rules.append(f':root[data-scale="{name}"]{{{";".join(values)}}}')
    ways = plotly.colors.sample_colorscale(EFFECTS, np.linspace(0, 1, STEPS), colortype="tuple")
    rules += [f".e{i}{{fill:{_hex(colour)}}}" for i, colour in enumerate(ways)]
    named = (name for name in label_order() if name != UNCLASSIFIED)
    rules += [f".{tint(name)}{{fill:{label_colour(name)}}}" for name in named]
    return "\n".join(rules) + "\n"


def _hex(colour: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


def head_map(
    values: Sequence[Sequence[float | None]], passes: np.ndarray, at: str, says: str
) -> Markup:
    """A value 0 to 1 of every head [layer, head]: layer across, head down; None stays hatched.

    Heads that ``passes`` get a diamond. ``at`` is where the report's data hold the values, ``says``
    the id of the words that say what the picture shows.
    """
    array = np.array(values, dtype=float).T  # [head, layer]
    frame = _numbered(array.shape[1], array.shape[0])
    marked = [f"M{x + 0.5:g} {y + 0.34:g}{_DIAMOND}" for y, x in np.argwhere(passes.T)]
    marks = Markup('<path class="mark" d="{}"/>').format(Markup("".join(marked)))
    body = frame.cells(_paths(_levels(array), merged=False) + marks, "map")
    return frame.svg(body + frame.number_axes("layer", "head"), "map", says, at)


def effect_map(
    values: Sequence[Sequence[float | None]], reach: float, at: str, says: str
) -> Markup:
    """An effect of every head [layer, head], from -``reach`` to ``reach``; None stays hatched."""
    array = np.array(values, dtype=float).T  # [head, layer]
    frame = _numbered(array.shape[1], array.shape[0])
    steps = np.rint((array / (2 * reach or 1) + 0.5) * (STEPS - 1))
    levels = np.nan_to_num(steps, nan=-1.0).astype(int).clip(-1, STEPS - 1)
    body = frame.cells(_paths(levels, merged=False, kind="e"), "map")
    return frame.svg(body + frame.number_axes("layer", "head"), "map", says, at)


def label_map(labels: Sequence[Sequence[str]], says: str) -> Markup:
    """The label of every head [layer, head] as a tint and two letters."""
    n_layers, n_heads = len(labels), len(labels[0])
    frame = _numbered(n_layers, n_heads)
    groups = []
    for name in label_order():
        places = [(x, y) for x in range(n_layers) for y in range(n_heads) if labels[x][y] == name]
        path = "".join(f"M{x} {y}h1v1h-1z" for x, y in places)
        if path:
            groups.append(Markup('<path class="{}" d="{}"/>').format(tint(name), Markup(path)))
    size = frame.cell * 0.46
    letters = [
        Markup('<text x="{}" y="{}">{}</text>').format(
            _short(frame.left + (x + 0.5) * frame.cell),
            _short(frame.top + (y + 0.5) * frame.cell + size * 0.36),
            label_letters(labels[x][y]),
        )
        for x in range(n_layers)
        for y in range(n_heads)
    ]
    text = Markup('<g class="codes" font-size="{}">{}</g>').format(
        _short(size), Markup("").join(letters)
    )
    body = frame.cells(Markup("").join(groups), "map") + text
    return frame.svg(body + frame.number_axes("layer", "head"), "labels", says)


def tint(name: str) -> str:
    """The class that colours a label."""
    return f"label-{name}"


def pattern_map(pattern: np.ndarray, token_texts: Sequence[str], at: str, says: str) -> Markup:
    """One head's pattern [query, key], query down and key across, with its tokens.

    With fewer rows than tokens one cell stands for several tokens; the labels name the first.
    """
    n = len(pattern)
    frame = _Frame(n, n, left=74, top=74, below=4, cell=256 / n)
    below = np.where(np.tri(n, dtype=bool), pattern, np.nan)
    levels = np.where(np.isnan(below), -2, _levels(below))  # nothing ahead of the query
    steps = "h-1".join(["v-1"] * n)
    ground = Markup('<path class="c0" d="M0 0v{}h{}{}z"/>').format(n, n, Markup(steps))
    levels[levels == 0] = -2  # the ground is there already
    body = frame.cells(ground + _paths(levels), "pattern")
    return frame.svg(body + frame.token_axes(token_texts), "pattern", says, at)


def column_chart(counts: Sequence[int], most: int, says: str) -> Markup:
    """A count for each layer as columns, from 0 to ``most``."""
    frame = _numbered(len(counts), 5)
    heights = [5 * count / max(most, 1) for count in counts]
    bars = "".join(f"M{x + 0.12:g} 5v{-h:.4g}h.76v{h:.4g}z" for x, h in enumerate(heights) if h)
    ground = Markup('<path class="axis" d="M0 5h{}"/>').format(len(counts))
    path = Markup('<path class="column" d="{}"/>').format(Markup(bars))
    body = frame.cells(ground + path, "columns")
    scale = Markup("").join(
        frame.text(frame.left - 6, frame.top + (5 - 5 * share) * frame.cell + 4, str(count), "end")
        for share, count in ((0.0, 0), (1.0, most))
    )
    return frame.svg(body + frame.numbers_below("layer") + scale, "columns", says)


def bar(share: float) -> Markup:
    """A share, 0 to 1, as a bar beside its number."""
    width = _short(100 * min(max(share, 0.0), 1.0))
    return Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8"/><rect class="fill" width="{}" height="8"/>'
        "</svg>"
    ).format(width)


def legend(kind: str = "c", levels: int = LEVELS) -> Markup:
    """The colour scale of scores, from 0 to 1; of effects, both ways from zero, as kind "e"."""
    cells = "".join(
        f'<rect class="{kind}{i}" x="{i * 8}" y="0" width="8.2" height="10"/>'
        for i in range(levels)
    )
    return Markup(
        '<svg class="legend" viewBox="0 0 {} 10" preserveAspectRatio="none" aria-hidden="true">'
        "{}</svg>"
    ).format(8 * levels, Markup(cells))


class _Frame:
    """Where the cells of a picture lie, and the words around them."""

    def __init__(
        self, columns: int, rows: int, *, left: float, top: float, below: float, cell: float
    ) -> None:
        self.columns, self.rows, self.cell = columns, rows, cell
        self.left, self.top, self.below = left, top, below

    def svg(self, body: Markup, kind: str, says: str, at: str = "") -> Markup:
        """The whole picture; ``at`` says to the script what it shows."""
        width = self.left + self.columns * self.cell + 8
        height = self.top + self.rows * self.cell + self.below
        about = (
            Markup(' data-of="{}" data-frame="{} {} {} {} {}"').format(
                at, *map(_short, (self.left, self.top, self.cell, self.columns, self.rows))
            )
            if at
            else Markup("")
        )
        return Markup(
            '<svg class="{}" viewBox="0 0 {} {}" width="{}" height="{}" role="img" '
            'aria-labelledby="{}"{}>{}</svg>'
        ).format(kind, *map(_short, (width, height, width, height)), says, about, body)

    def cells(self, paths: Markup, kind: str) -> Markup:
        """Paths in units of one cell."""
        place = " ".join(_short(v) for v in (self.left, self.top))
        return Markup('<g class="cells {}" transform="translate({}) scale({})">{}</g>').format(
            kind, place, f"{self.cell:.5g}", paths
        )

    def text(self, x: float, y: float, words: str, anchor: str = "middle") -> Markup:
        """A word beside the cells."""
        return Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
            _short(x), _short(y), anchor, words
        )

    def numbers_below(self, name: str) -> Markup:
        """Column numbers, and what they count."""
        y = self.top + self.rows * self.cell
        words = [
            self.text(self.left + (i + 0.5) * self.cell, y + 14, str(i))
            for i in range(0, self.columns, _every(self.columns, self.cell))
        ]
        middle = self.left + self.columns * self.cell / 2
        return Markup("").join([*words, self.text(middle, y + 29, name)])

    def number_axes(self, across: str, down: str) -> Markup:
        """Numbers along both sides."""
        words = [
            self.text(self.left - 6, self.top + (i + 0.5) * self.cell + 4, str(i), "end")
            for i in range(0, self.rows, _every(self.rows, self.cell))
        ]
        middle = self.top + self.rows * self.cell / 2
        name = Markup(
            '<text transform="translate(9 {}) rotate(-90)" text-anchor="middle">{}</text>'
        ).format(_short(middle), down)
        return self.numbers_below(across) + Markup("").join([*words, name])

    def token_axes(self, token_texts: Sequence[str]) -> Markup:
        """Tokens along both sides, as many as can be read."""
        pool = -(-len(token_texts) // self.rows)
        every = -(-self.rows // _MAX_LABELS)
        size = max(_MIN_TYPE_SIZE, min(11.0, self.cell * every * 0.9))
        words: list[Markup] = []
        for i in range(0, self.rows, every):
            name = _shortened(visible(token_texts[i * pool]), round(68 / (size * 0.6)))
            middle = (i + 0.5) * self.cell
            words.append(self.text(self.left - 5, self.top + middle + size * 0.35, name, "end"))
            words.append(
                Markup('<text transform="translate({} {}) rotate(-90)">{}</text>').format(
                    _short(self.left + middle + size * 0.35), _short(self.top - 5), name
                )
            )
        return Markup('<g class="tokens" font-size="{}">{}</g>').format(
            _short(size), Markup("").join(words)
        )


def _numbered(n_layers: int, rows: int) -> _Frame:
    """A frame for columns that are layers, with room for numbers."""
    return _Frame(n_layers, rows, left=30, top=8, below=38, cell=min(26, max(12, 312 / n_layers)))


def _levels(values: np.ndarray) -> np.ndarray:
    """Values 0 to 1 as levels; -1 for NaN."""
    filled = np.nan_to_num(values, nan=-1.0)
    return np.where(filled < 0, -1, np.rint(filled * (LEVELS - 1)).clip(0, LEVELS - 1)).astype(int)


def _paths(levels: np.ndarray, merged: bool = True, kind: str = "c") -> Markup:
    """One path for each level [row, column]; neighbours of one level in a row can be ``merged``."""
    found: dict[int, list[str]] = {}
    for y, row in enumerate(levels.tolist()):
        for x, length, level in _runs(row) if merged else ((x, 1, v) for x, v in enumerate(row)):
            if level >= -1:
                found.setdefault(level, []).append(f"M{x} {y}h{length}v1h-{length}z")
    return Markup("").join(
        Markup('<path class="{}" d="{}"/>').format(
            CANNOT if level < 0 else f"{kind}{level}", Markup("".join(found[level]))
        )
        for level in sorted(found)
    )


def _runs(row: Sequence[int]) -> Iterable[tuple[int, int, int]]:
    """Start, length and value of each run of equal values."""
    start = 0
    for x in range(1, len(row) + 1):
        if x == len(row) or row[x] != row[start]:
            yield start, x - start, row[start]
            start = x


def _every(count: int, cell: float) -> int:
    """Every how many cells a number fits."""
    return 1 if count <= 1 else -(-18 // round(cell))


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
