"""A model ready to be read: its network, its tokenizer, and what the house asks of them."""

import copy
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from headlab.models.anatomy import anatomy
from headlab.models.attention import is_changeable
from headlab.models.hf import AutoModelForCausalLM
from headlab.models.proof import install

MANY_WORDS = 100  # so many ordinary tokens are enough for all probes


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
    special_tokens: bool = False  # whether their names in a text are read as these tokens

    def __repr__(self) -> str:
        dtype = str(self.network.dtype).removeprefix("torch.")
        return (
            f"LoadedModel({self.name!r}: {self.n_layers} layers of {self.n_heads} heads, "
            f"{self.device.type}, {dtype}, start token {self.start_token})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>"

    def as_batch(self, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Token ids [prompt, position] on the model's device, short prompts padded at the end.

        Under causal attention nothing looks at the padding, so no mask is needed.
        """
        width = max(len(tokens) for tokens in prompts)
        rows = [[*tokens, *[0] * (width - len(tokens))] for tokens in prompts]
        return torch.tensor(rows, device=self.device)

    def with_special_tokens(self) -> "LoadedModel":
        """The same model, which reads the names of its special tokens in a text as these tokens.

        So a prompt with ``<|im_start|>`` in it is read as the model was trained on it. Weights,
        content hash and profile are the same.
        """
        other = copy.copy(self)  # with all that is worked out already
        object.__setattr__(other, "special_tokens", True)
        return other

    @property
    def reading_hash(self) -> str:
        """What results about a text belong to: the content, and how special tokens are read."""
        return self.content_hash + (" special tokens" if self.special_tokens else "")

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
        digest = hashlib.sha256()
        config = self.network.config.to_diff_dict()
        facts = {key: value for key, value in config.items() if key not in _NOT_CONTENT}
        digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
        digest.update(behaviour_of(self.tokenizer).encode())
        for name, tensor in sorted(self.network.state_dict().items()):
            whole = tensor.detach().cpu()
            whole = whole.float() if whole.is_floating_point() else whole
            digest.update(f"{name} {tuple(whole.shape)}".encode())
            digest.update(whole.contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    @cached_property
    def shape_hash(self) -> str:
        """SHA-256 over what in the configuration decides how such a network computes."""
        config = self.network.config.to_diff_dict()
        facts = {k: v for k, v in config.items() if k not in _NOT_CONTENT and not _IDLE.search(k)}
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

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
    def special_tokenizer(self) -> Tokenizer | None:
        """The same, but reading names of special tokens as these tokens."""
        if self.plain_tokenizer is None:
            return None
        special = Tokenizer.from_str(self.plain_tokenizer.to_str())
        special.encode_special_tokens = False
        return special

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
        known = self._texts
        if new := [token for token in dict.fromkeys(tokens) if token not in known]:
            known.update(zip(new, self._decoded(new), strict=True))
        return [known[token] for token in tokens]

    @cached_property
    def _texts(self) -> dict[int, str]:
        """The texts of tokens that somebody has asked for."""
        return {}

    def _decoded(self, tokens: list[int]) -> list[str]:
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

# And those that say nothing of how it computes once it is trained.
_IDLE = re.compile(
    "^summary_|^task_specific_params$|^n_ctx$|^n_special$|^predict_special_tokens$|label|^use_cache$"
    "|(bos|eos|pad)_token_id$|pdrop$|dropout$"
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
