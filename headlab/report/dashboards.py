"""Every head over a corpus as a folder of plain pages: a start page, and one for each head."""

from html import escape
from pathlib import Path

from headlab.files import write_file
from headlab.heads import Head
from headlab.measuring.budget import SHARES
from headlab.models.tokens import visible
from headlab.profiles.corpus import CorpusLooks, Row
from headlab.profiles.profile import Profile

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 62rem;
  padding: 0 1rem; }
.seen { margin: 0 0 8px; }
.seen b { outline: 2px solid #c8591a; outline-offset: 1px; font-weight: 600; }
.seen i { font-style: normal; background: color-mix(in srgb, #3475a7 var(--s), transparent); }
small { opacity: .8; } table { border-collapse: collapse; } td, th { padding: 1px 8px 1px 0; }
"""


def row_html(row: Row, keys: bool = True) -> str:
    """One row as text: the query framed, its ``keys`` shaded by the share they get."""
    shares = dict(zip(row.keys, row.shares, strict=True)) if keys else {}
    parts = []
    for place, text in enumerate(row.texts, start=row.begin):
        word = escape(visible(text) if not text.strip() else text)
        share = shares.get(place, 0.0)
        if share >= 0.01:
            word = f'<i style="--s:{60 * share:.0f}%" title="{share:.1%}">{word}</i>'
        parts.append(f"<b>{word}</b>" if place == row.query else word)
    if not keys:
        return f'<p class="seen">{"".join(parts)}</p>'
    before = [
        f"“{escape(text.strip() or visible(text))}” {share:.0%}, {row.query - place} back"
        for place, text, share in zip(row.keys, row.key_texts, row.shares, strict=True)
        if place < row.begin and share >= 0.05
    ]
    further = f"; also {'; '.join(before)}" if before else ""
    return (
        f'<p class="seen">{"".join(parts)}<br><small>writes {row.strength:.2f}; first token '
        f"{row.first:.0%}{further}</small></p>"
    )


def write_dashboards(found: CorpusLooks, profile: Profile, folder: Path) -> int:
    """Write the pages; gives how many there are."""
    for head in found.rows:
        write_file(folder / f"{head}.html", _head_page(found, profile, head), make_folder=True)
    write_file(folder / "index.html", _start_page(found, profile), make_folder=True)
    return len(found.rows) + 1


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{body}</html>\n"
    )


def _head_page(found: CorpusLooks, profile: Profile, head: Head) -> str:
    kinds = dict.fromkeys(row.kind for row in found.of(head))
    shares = ", ".join(f"{words} {found.value[name][head]:.0%}" for name, words in SHARES.items())
    parts = [
        f'<p><a href="index.html">All heads</a></p><p><b>{escape(profile.sentence(*head))}</b></p>'
        f"<p>Its attention over the corpus: {escape(shares)}.</p>"
    ]
    for kind in kinds:
        title = "Where it writes most" if kind == "strongest" else f"At {kind} of what it writes"
        parts.append(f"<h2>{escape(title)}</h2>")
        parts += [row_html(row) for row in found.of(head) if row.kind == kind]
    return _page(f"{head} of {found.model_name}", "".join(parts))


def _start_page(found: CorpusLooks, profile: Profile) -> str:
    n_layers, n_heads = profile.label.shape
    rows = "".join(
        f"<tr><th>layer {layer}</th>"
        + "".join(
            f'<td><a href="{Head(layer, head)}.html">{escape(profile.label_text(layer, head))}</a>'
            "</td>"
            for head in range(n_heads)
        )
        + "</tr>"
        for layer in range(n_layers)
    )
    words = (
        f"<p>{found.n_tokens:,} tokens of {found.n_passages} passages, start token: "
        f"{escape(str(profile.start_text or 'none'))}. Each page shows where a head writes most, "
        "and at five lower levels, with what it looks at there.</p>"
    )
    return _page(f"The heads of {found.model_name} over a corpus", f"{words}<table>{rows}</table>")
