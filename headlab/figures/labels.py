"""How a label is drawn: its letters and its colour, the same in every figure, page and report.

Colours go by label order. Each is at least 3:1 against the light and the dark page, and dark ink
on it at least 4.5:1 (``tests/unit/test_labels.py`` computes both); letters say the same without it.
Resting labels are grey; a head without a label has no colour of its own.
"""

from headlab.behaviours import behaviours
from headlab.measuring.confidence import UNCLASSIFIED, label_title

INK = "#0c151e"  # what is written on a colour
NO_LABEL = "#8a929b"  # where something must be drawn for heads without a label
_SPECIFIC = (
    *("#5a8fc8", "#cf7a3e", "#4f9e73", "#c8719b", "#a08438"),
    *("#8b83d0", "#37989c", "#d06d66", "#7a9a3f", "#b374c2"),
)
_RESTING = ("#85909c", "#9c8b7f")


def label_order() -> list[str]:
    """Every label there is, in the order in which labels are decided."""
    return [*behaviours(), UNCLASSIFIED]


def label_letters(name: str) -> str:
    """Two letters for a label: "Previous token" is PT, "Induction" is In.

    >>> label_letters("previous_token"), label_letters("induction"), label_letters("unclassified")
    ('PT', 'In', '–')
    """
    if name == UNCLASSIFIED:
        return "–"
    words = label_title(name).split()
    return "".join(word[0].upper() for word in words[:2]) if len(words) > 1 else words[0][:2]


def label_colour(name: str) -> str:
    """The colour of a label as #rrggbb."""
    if name == UNCLASSIFIED:
        return NO_LABEL
    about = behaviours()
    alike = [each for each in about if about[each].resting == about[name].resting]
    colours = _RESTING if about[name].resting else _SPECIFIC
    return colours[alike.index(name) % len(colours)]
