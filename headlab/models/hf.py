"""Everything that headlab takes from transformers, imported in this one place.

transformers puts another module in its own place while it is imported: a thread that asks for it
at that moment is given the half of it. Who imports this file instead waits until it is whole.
"""

from transformers import (
    AttentionInterface,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
)
from transformers.masking_utils import AttentionMaskInterface, eager_mask
from transformers.utils import logging

__all__ = [
    "AttentionInterface",
    "AttentionMaskInterface",
    "AutoConfig",
    "AutoModelForCausalLM",
    "AutoTokenizer",
    "eager_mask",
    "logging",
]
