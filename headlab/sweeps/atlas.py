"""When each kind of head appears: a sweep drawn as one offline HTML file."""

import math
from html import escape

import numpy as np
import pandas as pd

from headlab.behaviours import get_behaviour
from headlab.sweeps.cells import Cells, onsets
from headlab.sweeps.running import CELLS

WIDTH, HEIGHT, EDGE = 300, 150, 28  # pixels of one panel, and the room for its axes
COLOURS = ("#2f6690", "#c9822b", "#3f8f6b", "#9c4f6e", "#6b6fb5", "#7a7a6c")
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem;
  color: #0c151e; background: #fbfcfd; }
.panels { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
table { border-collapse: collapse; } th, td { padding: 2px 12px 2px 0; text-align: left; }
svg text { font-size: 10px; fill: currentColor; } .axis { stroke: currentColor; opacity: .4; }
@media (prefers-color-scheme: dark) {
  body { color: #e4eaf0; background: #10171f; } a { color: #8cc1e8; }
}
"""


def atlas_html(cells: Cells) -> str:
    """The atlas of what is measured so far; HeadlabError where nothing is."""
    best = cells.best()
    names = {(cell.model, cell.revision): cell.key for cell in cells.done}
    models = list(best["model"].unique())
    colours = {model: COLOURS[at % len(COLOURS)] for at, model in enumerate(models)}
    legend = " ".join(
        f'<span style="color:{colour}">■</span> {escape(model)}'
        for model, colour in colours.items()
    )
    panels = "".join(
        _panel(str(behaviour), table, colours, names)
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
<p>Each panel shows one behaviour: the highest score of any head, 0 to 1, with its 95 % interval
over the probe texts, at every revision measured ({len(cells.done)} of {len(cells.plan.cells)}).
A point opens the profile that it comes from.</p>
<p>{legend}</p>
<div class="panels">{panels}</div>
<h2>Onsets</h2>
<p>The first revision at which the best head's interval lies above that of the earliest revision.
Depth: 0 is the first layer, 1 the last.</p>
{_table(onsets(best))}
{f"<h2>Not measured</h2><ul>{failed}</ul>" if failed else ""}
</html>
"""


def _panel(
    behaviour: str,
    table: pd.DataFrame,
    colours: dict[str, str],
    names: dict[tuple[str, str], str],
) -> str:
    """One behaviour over the steps of every model."""
    places = _places(table)
    parts = [
        f'<line class="axis" x1="{EDGE}" y1="{_y(v)}" x2="{WIDTH}" y2="{_y(v)}"/>'
        f'<text x="{EDGE - 4}" y="{_y(v) + 3}" text-anchor="end">{v:g}</text>'
        for v in (0, 0.5, 1)
    ]
    for model, lines in table.groupby("model", sort=False):
        ordered = lines.assign(x=[places[index] for index in lines.index]).sort_values("x")
        colour = colours[str(model)]
        points = " ".join(f"{row.x:.1f},{_y(row.score):.1f}" for row in ordered.itertuples())
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        for row in ordered.itertuples():
            low, high = (_y(value) for value in (row.low, row.high))
            at = row.revision or "as it is"
            says = f"{row.model}, {at}: {row.head} {row.score:.2f} ({row.passing} heads pass)"
            interval = (
                ""
                if math.isnan(row.low)
                else f'<line x1="{row.x:.1f}" x2="{row.x:.1f}" y1="{low:.1f}" y2="{high:.1f}" '
                f'stroke="{colour}" stroke-width="3" opacity=".35"/>'
            )
            parts.append(
                f'<a href="{CELLS}/{names[row.model, row.revision]}.json">{interval}'
                f'<circle cx="{row.x:.1f}" cy="{_y(row.score):.1f}" r="3" fill="{colour}">'
                f"<title>{escape(says)}</title></circle></a>"
            )
    ends = sorted(set(table["step"].dropna().astype(int)))
    if len(ends) > 1:
        below = HEIGHT - 6
        parts.append(f'<text x="{EDGE}" y="{below}">step {ends[0]:,}</text>')
        parts.append(f'<text x="{WIDTH}" y="{below}" text-anchor="end">{ends[-1]:,}</text>')
    title = get_behaviour(behaviour).title
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg width="{WIDTH + 6}" '
        f'height="{HEIGHT}" role="img" aria-label="{escape(title)}: best score by step">'
        f"{''.join(parts)}</svg></figure>"
    )


def _places(table: pd.DataFrame) -> dict[int, float]:
    """The x of every line: steps on a logarithmic axis, else in their order."""
    steps = table["step"].astype(float).to_numpy()
    values = np.log1p(steps) if not np.isnan(steps).any() else np.arange(len(table), dtype=float)
    low, span = values.min(), max(values.max() - values.min(), 1e-9)
    shares = (values - low) / span if values.max() > low else np.full(len(values), 0.5)
    room = WIDTH - EDGE - 8
    return {
        index: EDGE + 4 + room * share for index, share in zip(table.index, shares, strict=True)
    }


def _y(value: float) -> float:
    """From a score to pixels from the top."""
    return 8 + (1 - value) * (HEIGHT - EDGE - 8)


def _table(found: pd.DataFrame) -> str:
    if found.empty:
        return "<p>No behaviour rises above its start yet.</p>"
    heads = "".join(f"<th>{escape(name)}</th>" for name in found.columns)
    rows = "".join(
        f"<tr><td>{escape(str(row.model))}</td><td>"
        f"{escape(get_behaviour(str(row.behaviour)).title)}</td><td>{row.step:,}</td>"
        f"<td>{row.score:.2f}</td><td>{row.depth:.2f}</td></tr>"
        for row in found.itertuples()
    )
    return f"<table><tr>{heads}</tr>{rows}</table>"
