"""Folders that people have: what can be looked past, and the one thing that stands in the way.

What is looked past is said in a sentence for the person who opens the model.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headlab.errors import HeadlabError
from headlab.models.hub import TOKENIZERS, find_model

POINTER = b"version https://git-lfs"  # how a file begins that Git LFS has not fetched
WRAPPED = ("_orig_mod.", "module.")  # what torch.compile and DataParallel put before names
UNWRAP = {r"^(?:(?:_orig_mod|module)\.)+": ""}
MOST_ADDED = 64  # special tokens that a tokenizer may have beyond the model's
QUANTISED = {  # the package that reads each
    "bitsandbytes": "bitsandbytes",
    "gptq": "gptqmodel",
    "awq": "gptqmodel",
    "aqlm": "aqlm",
    "hqq": "hqq",
    "compressed-tensors": "compressed-tensors",
    "torchao": "torchao",
}


def unquoted(name: str) -> str:
    """A name or path without the quotes and spaces that came along when it was copied."""
    name = name.strip()
    for quote in ("'", '"'):
        if len(name) > 1 and name.startswith(quote) and name.endswith(quote):
            name = name[1:-1].strip()
    return name


def check_files(folder: Path, weights: Sequence[Path]) -> None:
    """HeadlabError where a file of a model is missing, forbidden, or no more than a pointer."""
    absent = [path.name for path in weights if not path.exists()]
    if absent:
        raise HeadlabError(
            f"{folder} lacks {len(absent)} of its {len(weights)} weight files "
            f"({', '.join(absent[:3])}): copy them there too."
        )
    others = (folder / name for name in ("config.json", "tokenizer.json"))
    for path in (*weights, *(path for path in others if path.exists())):
        if not os.access(path, os.R_OK):
            raise HeadlabError(
                f"This user may not read {path}: change its rights (chmod a+r), or ask its owner."
            )
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise HeadlabError(
                    f"{path} is a pointer of Git LFS and not the file itself: run `git lfs pull` "
                    f"in {folder}, or download it again."
                )


def check_quantised(folder: Path, config: Any) -> None:
    """HeadlabError for weights that are stored in a packed form."""
    how = getattr(config, "quantization_config", None)
    if how is None:
        return
    facts = how if isinstance(how, dict) else how.to_dict()
    method = re.sub(
        r"[^\w-]",
        "",
        str(
            getattr(facts.get("quant_method"), "value", None)
            or facts.get("quant_method")
            or "unknown"
        ),
    )
    package = QUANTISED.get(method)
    taking = f" with the package {package}" if package else ""
    raise HeadlabError(
        f"The weights in {folder} are quantised ({method}), which headlab does not read: take the "
        f"model as it was before, or unpack it{taking} and save_pretrained."
    )


def name_mapping(weights: Sequence[Path]) -> dict[str, str] | None:
    """How names of weights are to be changed, where a wrapper stands before each."""
    wrapped = any(key.startswith(WRAPPED) for path in weights for key in _names(path))
    return UNWRAP if wrapped else None


def _names(path: Path) -> list[str]:
    """The names in the header of a safetensors file; none of what is damaged or a pickle."""
    if path.suffix != ".safetensors":
        return []
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            return list(json.loads(file.read(min(length, 100_000_000))))
    except (OSError, ValueError):
        return []


def has_tokenizer(folder: Path) -> bool:
    """Whether the files of a tokenizer lie there."""
    return any(all((folder / name).is_file() for name in files) for files in TOKENIZERS)


def tokenizer_home(folder: Path) -> tuple[Path, str]:
    """Where the tokenizer of a model lies, and a sentence where that is not with its weights.

    A checkpoint of a training run has it in the folder above, or in the model that it began with.
    """
    if has_tokenizer(folder):
        return folder, ""
    above = [folder.parent] if folder.name.startswith("checkpoint-") else []
    began = _began_with(folder)
    known = [found for found in (find_model(began), _as_folder(began)) if found is not None]
    for place in (*above, *known):
        if place != folder and has_tokenizer(place):
            return place, f"Its tokenizer was taken from {place}."
    return folder, ""


def _began_with(folder: Path) -> str:
    """What config.json names as the model that training began with, or nothing."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(found.get("_name_or_path") or "") if isinstance(found, dict) else ""


def _as_folder(name: str) -> Path | None:
    path = Path(name)
    return path if name and path.is_absolute() and path.is_dir() else None
