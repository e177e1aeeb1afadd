"""A name or a folder becomes a loaded model, or one sentence that says why not."""

import copy
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from headlab.errors import HeadlabError, unknown
from headlab.models.anatomy import anatomy
from headlab.models.attention import is_changeable
from headlab.models.catalogue import CATALOGUE, check_offered, is_public
from headlab.models.hf import CAUSAL_MODELS, AutoConfig, AutoModelForCausalLM, AutoTokenizer
from headlab.models.hub import can_be_fetched, find_model, weight_files
from headlab.models.memory import check_memory, free_memory, needed_memory
from headlab.models.proof import examine, install
from headlab.models.quiet import quiet_transformers
from headlab.notebook import card

MAX_SHOWN_LENGTH = 200  # characters of a name that an error repeats
_PICKLED = (
    "The weights are published as a pickle only; they were read with the loader that takes numbers "
    "from it and runs nothing."
)


@dataclass(frozen=True, eq=False, repr=False)
class LoadedModel:
    """A model ready to be read.

    ``start_token`` is the id put before every text, or None where the tokenizer knows none;
    ``max_tokens`` the longest input, start token included.
    """

    network: Any
    tokenizer: Any
    name: str
    n_layers: int
    n_heads: int
    device: torch.device
    start_token: int | None
    max_tokens: int

    folder: Path | None = None
    notice: str = ""  # what the person who opens the model should know, or nothing

    def __repr__(self) -> str:
        dtype = str(self.network.dtype).removeprefix("torch.")
        return (
            f"LoadedModel({self.name!r}: {self.n_layers} layers of {self.n_heads} heads, "
            f"{self.device.type}, {dtype}, start token {self.start_token})"
        )

    def _repr_html_(self) -> str:
        return card("LoadedModel", repr(self))

    def as_batch(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Token ids [prompt, position] on the model's device, short prompts padded at the end.

        Under causal attention nothing looks at the padding, so no mask is needed.
        """
        width = max(len(tokens) for tokens in prompts)
        rows = [[*tokens, *[0] * (width - len(tokens))] for tokens in prompts]
        return torch.tensor(rows, device=self.device)

    @property
    def interventions(self) -> bool:
        """Whether attention can be changed while the model runs, not only read."""
        return is_changeable(self.network)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over configuration, tokenizer and every weight: what a profile belongs to.

        The same on every device and in every dtype that holds the weights exactly: they count as
        float32. The tokenizer counts as it behaves.
        """
        digest = self._shape()
        for name, tensor in sorted(self.network.state_dict().items()):
            whole = tensor.detach().cpu()
            whole = whole.float() if whole.is_floating_point() else whole
            digest.update(f"{name} {tuple(whole.shape)}".encode())
            digest.update(whole.contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    @cached_property
    def shape_hash(self) -> str:
        """SHA-256 over configuration and tokenizer: what measures of random weights belong to."""
        return self._shape().hexdigest()

    def _shape(self) -> Any:
        """A digest that has taken in configuration and tokenizer."""
        digest = hashlib.sha256()
        config = {
            key: value
            for key, value in self.network.config.to_diff_dict().items()
            if key not in _NOT_CONTENT
        }
        digest.update(json.dumps(config, sort_keys=True, default=str).encode())
        digest.update(behaviour_of(self.tokenizer).encode())
        return digest

    @cached_property
    def plain_tokenizer(self) -> Tokenizer | None:
        """A tokenizer that reads names of special tokens as plain text and is never changed.

        The model's own flips a switch for that which threads share. None where it has no backend.
        """
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            return None
        plain = Tokenizer.from_str(backend.to_str())
        plain.no_padding()
        plain.no_truncation()
        plain.encode_special_tokens = True
        return plain

    @cached_property
    def _anchor(self) -> tuple[list[int], str]:
        """What stands in front where the text that a token adds is looked for, and its own text."""
        ids = self._ids(["a"])[0]
        return ids, self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        """The tokens of each text."""
        if self.plain_tokenizer is None:
            found: list[list[int]] = self.tokenizer(texts, add_special_tokens=False).input_ids
            return found
        encoded = self.plain_tokenizer.encode_batch(texts, add_special_tokens=False)
        return [encoding.ids for encoding in encoded]

    def texts_of(self, tokens: Sequence[int]) -> list[str]:
        """What each token adds to a text that it goes on.

        Decoded alone some would lose the space in front that they have inside a text.
        """
        before, start = self._anchor
        after = self.tokenizer.batch_decode(
            [[*before, token] for token in tokens], clean_up_tokenization_spaces=False
        )
        alone = self.tokenizer.batch_decode(
            [[token] for token in tokens], clean_up_tokenization_spaces=False
        )
        special = set(self.tokenizer.all_special_ids)
        return [
            whole.removeprefix(start) if whole.startswith(start) and token not in special else text
            for token, whole, text in zip(tokens, after, alone, strict=True)
        ]

    @cached_property
    def ordinary_tokens(self) -> list[int]:
        """Tokens to make texts of: they stay what they are when their text is read again.

        Words with a space in front and three or more ASCII letters; of a model with few of them,
        words of any script; else whatever can be seen.
        """
        special = set(self.tokenizer.all_special_ids)
        ids = [token for token in range(len(self.tokenizer)) if token not in special]
        texts = dict(zip(ids, self.texts_of(ids), strict=True))
        words = [t for t, text in texts.items() if text.startswith(" ") and text[1:].isalpha()]
        kinds = (
            [t for t in words if texts[t].isascii() and len(texts[t]) > 3],
            words,
            [t for t, text in texts.items() if text.strip() and text.strip().isprintable()],
        )
        for some in kinds:
            found = self._surviving(some, texts)
            if len(found) >= MANY_WORDS:
                break
        return found

    def _surviving(self, tokens: list[int], texts: Mapping[int, str]) -> list[int]:
        """Those that are read again as themselves inside a text."""
        before, start = self._anchor
        if not tokens or "\ufffd" in start:
            return []
        again = self._ids([start + texts[token] for token in tokens])
        return [token for token, ids in zip(tokens, again, strict=True) if ids == [*before, token]]

    def with_random_weights(self, seed: int) -> "LoadedModel":
        """The same architecture, freshly initialised: heads that have learned nothing."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = copy.deepcopy(self.network.config)
            network = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        network = network.to(self.device, self.network.dtype).eval()
        install(network, anatomy(self.network))
        name = f"{self.name} (random weights, seed {seed})"
        return replace(self, network=network, name=name, folder=None)


# Facts of a configuration that say nothing of what the network computes.
_NOT_CONTENT = (
    *("_name_or_path", "transformers_version", "dtype", "architectures"),
    *("_attn_implementation", "attn_implementation", "quantization_config"),
)


def behaviour_of(tokenizer: Any) -> str:
    """All that decides how a tokenizer reads a text, as JSON: merges, normaliser and so on too."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return json.dumps([type(tokenizer).__name__, tokenizer.get_vocab()], sort_keys=True)
    facts = json.loads(backend.to_str())
    for passing in ("truncation", "padding"):  # set by whoever called last
        facts.pop(passing, None)
    return json.dumps(facts, sort_keys=True)


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
    pickled = _is_pickled(folder)
    network = _network(name, folder, target, dtype, pickled)
    tokenizer = _tokenizer(folder, network)
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
        notice=_PICKLED if pickled else "",
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
    path = os.path.expanduser(name)
    return Path(path) if os.path.isdir(path) else None  # False too for what can be no path


def _folder(name: str) -> Path:
    """Where a model's files lie: with headlab, in the cache of the hub, or in a folder named."""
    entry = CATALOGUE.get(name)
    if entry and entry.folder:
        return entry.folder
    found = find_model(name)
    if found is not None:
        return found
    folder = folder_named(name)
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
    if not (folder / "config.json").is_file():
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
    except Exception as error:
        raise HeadlabError(
            f"{folder / 'config.json'} does not describe a model that transformers knows: "
            "take the folder as the model's authors published it."
        ) from error
    check_architecture(config.model_type)
    again = "copy the folder again"
    if find_model(name) == folder:
        again = f"download it again (`python -m headlab models --download {name}`)"
    chosen = _dtype(dtype, device, config)
    try:
        check_memory(name, needed_memory(config, chosen), free_memory(device))
        with quiet_transformers():
            network, report = AutoModelForCausalLM.from_pretrained(
                folder,
                config=config,
                dtype=chosen,
                attn_implementation="eager",
                use_safetensors=not pickled,
                weights_only=True,  # a pickle may hold numbers and nothing that runs
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
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


def _tokenizer(folder: Path, network: Any) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        raise HeadlabError(
            f"The tokenizer in {folder} cannot be read: put the model's own tokenizer files "
            "(tokenizer.json) beside its weights."
        ) from error
    size = network.get_input_embeddings().num_embeddings
    if len(tokenizer) > size or len(tokenizer) < 2:
        raise HeadlabError(
            f"The tokenizer in {folder} does not fit the model (it has {len(tokenizer):,} tokens, "
            f"the model {size:,}): use the tokenizer that the model was trained with."
        )
    return tokenizer


MANY_WORDS = 100  # so many ordinary tokens are enough for all probes
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
