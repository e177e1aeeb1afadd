"""Where the files lie that are no Python: in the project's folder, or in an installed package."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def app_folder() -> Path:
    """The folder that holds ``streamlit_app.py``, ``pages``, ``prompts`` and ``requirements.txt``.

    The wheel carries them as ``headlab/_app`` (pyproject.toml); in the project they lie beside the
    package.
    """
    installed = _PACKAGE / "_app"
    return installed if installed.is_dir() else _PACKAGE.parent
