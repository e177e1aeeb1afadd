"""The pages in order, and links that carry the selection from one to the next."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from headlab.ui.services import state


@dataclass(frozen=True)
class Page:
    """One page: its file, its name for people, its icon and the group it stands in."""

    path: str
    title: str
    icon: str
    group: str


PAGES = {
    "Start": Page("streamlit_app.py", "Start", ":material/home:", ""),
    "Layers": Page("pages/Layers.py", "Layers", ":material/grid_view:", "Look"),
    "Head": Page("pages/Head.py", "Head", ":material/center_focus_strong:", "Look"),
    "Your_text": Page("pages/Your_text.py", "Your text", ":material/edit_note:", "Look"),
    "Rankings": Page("pages/Rankings.py", "Rankings", ":material/leaderboard:", "Look"),
    "Cause": Page("pages/Cause.py", "Cause", ":material/healing:", "Look"),
    "Circuit": Page("pages/Circuit.py", "Circuit", ":material/account_tree:", "Look"),
    "Detector": Page("pages/Detector.py", "Detector", ":material/brush:", "Look"),
    "Compare": Page("pages/Compare.py", "Compare", ":material/compare_arrows:", "Look"),
    "Predict": Page("pages/Predict.py", "Predict", ":material/quiz:", "Learn"),
    "Report": Page("pages/Report.py", "Report", ":material/description:", "Learn"),
    "Glossary": Page("pages/Glossary.py", "Glossary", ":material/menu_book:", "Learn"),
    "Class": Page("pages/Class.py", "Class", ":material/groups:", "Teach"),
    "Models": Page("pages/Models.py", "Models", ":material/deployed_code:", "Set up"),
}


def page_link(name: str, label: str | None = None, **changes: Any) -> None:
    """A link to a page of :data:`PAGES` that carries the selection, with ``changes`` made to it."""
    page = PAGES[name]
    selection, _ = state.current()
    st.page_link(
        page.path,
        label=label or page.title,
        icon=page.icon,
        query_params=selection.with_changes(**changes).as_query(),
    )


def open_page(name: str, **changes: Any) -> None:
    """Go to a page of :data:`PAGES` with ``changes`` made to the selection."""
    selection, _ = state.current()
    st.switch_page(PAGES[name].path, query_params=selection.with_changes(**changes).as_query())


def draw_navigation() -> None:
    """The sidebar: every page, in groups."""
    group = ""
    for name, page in PAGES.items():
        if page.group != group:
            group = page.group
            st.caption(group)
        page_link(name)
