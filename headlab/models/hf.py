"""Everything that headlab takes from transformers, imported in this one place.

transformers puts another module in its own place while it is imported: a thread that asks for it
at that moment is given the half of it. Who imports this file instead waits until it is whole.
"""

from typing import Any

from transformers import (
    CONFIG_MAPPING,
    AttentionInterface,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    modeling_gguf_pytorch_utils,
)
from transformers.masking_utils import AttentionMaskInterface, eager_mask
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

CAUSAL_MODELS = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES  # model types and the classes that they open as


def config_class(model_type: str) -> Any:
    """The configuration class of a model type."""
    return CONFIG_MAPPING[model_type]


__all__ = [
    "CAUSAL_MODELS",
    "AttentionInterface",
    "AttentionMaskInterface",
    "AutoConfig",
    "AutoModelForCausalLM",
    "AutoTokenizer",
    "config_class",
    "eager_mask",
    "logging",
    "modeling_gguf_pytorch_utils",
]
