"""An exercise sheet as one page for paper, with room to answer, or with the answers."""

from html import escape

from headlab.exercises.context import MeasurementContext
from headlab.exercises.prepared import PreparedQuestion
from headlab.exercises.questions import prepare
from headlab.exercises.record import SURE_WORDS
from headlab.exercises.sheets import Sheet
from headlab.languages import gettext as _
from headlab.languages import is_right_to_left, speaking
from headlab.profiles.corpus import Row

MANY = 16  # answers to choose from; more are left to be written down
STYLE = """
body { font: 12pt/1.45 Georgia, serif; margin: 2cm auto; max-width: 17cm; color: #000; }
h1 { font-size: 18pt; margin: 0; } h2 { font-size: 13pt; margin: 18pt 0 4pt; break-after: avoid; }
p { margin: 3pt 0; } .line { border-bottom: 1px solid #888; height: 20pt; }
.step { break-inside: avoid; } .text { font-style: italic; } .key { border-left: 3pt solid #000;
  padding-left: 8pt; } .head { display: flex; justify-content: space-between; }
@page { margin: 1.8cm; } @media print { body { margin: 0; max-width: none; } }
"""


def worksheet(sheet: Sheet, lab: MeasurementContext, key: bool = False) -> str:
    """HTML of a sheet on the model of ``lab``: for learners, or with ``key`` for their teacher."""
    with speaking(sheet.language):
        return _page(sheet, lab, key)


def _page(sheet: Sheet, lab: MeasurementContext, key: bool) -> str:
    steps = "".join(
        f'<section class="step"><h2>{number}. {escape(step.title)}</h2>'
        f"{_question(prepare(step.question, lab), key)}"
        f"{'' if key else _lines(_('What do you see?'), 2) + _lines(_('Why?'), 2)}"
        f"<p><b>{escape(_('Does it carry over?'))}</b></p>"
        f"{_question(prepare(step.transfer, lab), key)}</section>"
        for number, step in enumerate(sheet.steps, 1)
    )
    start = lab.start_text or _("none")
    name = _("Answers") if key else _("Name:") + " ______________________"
    about = _("Model {model}, start token: {start}; about {minutes} minutes.")
    direction = ' dir="rtl"' if is_right_to_left(sheet.language) else ""
    return (
        f'<!doctype html><html lang="{escape(sheet.language)}"{direction}><meta charset="utf-8">'
        f"<title>{escape(sheet.title)}</title><style>{STYLE}</style>"
        f'<div class="head"><h1>{escape(sheet.title)}</h1><span>{name}</span></div>'
        f"<p>{escape(sheet.goal)}</p>"
        f"<p>{escape(about.format(model=lab.model_name, start=start, minutes=sheet.minutes))}</p>"
        f"{steps}</html>\n"
    )


def _question(prepared: PreparedQuestion, key: bool) -> str:
    asked = prepared.askable
    if not asked.options:
        not_asked = _("Not asked on this model: {why}").format(why=asked.why)
        return f"<p>{escape(not_asked)}</p>"
    parts = [f"<p>{escape(asked.ask)}</p>"]
    if asked.question.text.words:
        parts.append(f'<p class="text">{escape(asked.question.text.words)}</p>')
    parts += [
        f'<p class="text">{_passage(row, at != asked.covered or key)}</p>'
        for at, row in enumerate(asked.passages)
    ]
    if key:
        assert asked.key is not None
        not_graded = _(" (not graded: {why})").format(why=asked.key.why)
        graded = "" if asked.key.graded else not_graded
        parts.append(f'<p class="key">{escape(asked.key.text + graded)}</p>')
    elif len(asked.options) <= MANY:
        boxes = "&emsp; ".join(f"☐ {escape(option.text)}" for option in asked.options)
        parts.append(f"<p>{boxes}</p>")
    else:
        parts.append('<div class="line"></div>')
    if not key:
        levels = " ".join(f"☐ {escape(_(level))}" for level in SURE_WORDS.values())
        parts.append(f"<p>{escape(_('How sure are you?'))} {levels}</p>")
    return "".join(parts)


def _passage(row: Row, keys: bool) -> str:
    """A passage for paper: the token that looks in brackets, what it looks at most underlined."""
    words = [escape(text) for text in row.texts]
    words[row.query - row.begin] = f"<b>[{words[row.query - row.begin].strip()}]</b>"
    if keys:
        words[row.keys[0] - row.begin] = f"<u>{words[row.keys[0] - row.begin]}</u>"
    return "".join(words)


def _lines(words: str, n: int) -> str:
    return f"<p>{escape(words)}</p>" + '<div class="line"></div>' * n
