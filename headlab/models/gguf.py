"""A GGUF file becomes a folder of safetensors, once; from then on it opens like any other.

Source: the format is llama.cpp's; transformers reads it with the package ``gguf``.
"""

import copy
import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from headlab.errors import HeadlabError
from headlab.models.hf import AutoModelForCausalLM, AutoTokenizer, modeling_gguf_pytorch_utils
from headlab.models.memory import enough_memory
from headlab.models.quiet import quiet_transformers
from headlab.places import cache_folder

NOTE = "converted.json"  # beside the weights: what they were made of
PRECISE = {"F32", "BF16"}  # types whose numbers float16 would change


def gguf_file(path: Path) -> Path | None:
    """The GGUF file that a path names: itself, or the one of a folder without config.json."""
    if path.is_file():
        return path if path.suffix.lower() == ".gguf" else None
    if not path.is_dir() or (path / "config.json").exists():
        return None
    found = sorted(each for each in path.iterdir() if each.suffix.lower() == ".gguf")
    if len(found) > 1:
        raise HeadlabError(
            f"{path} holds {len(found)} GGUF files ({', '.join(each.name for each in found[:4])}): "
            "name the one to open."
        )
    return found[0] if found else None


def converted(file: Path) -> Path:
    """The folder of safetensors made of a GGUF file, converted if that has not been done yet."""
    facts = file.stat()
    known = f"{file.resolve()} {facts.st_size} {facts.st_mtime_ns}"
    digest = hashlib.sha256(known.encode()).hexdigest()[:12]
    target = cache_folder() / "models" / digest / file.stem
    if not (target / NOTE).is_file():
        convert(file, target)
    return target


def convert(file: Path, target: Path) -> None:
    """Write ``file`` as safetensors, tokenizer and configuration into ``target``, whole or not.

    Numbers that were rounded to 16 bits or fewer are kept as float16, others as float32. Raises
    HeadlabError where the file cannot be read, and OSError where ``target`` cannot be written.
    """
    missing = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise HeadlabError(
            f"{file.name} is a GGUF file, and to read it takes the package {missing[0]}: install "
            f"it with `python -m pip install {' '.join(missing)}`."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".converting-") as name:
        part = Path(name) / "model"
        with enough_memory():
            types = _write(file, part)
        note = {"file": file.name, "types": types}
        (part / NOTE).write_text(json.dumps(note), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        try:
            os.replace(part, target)
        except OSError:
            if not (target / NOTE).is_file():  # else another process was faster
                raise


def _write(file: Path, folder: Path) -> list[str]:
    """Save what ``file`` holds into ``folder``; returns the types of its matrices."""
    try:
        types = _types(file)
        with quiet_transformers(), _no_bar():
            network = AutoModelForCausalLM.from_pretrained(
                file.parent, gguf_file=file.name, dtype=torch.float32, local_files_only=True
            )
            tokenizer = AutoTokenizer.from_pretrained(
                file.parent, gguf_file=file.name, local_files_only=True
            )
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise HeadlabError(
            f"{file} cannot be read as a GGUF model (damaged, incomplete, or of a kind that "
            "transformers does not read): copy it again, or take the model as safetensors."
        ) from error
    config = copy.deepcopy(network.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain: Any = AutoModelForCausalLM.from_config(config)  # one that knows nothing of GGUF
    plain.load_state_dict(network.state_dict())
    with quiet_transformers():
        plain.to(torch.float32 if PRECISE & set(types) else torch.float16).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return types


@contextmanager
def _no_bar() -> Iterator[None]:
    """Without the bar that transformers draws for every tensor, past its own settings."""
    before = modeling_gguf_pytorch_utils.tqdm
    modeling_gguf_pytorch_utils.tqdm = lambda tensors, **_: tensors
    try:
        yield
    finally:
        modeling_gguf_pytorch_utils.tqdm = before


def _types(file: Path) -> list[str]:
    """The types of the matrices in a GGUF file, the most frequent first: ``["Q4_1", "F16"]``."""
    from gguf import GGUFReader

    names = [each.tensor_type.name for each in GGUFReader(file).tensors if len(each.shape) > 1]
    return sorted(set(names), key=lambda name: (-names.count(name), name))


def conversion_notice(folder: Path) -> str:
    """What the person who opens a converted folder should know, or nothing."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        return (
            f"Converted from {note['file']}, whose numbers are stored as {', '.join(note['types'])}"
            ": what you see is the model after that rounding."
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""
