"""Where the files lie that are no Python: in the project's folder, or in an installed package."""

import os
import sys
from pathlib import Path

from headlab import settings

_PACKAGE = Path(__file__).parent


def app_folder() -> Path:
    """The folder that holds ``streamlit_app.py``, ``pages``, ``prompts`` and ``requirements.txt``.

    The wheel carries them as ``headlab/_app`` (pyproject.toml); in the project they lie beside the
    package.
    """
    installed = _PACKAGE / "_app"
    return installed if installed.is_dir() else _PACKAGE.parent


def cache_folder() -> Path:
    """Where profiles and converted models are kept: ``HEADLAB_CACHE``, else the system's place."""
    if (named := settings.cache()) is not None:
        return named
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "headlab"
