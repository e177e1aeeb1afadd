"""A name or a folder becomes a loaded model, or one sentence that says why not."""

import copy
import os
from pathlib import Path
from typing import Any

import torch

from headlab.errors import HeadlabError, unknown
from headlab.models.adapters import (
    LEFT_OUT,
    base_folder,
    can_merge,
    has_adapter,
    is_adapter,
    merged,
    without_adapter,
)
from headlab.models.catalogue import CATALOGUE, check_offered, is_public
from headlab.models.folders import (
    MOST_ADDED,
    check_files,
    check_quantised,
    has_tokenizer,
    name_mapping,
    tokenizer_home,
    unquoted,
)
from headlab.models.gguf import converted, gguf_file
from headlab.models.hf import CAUSAL_MODELS, AutoConfig, AutoModelForCausalLM
from headlab.models.hub import can_be_fetched, find_model, weight_files
from headlab.models.loaded import LoadedModel
from headlab.models.memory import check_memory, free_memory, needed_memory
from headlab.models.proof import examine
from headlab.models.quiet import quiet_transformers
from headlab.models.tokenizer_files import read_tokenizer

MAX_SHOWN_LENGTH = 200  # characters of a name that an error repeats
_PICKLED = (
    "The weights are published as a pickle only; they were read with the loader that takes numbers "
    "from it and runs nothing."
)

_CHOSEN_FOLDERS: set[str] = set()


def choose_folder(folder: str) -> None:
    """Let addresses name a folder that a person on this machine has chosen."""
    _CHOSEN_FOLDERS.add(folder)


def is_known(name: str) -> bool:
    """Whether an address may name this model.

    A link from elsewhere must not make headlab look into folders or ask the hub, so it is one of
    the catalogue, one that was downloaded, or a folder that was chosen here before.
    """
    if name in CATALOGUE:
        return True
    return not is_public() and (name in _CHOSEN_FOLDERS or find_model(name) is not None)


def load_model(
    name_or_folder: str | Path | Any,
    tokenizer: Any = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
) -> LoadedModel:
    """Load a model of the catalogue, one of the hub that was downloaded, or a local folder.

    A network of transformers that is in memory already is copied and never changed; it comes with
    its ``tokenizer``.

    Parameters
    ----------
    name_or_folder : a name such as ``"mini"`` or ``"gpt2"``, ``"owner/name"`` on the hub, or the
        path of a folder holding config.json, weights and a tokenizer. Nothing is downloaded here.
        Or a network.
    tokenizer : of a network in memory.
    device : "auto" (CUDA, then MPS, then CPU), or a torch device name.
    dtype : "auto" (float32 on CPU, the stored type elsewhere), or a torch dtype name.

    Raises
    ------
    HeadlabError : one sentence: what was wrong, what to do. Code from the folder is never run.
    """
    if isinstance(name_or_folder, torch.nn.Module):
        return _in_memory(name_or_folder, tokenizer)
    name = str(name_or_folder)
    check_offered(name)
    folder = _folder(name)
    target = _device(device)
    home = base_folder(folder) if is_adapter(folder) else folder
    pickled = _is_pickled(home)
    network = _network(name, home, target, dtype, pickled)
    notices = [_PICKLED] if pickled else []
    if home != folder:
        network = merged(network, folder)
        notices.append(f"An adapter on {home.name}, merged into it.")
    elif has_adapter(folder) and can_merge():
        network = merged(network, folder)
        notices.append("The adapter beside its weights, merged into them.")
    elif has_adapter(folder):
        notices.append(LEFT_OUT)
    source = folder if has_tokenizer(folder) else home
    tokenizer, said = _tokenizer(*tokenizer_home(source), network)
    found = examine(network)
    return LoadedModel(
        network=network,
        tokenizer=tokenizer,
        name=name if name in CATALOGUE or find_model(name) == folder else folder.resolve().name,
        n_layers=found.n_layers,
        n_heads=found.n_heads,
        device=target,
        start_token=_start_token(tokenizer),
        max_tokens=longest_input(network.config),
        folder=folder,
        notice=" ".join([*notices, *said]),
    )


