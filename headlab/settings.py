"""Every ``HEADLAB_*`` variable of the environment: one table, one place that reads it.

Imports only the standard library, so that ``python start.py`` can check the settings before it
starts a server: ``python headlab/settings.py`` prints a sentence for each mistake.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PUBLIC_MAX_TOKENS = 1024
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Setting:
    """One variable: what it means, what holds without it, which values it takes."""

    name: str
    meaning: str
    default: str
    takes: str  # completes "set it to ..."
    valid: Callable[[str], bool]
    secret: bool = False  # its value is never printed


def _is_folder(word: str) -> bool:
    return os.path.isdir(os.path.expanduser(word))


def _is_folder_or_new(word: str) -> bool:
    return _is_folder(word) or not os.path.exists(os.path.expanduser(word))


def _is_store(word: str) -> bool:
    if "://" in word:
        return word.startswith(("postgresql://", "postgres://"))
    return not os.path.isdir(os.path.expanduser(word))


def _is_length(word: str) -> bool:
    return word.isascii() and word.isdigit() and 128 <= int(word[:9]) <= 1_000_000


def _is_megabytes(word: str) -> bool:
    return word.isascii() and word.isdigit() and 16 <= int(word[:9]) <= 100_000


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            name="HEADLAB_PUBLIC",
            meaning="A server for strangers: only models of the catalogue that have safetensors "
            "weights and take at most 2 GB, no folders.",
            default="0; `start.py serve` sets 1",
            takes="1 or 0",
            valid=lambda word: word in ("0", "1"),
        ),
        Setting(
            name="HEADLAB_CACHE",
            meaning="The folder in which measured profiles are kept. Several servers may share it.",
            default="headlab in the system's cache folder",
            takes="a folder that exists or can be made",
            valid=_is_folder_or_new,
        ),
        Setting(
            name="HEADLAB_SHEETS",
            meaning="A folder with your own exercise sheets, offered beside ours.",
            default="none",
            takes="a folder that exists",
            valid=_is_folder,
        ),
        Setting(
            name="HEADLAB_TEXTS",
            meaning="A folder with guided texts of your own, and pairs of texts in a folder pairs "
            "inside it, offered beside ours.",
            default="none",
            takes="a folder that exists",
            valid=_is_folder,
        ),
        Setting(
            name="HEADLAB_BEHAVIOURS",
            meaning="A folder with behaviours of your own, one Python file each, scored beside "
            "ours. Their code runs here: a public server takes none.",
            default="none",
            takes="a folder that exists",
            valid=_is_folder,
        ),
        Setting(
            name="HEADLAB_MEMORY",
            meaning="Megabytes for readings and pictures that learners share; what was not used "
            "for longest goes first. Models come on top.",
            default="256",
            takes="a whole number from 16 to 100000",
            valid=_is_megabytes,
        ),
        Setting(
            name="HEADLAB_MAX_TOKENS",
            meaning="The longest text that is read, in tokens; a model may read fewer.",
            default="1024 on a public server, else what the model reads",
            takes="a whole number from 128 to 1000000",
            valid=_is_length,
        ),
        Setting(
            name="HEADLAB_LOG_LEVEL",
            meaning="How much is logged. `--log-level` says the same for one command.",
            default="INFO",
            takes=f"one of {', '.join(LEVELS)}",
            valid=lambda word: word.upper() in LEVELS,
        ),
        Setting(
            name="HEADLAB_STORE",
            meaning="The file in which rooms keep what their learners hand in, until they end, or "
            "the address of a PostgreSQL database for it. Several servers may share one.",
            default="rooms.sqlite in the cache folder",
            takes="a file that exists or can be made, or postgresql://user:password@host/database",
            valid=_is_store,
            secret=True,
        ),
        Setting(
            name="HEADLAB_TEACHER",
            meaning="The word with which a teacher opens rooms on a server for strangers. Several "
            "servers behind one address need the same.",
            default="none; `start.py serve` makes one up and prints it",
            takes="a word of 8 to 100 characters that nobody guesses",
            valid=lambda word: 8 <= len(word.strip()) <= 100,
            secret=True,
        ),
        Setting(
            name="HEADLAB_ROOM",
            meaning="The address at which a room reaches this server, shown with its QR code on "
            "the start page.",
            default="none; `start.py serve` finds it",
            takes="an address such as http://192.168.1.20:8501",
            valid=lambda word: word.startswith(("http://", "https://")) and len(word) <= 200,
        ),
    )
}


def problems(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence for each setting that cannot be meant as it is, and for each unknown one."""
    found = []
    for name, word in sorted(environment.items()):
        if name in SETTINGS and word and not SETTINGS[name].valid(word):
            value = "not as it should be" if SETTINGS[name].secret else repr(word)
            found.append(f"{name} is {value}: set it to {SETTINGS[name].takes}.")
        elif name.startswith("HEADLAB_") and name not in SETTINGS:
            found.append(f"There is no setting {name}: take one of {', '.join(SETTINGS)}.")
    return found


def is_set(name: str) -> bool:
    """Whether a setting of the table is given at all."""
    return bool(_value(name))


def public() -> bool:
    """Whether this is a server for strangers; anything but 0 and nothing says yes."""
    return _value("HEADLAB_PUBLIC") not in ("", "0")


def cache() -> Path | None:
    """The folder for profiles, if one is named."""
    return _folder("HEADLAB_CACHE")


def sheets() -> Path | None:
    """The folder of one's own sheets, if one is named."""
    return _folder("HEADLAB_SHEETS")


def texts() -> Path | None:
    """The folder of one's own guided texts, if one is named."""
    return _folder("HEADLAB_TEXTS")


def behaviours() -> Path | None:
    """The folder of one's own behaviours, if one is named."""
    return _folder("HEADLAB_BEHAVIOURS")


def memory() -> int:
    """Bytes for what learners share."""
    word = _value("HEADLAB_MEMORY")
    return (int(word) if _is_megabytes(word) else 256) * 1_000_000


def max_tokens() -> int | None:
    """The longest text that is read, in tokens, or None for what the model reads."""
    word = _value("HEADLAB_MAX_TOKENS")
    if _is_length(word):
        return int(word)
    return PUBLIC_MAX_TOKENS if public() else None


def log_level(otherwise: str = "INFO") -> str:
    """How much is logged."""
    word = _value("HEADLAB_LOG_LEVEL").upper()
    return word if word in LEVELS else otherwise


def store() -> str:
    """The file or the database of the rooms, or nothing."""
    word = _value("HEADLAB_STORE")
    return word if "://" in word else os.path.expanduser(word)


def teacher() -> str:
    """The word with which rooms are opened on a server for strangers, or nothing."""
    word = _value("HEADLAB_TEACHER").strip()
    return word if SETTINGS["HEADLAB_TEACHER"].valid(word) else ""


def room() -> str:
    """The address for the room, or nothing."""
    word = _value("HEADLAB_ROOM")
    return word if SETTINGS["HEADLAB_ROOM"].valid(word) else ""


def _value(name: str) -> str:
    return os.environ.get(SETTINGS[name].name, "")


def _folder(name: str) -> Path | None:
    word = _value(name)
    return Path(os.path.expanduser(word)) if word else None


if __name__ == "__main__":
    sys.exit("\n".join(problems()) or 0)
