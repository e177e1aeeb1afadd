"""Translations: complete, with the same placeholders, compiled as they stand; English without."""

import io
import string
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from headlab import HeadlabError, load_model
from headlab.cli import main
from headlab.exercises import MeasurementContext, prepare, read_sheet, sheets
from headlab.exercises.prepared import Key, grade
from headlab.exercises.worksheet import worksheet
from headlab.languages import LOCALES, TRANSLATED, gettext, ngettext, speak, speaking, spoken
from scripts.translations import gathered

ROOT = Path(__file__).resolve().parents[2]
RUN_AGAIN = "run scripts/translations.py and translate what is new"


def catalogue(language):
    with (LOCALES / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def placeholders(words):
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_word_is_translated_with_its_placeholders(language):
    ours = {str(m.id): m for m in gathered() if m.id}
    theirs = {str(m.id): m for m in catalogue(language) if m.id}
    assert set(ours) == set(theirs), RUN_AGAIN
    for message in theirs.values():
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        found = [message.string] if isinstance(message.string, str) else list(message.string)
        assert all(found), message.id
        for number, other in enumerate(found):  # languages have up to several plurals
            one = ids[min(number, len(ids) - 1)]
            assert placeholders(one) == placeholders(other), one
            assert one[:1].isspace() == other[:1].isspace() or one.startswith((",", ";")), one
            assert one.count("**") == other.count("**"), one


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_compiled_catalogue_is_that_of_the_words(language):
    made = io.BytesIO()
    write_mo(made, catalogue(language))
    assert (LOCALES / f"{language}.mo").read_bytes() == made.getvalue(), RUN_AGAIN


def test_a_language_is_spoken_where_it_was_asked_for():
    assert gettext("Why?") == "Why?"
    with speaking("de-AT"):
        assert spoken() == "de-AT" and gettext("Why?") == "Warum?"
        assert ngettext("{n} head", "{n} heads", 1).format(n=1) == "1 Kopf"
        assert grade(Key(("a",), "a", True), "b").sentence == "Es kam anders. Gemessen: a."
    with speaking("ar"):  # without a catalogue: English
        assert gettext("Why?") == "Why?"
    speak("fr")
    assert gettext("Why?") == "Pourquoi ?"
    speak("en")


def in_language(code):
    """A shipped sheet, as if it were written in another language."""
    source = (ROOT / "prompts" / "sheets" / "cat-twice.toml").read_text(encoding="utf-8")
    return read_sheet(f'language = "{code}"\n{source}', "translated")


@pytest.fixture(scope="module")
def lab():
    return MeasurementContext.of(load_model("mini"))


def test_answers_are_said_in_the_sheet_s_language_and_kept_by_their_values(lab):
    sheet = in_language("es")
    english = prepare(sheets()["cat-twice"].steps[0].question, lab)
    with speaking(sheet.language):
        spanish = prepare(sheet.steps[0].question, lab)
    assert [o.value for o in spanish.options] == [o.value for o in english.options]
    assert spanish.key.accepted == english.key.accepted
    page = worksheet(sheet, lab)
    assert '<html lang="es">' in page and "¿Qué ves?" in page
    assert '<html lang="ar" dir="rtl">' in worksheet(in_language("ar"), lab)


def test_what_is_no_language_is_a_mistake_of_the_sheet():
    with pytest.raises(HeadlabError, match="code of a language"):
        in_language("Deutsch!")


def test_a_text_that_mini_reads_as_scraps_is_told(tmp_path, capsys):
    source = (ROOT / "prompts" / "sheets" / "cat-twice.toml").read_text(encoding="utf-8")
    words = "Die Geschwindigkeitsbegrenzung gilt auf allen Autobahnen und Landstraßen Österreichs."
    german = source.replace("[texts]\n", f'[texts]\namt = "{words}"\n')
    (tmp_path / "strasse.toml").write_text(german, encoding="utf-8")
    assert main(["sheets", "check", str(tmp_path)]) == 0  # a doubt, no mistake
    told = capsys.readouterr().err
    assert "strasse: the text 'amt' has" in told and "for 9 words: mini reads English" in told
    assert main(["sheets", "check"]) == 0 and "reads English" not in capsys.readouterr().err