def _in_memory(network: Any, tokenizer: Any) -> LoadedModel:
    """A copy of a network ready to be read, where the network is, in the type it has."""
    if tokenizer is None:
        raise HeadlabError(
            "A network in memory needs its tokenizer: call load_model(network, tokenizer)."
        )
    if not hasattr(network, "config") or network.get_output_embeddings() is None:
        raise HeadlabError(
            f"{type(network).__name__} is no causal language model of transformers: give one such "
            "as AutoModelForCausalLM makes."
        )
    check_architecture(network.config.model_type)
    copied = copy.deepcopy(network).eval().requires_grad_(False)
    found = examine(copied)
    return LoadedModel(
        network=copied,
        tokenizer=tokenizer,
        name=Path(network.config._name_or_path or type(network).__name__).name,
        n_layers=found.n_layers,
        n_heads=found.n_heads,
        device=copied.device,
        start_token=_start_token(tokenizer),
        max_tokens=longest_input(network.config),
    )


def folder_named(name: str) -> Path | None:
    """The folder that a path names, or None; whatever was typed."""
    path = os.path.expanduser(unquoted(name))
    return Path(path) if os.path.isdir(path) else None  # False too for what can be no path


def place_named(name: str) -> Path | None:
    """The folder or the GGUF file that a path names, or None."""
    path = os.path.expanduser(unquoted(name))
    is_file = os.path.isfile(path) and path.lower().endswith(".gguf")
    return Path(path) if is_file else folder_named(name)


def _folder(name: str) -> Path:
    """Where a model's files lie: with headlab, in the cache of the hub, or in a folder named."""
    entry = CATALOGUE.get(name)
    if entry and entry.folder:
        return entry.folder
    found = find_model(name)
    if found is not None:
        return found
    folder = place_named(name)
    file = None if entry or folder is None else gguf_file(folder)
    if file is not None:
        return converted(file)
    shown = name if len(name) <= MAX_SHOWN_LENGTH else f"{name[:MAX_SHOWN_LENGTH]}…"
    if entry or (can_be_fetched(name) and folder is None):
        raise HeadlabError(
            f"{shown} is not on this machine: download it on the Models page or with "
            f"`python -m headlab models --download {shown}`."
        )
    if folder is None:
        if any(mark in name for mark in "/\\.~"):
            raise HeadlabError(
                f"There is no folder {shown}: check the path, or use a model name "
                f"({', '.join(CATALOGUE)})."
            )
        raise unknown("model", shown, CATALOGUE)
    if not (folder / "config.json").is_file() and not is_adapter(folder):
        raise HeadlabError(
            f"{folder} is not a model folder: it has no config.json. Choose the folder that "
            "holds config.json, the safetensors weights and the tokenizer."
        )
    return folder


