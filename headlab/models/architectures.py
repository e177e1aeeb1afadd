"""Every causal architecture of the installed transformers, tried on tiny random networks.

No list says what works: of each architecture a network of a few thousand random numbers is made
and opened as any other (:mod:`headlab.models.proof`).
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from headlab.errors import HeadlabError
from headlab.models.anatomy import Anatomy
from headlab.models.hf import CAUSAL_MODELS, AutoModelForCausalLM, config_class
from headlab.models.proof import examine
from headlab.models.quiet import quiet_transformers

LARGEST = 3_000_000  # parameters of a network still tried

_WIDTH, _INNER, _HEADS, _LAYERS = 32, 40, 4, 4
# What configurations call their sizes; each takes those that it knows.
_SIZES: dict[str, Any] = (
    dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim"), _WIDTH)
    | dict.fromkeys(("word_embed_proj_dim", "embedding_size", "lru_width"), _WIDTH)
    | dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size"), _INNER)
    | dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "d_inner", "dff", "dim_ff"), _INNER)
    | dict.fromkeys(("num_hidden_layers", "num_layers", "n_layer", "n_layers"), _LAYERS)
    | dict.fromkeys(("decoder_layers", "num_decoder_layers"), _LAYERS)
    | dict.fromkeys(("num_attention_heads", "num_heads", "n_head", "n_heads"), _HEADS)
    | dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), _HEADS)
    | dict.fromkeys(("num_encoder_attention_heads", "num_decoder_attention_heads"), _HEADS)
    | dict.fromkeys(("head_dim", "d_head", "d_kv", "kv_channels", "rotary_dim"), 8)
    | dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 64)
    | dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4)
    | dict.fromkeys(("num_experts_per_tok", "moe_topk", "moe_k"), 2)
    | dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 16)
    | dict.fromkeys(("n_group", "topk_group", "n_shared_experts", "first_k_dense_replace"), 1)
    | dict.fromkeys(("q_lora_rank", "kv_lora_rank", "shared_intermediate_size"), 16)
    | dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "state_size"), 8)
    | dict.fromkeys(("mamba_d_state", "linear_key_head_dim", "linear_value_head_dim"), 8)
    | dict.fromkeys(("index_head_dim", "hidden_size_per_layer_input"), 8)
    | dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), None)
    | dict.fromkeys(("mamba_n_heads", "linear_num_value_heads"), 4)
    | dict.fromkeys(("linear_num_key_heads", "num_key_value_heads", "index_n_heads"), 2)
    | {"vocab_size": 97, "vocab_size_per_layer_input": 97, "encoder_layers": 1}
    | {"mamba_d_head": 16, "mamba_n_groups": 1, "index_topk": 4, "sliding_window": 5}
    | {"attn_layer_indices": [1, 3], "attn_layer_period": 2, "attn_layer_offset": 1}
    | {"full_attention_interval": 2, "layer_group_size": 2}
    | {"attention_types": [[["global", "local"], 2]], "window_size": 5, "is_decoder": True}
)
# Tried in this order, until a network can be made that runs on a plain text.
_VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"num_key_value_heads": _HEADS},
    {"layer_types": ["linear_attention", "full_attention"] * 2},
    {"layer_types": ["mamba", "attention"] * 2},
    {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3, "num_key_value_heads": _HEADS},
)


@dataclass(frozen=True)
class Tried:
    """What came of one architecture: ``found``, or why it could not be opened or made."""

    model_type: str
    found: Anatomy | None = None
    reason: str = ""
    made: bool = True

    @property
    def read(self) -> bool:
        """Whether its attention can be read."""
        return self.found is not None

    @property
    def changed(self) -> bool:
        """Whether its attention can be changed while it runs."""
        return self.found is not None and not self.found.unchangeable

    @property
    def weights(self) -> bool:
        """Whether what its heads write follows from its weights."""
        return self.found is not None and not self.found.weights

    @property
    def why_not(self) -> str:
        """What cannot be done, and why; nothing where all can."""
        if self.found is None:
            return self.reason
        reasons = [self.found.unchangeable, self.found.weights]
        return "; ".join(dict.fromkeys(reason for reason in reasons if reason))


def tiny_config(model_type: str, **changes: Any) -> Any:
    """A configuration of this type with a few thousand parameters, as far as it has sizes."""
    made = config_class(model_type)
    known = set(vars(made())) | set(getattr(made, "attribute_map", {}))
    return made(**{key: value for key, value in (_SIZES | changes).items() if key in known})


def tiny_network(config: Any, seed: int = 0) -> Any:
    """A network of random weights, large enough that heads differ; eager attention.

    Raises HeadlabError where it would be large.
    """
    with torch.device("meta"):
        size = sum(p.numel() for p in AutoModelForCausalLM.from_config(config).parameters())
    if size > LARGEST:
        raise HeadlabError(f"its smallest network has {size / 1e6:,.0f} million parameters")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.is_floating_point():
                    parameter.add_(0.15 * torch.randn_like(parameter))
    return network.eval().requires_grad_(False)


def try_architecture(model_type: str) -> Tried:
    """Make a tiny network of one architecture and open it."""
    found, reason = None, ""
    for changes in _VARIANTS:
        try:
            with quiet_transformers(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                config = tiny_config(model_type, **changes)
                if config.get_text_config() is not config:
                    return Tried(model_type, None, "it takes more than text")
                network = tiny_network(config)
        except Exception as error:  # whatever a configuration does not allow
            reason = reason or f"no tiny network of it: {type(error).__name__}: {error}"[:120]
            continue
        try:
            found = examine(network)
        except HeadlabError as error:
            reason = str(error.__cause__ or error)
            continue
        return Tried(model_type, found)
    return Tried(model_type, None, reason.split("\n")[0])


def try_all() -> Iterator[Tried]:
    """Every causal architecture that transformers knows, one after the other."""
    for model_type in CAUSAL_MODELS:
        yield try_architecture(model_type)
