"""How a result shows itself in a notebook: a title, a few facts, the beginning of its table."""

from html import escape
from typing import Any

ROWS = 10


def card(title: str, facts: str, table: Any = None) -> str:
    """HTML of a result; ``table``, a data frame, is cut to its first ``ROWS`` lines.

    Colours are left to the page, so that it reads on light and dark ones.
    """
    shown, more = "", ""
    if table is not None:
        shown = table.head(ROWS).to_html(index=False, border=0, float_format="{:.3f}".format)
        if len(table) > ROWS:
            more = f"<p>{len(table) - ROWS:,} more lines: <code>.to_frame()</code></p>"
    return f"<div><p><b>{escape(title)}</b><br>{escape(facts)}</p>{shown}{more}</div>"


class InNotebook:
    """A result that shows what it is of, and the beginning of its table."""

    def _repr_html_(self) -> str:
        known = [
            f"{words}{value}"
            for words, name in (("", "model_name"), ("start token ", "start_text"), ("", "text"))
            if (value := getattr(self, name, None)) is not None
        ]
        find = getattr(self, "to_frame", None)
        return card(type(self).__name__, " · ".join(known), None if find is None else find())