def best_device() -> torch.device:
    """Where models run unless told otherwise: CUDA, then MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _device(device: str) -> torch.device:
    if device == "auto":
        return best_device()
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError) as error:
        raise HeadlabError(
            f"The device {device!r} cannot be used on this machine: use 'auto' or 'cpu'."
        ) from error
    return target


def _network(name: str, folder: Path, device: torch.device, dtype: str, pickled: bool) -> Any:
    """The causal language model of ``folder``, with our attention, on its device."""
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        config._attn_implementation = "eager"  # whatever the file asks for
    except Exception as error:
        raise HeadlabError(
            f"{folder / 'config.json'} does not describe a model that transformers knows: "
            "take the folder as the model's authors published it."
        ) from error
    check_architecture(config.model_type)
    check_quantised(folder, config)
    again = "copy the folder again"
    if find_model(name) == folder:
        again = f"download it again (`python -m headlab models --download {name}`)"
    chosen = _dtype(dtype, device, config)
    try:
        check_memory(name, needed_memory(config, chosen), free_memory(device))
        with quiet_transformers(), without_adapter(folder) as place:
            network, report = AutoModelForCausalLM.from_pretrained(
                place,
                config=config,
                dtype=chosen,
                attn_implementation="eager",
                use_safetensors=not pickled,
                weights_only=True,  # a pickle may hold numbers and nothing that runs
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                key_mapping=name_mapping(weight_files(folder)),
            )
    except HeadlabError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise HeadlabError(
            f"The memory ran out while {name} was opened: close other programs, or choose a "
            "smaller model."
        ) from error
    except Exception as error:
        if pickled:
            raise HeadlabError(
                f"The pickle with the weights in {folder} is damaged or holds more than numbers, "
                f"and nothing in it was run: {again}, or take a model with safetensors weights."
            ) from error
        raise HeadlabError(
            f"The weights in {folder} cannot be read (damaged, incomplete or of another shape "
            f"than config.json says): {again}."
        ) from error
    if report["missing_keys"] or report["mismatched_keys"]:
        absent = sorted(report["missing_keys"]) + [str(key) for key in report["mismatched_keys"]]
        raise HeadlabError(
            f"The weights in {folder} do not fit config.json ({len(absent)} parameters such as "
            f"{absent[0]} are missing or of another shape): {again}."
        )
    return network.to(device).eval()


def check_architecture(model_type: str) -> None:
    """Raise HeadlabError for an architecture that transformers knows no language model of."""
    if model_type not in CAUSAL_MODELS:
        raise HeadlabError(
            f"Models of type {model_type} are no causal language models that transformers knows: "
            "choose another model."
        )


def _is_pickled(folder: Path) -> bool:
    """Whether the weights are only there as a PyTorch pickle; a public server refuses those."""
    weights = weight_files(folder)
    check_files(folder, weights)
    if weights and weights[0].suffix == ".safetensors":
        return False
    if not weights:
        raise HeadlabError(
            f"{folder} has no safetensors weights: save the model with "
            "save_pretrained(folder), which writes them."
        )
    if is_public():
        raise HeadlabError(
            f"The weights in {folder} are a pickle, which this public server does not open: "
            "choose a model with safetensors weights."
        )
    return True


def _dtype(dtype: str, device: torch.device, config: Any) -> torch.dtype:
    """float32 on a CPU, which is slow at anything shorter; the stored type elsewhere."""
    chosen: Any = getattr(torch, dtype, None)
    if dtype == "auto":
        stored = getattr(config, "dtype", None)
        keep = device.type != "cpu" and isinstance(stored, torch.dtype)
        chosen = stored if keep else torch.float32
    if not isinstance(chosen, torch.dtype) or not chosen.is_floating_point:
        raise HeadlabError(
            f"{dtype!r} is no dtype: use 'auto', 'float32', 'float16' or 'bfloat16'."
        )
    return chosen


def _tokenizer(folder: Path, notice: str, network: Any) -> tuple[Any, list[str]]:
    """The tokenizer of ``folder``, and what is to be said about it."""
    tokenizer, doubt = read_tokenizer(folder)
    said = [words for words in (notice, doubt) if words]
    size = network.get_input_embeddings().num_embeddings
    added = sorted(range(size, len(tokenizer)))
    if 0 < len(added) <= MOST_ADDED and set(added) <= set(tokenizer.all_special_ids):
        names = ", ".join(tokenizer.convert_ids_to_tokens(added))
        said.append(f"Its tokenizer has special tokens that the model lacks, never used: {names}.")
    elif added or len(tokenizer) < 2:
        raise HeadlabError(
            f"The tokenizer in {folder} does not fit the model (it has {len(tokenizer):,} tokens, "
            f"the model {size:,}): use the tokenizer that the model was trained with."
        )
    return tokenizer, said


NO_LIMIT = 2048  # tokens of a text where the architecture knows no longest one


def longest_input(config: Any) -> int:
    """The most tokens that a configuration allows."""
    config = config.get_text_config()
    names = ("max_position_embeddings", "max_seq_len", "n_positions", "seq_length")
    limits = (getattr(config, name, None) for name in names)
    return int(next((limit for limit in limits if limit), NO_LIMIT))


def _start_token(tokenizer: Any) -> int | None:
    """The tokenizer's BOS, else ``<|endoftext|>``, else None."""
    if tokenizer.bos_token_id is not None:
        return int(tokenizer.bos_token_id)
    return tokenizer.get_vocab().get("<|endoftext|>")
