"""When each kind of head appears: a sweep drawn as one offline HTML file."""

import math
from html import escape

import numpy as np
import pandas as pd

from headlab.behaviours import get_behaviour
from headlab.sweeps.cells import Cells, onsets
from headlab.sweeps.running import CELLS

WIDTH, HEIGHT, LOW, EDGE = 300, 150, 90, 28  # pixels of a panel's two parts; room for axes
COLOURS = ("#2f6690", "#c9822b", "#3f8f6b", "#9c4f6e", "#6b6fb5", "#7a7a6c")
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem;
  color: #0c151e; background: #fbfcfd; }
.panels { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
table { border-collapse: collapse; } th, td { padding: 2px 12px 2px 0; text-align: left; }
svg { display: block; } svg text { font-size: 10px; fill: currentColor; }
.axis line { stroke: currentColor; opacity: .4; } circle { r: 3px; fill: currentColor; }
polyline { fill: none; stroke: currentColor; }
.range { stroke: currentColor; stroke-width: 3; opacity: .35; }
@media (prefers-color-scheme: dark) {
  body { color: #e4eaf0; background: #10171f; } a { color: #8cc1e8; }
}
"""


def atlas_html(cells: Cells) -> str:
    """The atlas of what is measured so far; HeadlabError where nothing is."""
    best = cells.best()
    doors = {(cell.model, cell.revision): f"{CELLS}/{cell.key}.json" for cell in cells.done}
    models = list(best["model"].unique())
    colours = {model: COLOURS[at % len(COLOURS)] for at, model in enumerate(models)}
    legend = " ".join(
        f'<span style="color:{colour}">■</span> {escape(model)}'
        for model, colour in colours.items()
    )
    panels = "".join(
        f"<figure><figcaption>{escape(get_behaviour(str(behaviour)).title)}</figcaption>"
        f"{_best(table, colours, doors)}{_how_many(table, colours)}</figure>"
        for behaviour, table in best.groupby("behaviour", sort=False)
    )
    failed = "".join(
        f"<li>{escape(name)}: {escape(sentence)}</li>" for name, sentence in cells.failed.items()
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Atlas of attention heads</title><style>{STYLE}</style>
<h1>When does each kind of head appear?</h1>
<p>One panel for each behaviour, {len(cells.done)} of {len(cells.plan.cells)} revisions measured.
Above: the highest score of any head, 0 to 1, with its 95 % interval over the probe texts; a point
opens the profile that it comes from. Below: the share of all heads that pass the behaviour's
threshold.</p>
<p>{legend}</p>
<div class="panels">{panels}</div>
<h2>Onsets</h2>
<p>The first revision at which the best head's interval lies above that of the earliest revision.
Confirmed: so does its interval on prompts that did not choose it. Depth: 0 is the first layer, 1
the last.</p>
{_table(onsets(best))}
{f"<h2>Not measured</h2><ul>{failed}</ul>" if failed else ""}
</html>
"""


def _best(table: pd.DataFrame, colours: dict[str, str], doors: dict[tuple[str, str], str]) -> str:
    """The best score of one behaviour over the steps of every model, every point a door."""
    parts = []
    for model, lines in _in_order(table):
        points = [(row.x, _y(row.score)) for row in lines.itertuples()]
        ranges = "".join(
            f"M{row.x:.1f} {_y(row.low):.1f}V{_y(row.high):.1f}"
            for row in lines.itertuples()
            if not math.isnan(row.low)
        )
        circles = "".join(
            f'<a href="{doors[row.model, row.revision]}"><circle cx="{x:.1f}" cy="{y:.1f}"/>'
            f"<title>{escape(row.revision or 'as it is')}: {row.head} {row.score:.2f}</title></a>"
            for row, (x, y) in zip(lines.itertuples(), points, strict=True)
        )
        parts.append(
            f'<g style="color:{colours[model]}"><path class="range" d="{ranges}"/>'
            f"{_line(points)}{circles}</g>"
        )
    return _svg("best score", HEIGHT, 1.0, "".join(parts), table)


def _how_many(table: pd.DataFrame, colours: dict[str, str]) -> str:
    """The share of heads that pass, over the same steps."""
    shares = table["passing"] / table["heads"]
    top = float(np.ceil(10 * max(shares.max(), 0.01)) / 10)
    lines = "".join(
        f'<g style="color:{colours[model]}">'
        + _line([(r.x, _y(r.passing / r.heads / top, LOW)) for r in lines.itertuples()])
        + "</g>"
        for model, lines in _in_order(table)
    )
    return _svg("share of heads that pass", LOW, top, lines, table)


def _in_order(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The lines of every model by their place, which is put beside them as ``x``."""
    placed = table.assign(x=_places(table))
    return [(str(model), t.sort_values("x")) for model, t in placed.groupby("model", sort=False)]


def _line(points: list[tuple[float, float]]) -> str:
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _svg(says: str, height: int, top: float, marks: str, table: pd.DataFrame) -> str:
    """One drawing with its axes; ``top`` is what its upper end stands for."""
    axes = "".join(
        f'<line x1="{EDGE}" y1="{_y(v, height)}" x2="{WIDTH}" y2="{_y(v, height)}"/>'
        f'<text x="{EDGE - 4}" y="{_y(v, height) + 3}" text-anchor="end">{v * top:g}</text>'
        for v in (0, 0.5, 1)
    )
    ends = sorted(set(table["step"].dropna().astype(int)))
    if len(ends) > 1:
        axes += (
            f'<text x="{EDGE}" y="{height - 6}">step {ends[0]:,}</text>'
            f'<text x="{WIDTH}" y="{height - 6}" text-anchor="end">{ends[-1]:,}</text>'
        )
    return (
        f'<svg width="{WIDTH + 6}" height="{height}" role="img" aria-label="{says} by step">'
        f'<g class="axis">{axes}</g>{marks}</svg>'
    )


def _places(table: pd.DataFrame) -> np.ndarray:
    """The x of every line: steps on a logarithmic axis, else in their order."""
    steps = table["step"].astype(float).to_numpy()
    values = np.log1p(steps) if not np.isnan(steps).any() else np.arange(len(table), dtype=float)
    low, span = values.min(), max(values.max() - values.min(), 1e-9)
    shares = (values - low) / span if values.max() > low else np.full(len(values), 0.5)
    return np.asarray(EDGE + 4 + (WIDTH - EDGE - 8) * shares)


def _y(value: float, height: int = HEIGHT) -> float:
    """From a share of what is drawn, 0 to 1, to pixels from the top."""
    return 8 + (1 - value) * (height - EDGE - 8)


def _table(found: pd.DataFrame) -> str:
    if found.empty:
        return "<p>No behaviour rises above its start yet.</p>"
    heads = "".join(f"<th>{escape(name)}</th>" for name in found.columns)
    rows = "".join(
        f"<tr><td>{escape(str(row.model))}</td><td>"
        f"{escape(get_behaviour(str(row.behaviour)).title)}</td><td>{row.step:,}</td>"
        f"<td>{row.score:.2f}</td><td>{row.depth:.2f}</td>"
        f"<td>{'yes' if row.confirmed else 'no'}</td></tr>"
        for row in found.itertuples()
    )
    return f"<table><tr>{heads}</tr>{rows}</table>"
