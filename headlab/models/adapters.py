"""A PEFT adapter (LoRA and its relatives), merged into the model that it was trained on.

Source: the folder's format is that of the package ``peft``, which is asked for when one is opened.
"""

import importlib.util
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headlab.errors import HeadlabError
from headlab.models.hub import find_model

FACTS, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
LEFT_OUT = (
    "An adapter lies beside the weights and was left out: to see it at work, install the package "
    "peft (`python -m pip install 'headlab[peft]'`) and open the folder again."
)


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no model of its own."""
    return has_adapter(folder) and not (folder / "config.json").is_file()


def has_adapter(folder: Path) -> bool:
    """Whether an adapter lies in a folder at all."""
    return (folder / FACTS).is_file()


def can_merge() -> bool:
    """Whether the package that reads adapters is there."""
    return importlib.util.find_spec("peft") is not None


@contextmanager
def without_adapter(folder: Path) -> Iterator[Path]:
    """A folder with the model alone: transformers would begin to apply an adapter beside it."""
    if not has_adapter(folder) or is_adapter(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="headlab-") as name:
        for path in folder.iterdir():
            if path.is_file() and not path.name.startswith("adapter_"):
                try:
                    os.symlink(path.resolve(), Path(name) / path.name)
                except OSError:  # where links are not allowed
                    shutil.copy(path, Path(name) / path.name)
        yield Path(name)


def base_folder(folder: Path) -> Path:
    """The folder of the model that an adapter belongs to; HeadlabError where it is not here."""
    if not can_merge():
        raise HeadlabError(
            f"{folder} is a PEFT adapter, and to read it takes the package peft: install it with "
            "`python -m pip install 'headlab[peft]'`."
        )
    if not (folder / WEIGHTS).is_file():
        raise HeadlabError(
            f"{folder} has no {WEIGHTS}: save the adapter with save_pretrained(folder), which "
            "writes it."
        )
    try:
        name = json.loads((folder / FACTS).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HeadlabError(
            f"{folder / FACTS} does not name the model that the adapter belongs to: write it there "
            "as base_model_name_or_path."
        ) from error
    found = find_model(str(name))
    for place in (found, Path(str(name)), folder / str(name)):
        if place is not None and (place / "config.json").is_file():
            return place
    raise HeadlabError(
        f"{folder} is an adapter of {name}, which is not on this machine: download that first "
        f"(`python -m headlab models --download {name}`)."
    )


def merged(network: Any, folder: Path) -> Any:
    """The network with an adapter's changes added to its weights."""
    from peft import PeftModel

    try:
        with warnings.catch_warnings(action="ignore"):  # they are for peft's authors
            adapted = PeftModel.from_pretrained(network, str(folder), local_files_only=True)
            return adapted.merge_and_unload().eval()
    except Exception as error:
        raise HeadlabError(
            f"The adapter in {folder} does not fit the model that it names, or is damaged: copy "
            "the folder again."
        ) from error
