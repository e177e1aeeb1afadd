"""Letters and colours of labels: told apart, and seen on both pages."""

import re
import tomllib
from pathlib import Path

import pytest

from headlab.behaviours import behaviours
from headlab.figures.labels import INK, NO_LABEL, label_colour, label_letters, label_order

ROOT = Path(__file__).resolve().parents[2]
THEME = tomllib.loads((ROOT / ".streamlit/config.toml").read_text(encoding="utf-8"))["theme"]


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, 0 to 1 (WCAG 2)."""
    parts = [int(part, 16) / 255 for part in re.findall("..", colour[1:])]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_label_has_its_own_letters_and_colour():
    names = label_order()
    assert len({label_letters(name) for name in names}) == len(names)
    assert len({label_colour(name) for name in names}) == len(names)


@pytest.mark.parametrize("page", ["light", "dark"])
def test_colours_are_seen_on_the_page_and_letters_on_them(page):
    for name in behaviours():
        assert contrast(label_colour(name), THEME[page]["backgroundColor"]) >= 3, name
        assert contrast(label_colour(name), INK) >= 4.5, name
    assert contrast(NO_LABEL, THEME[page]["backgroundColor"]) >= 3
