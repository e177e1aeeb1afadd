"""Gather the words that pages say around exercise sheets, and compile the catalogues.

    PYTHONPATH=. python scripts/translations.py

Words are marked with ``_``, ``ngettext`` or ``N_`` (headlab/languages.py). New ones come into
``headlab/locales/LANGUAGE.po`` without a translation: write it there, and run this again.
``tests/unit/test_languages.py`` says what is missing.
"""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from headlab.__version__ import __version__
from headlab.languages import LOCALES, TRANSLATED

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("headlab", "pages")


def gathered() -> Catalog:
    """Every marked message, with the file that says it."""
    found = Catalog(charset="utf-8")
    for folder in FOLDERS:
        for name, _line, message, _comments, _context in extract_from_dir(
            ROOT / folder, method_map=[("**.py", "python")]
        ):
            if name.replace("\\", "/").endswith("languages.py"):
                continue
            place = f"{folder}/{name}".replace("\\", "/")
            found.add(message, locations=[(place, None)])
    return found


def main() -> None:
    """Bring every catalogue up to date and compile it."""
    LOCALES.mkdir(exist_ok=True)
    messages = gathered()
    for language in TRANSLATED:
        path = LOCALES / f"{language}.po"
        if path.exists():
            with path.open("rb") as file:
                catalogue = read_po(file, locale=language)
        else:
            catalogue = Catalog(locale=language, charset="utf-8")
        messages.creation_date = catalogue.creation_date  # no change where no word has changed
        catalogue.update(messages, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        catalogue.project, catalogue.version, catalogue.fuzzy = "headlab", __version__, False
        catalogue.header_comment = f"# headlab around exercise sheets: {language}"
        with path.open("wb") as file:
            write_po(file, catalogue, width=100, sort_output=True, omit_header=False)
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalogue)
        missing = sum(not message.string for message in catalogue if message.id)
        print(f"{path.relative_to(ROOT)}: {len(catalogue)} messages, {missing} without translation")


if __name__ == "__main__":
    main()
