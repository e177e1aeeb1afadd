"""Why a head looks where it looks, and how heads work together.

``explain_attention`` splits one attention score into what wrote the query and the key;
``composition`` says from weights what a head can read of an earlier one, ``path_patch`` and
``path_patch_map`` what it does read on two texts.
"""

from headlab.mechanisms.composing import Composition, composition
from headlab.mechanisms.explaining import AttentionExplanation, Without, explain_attention
from headlab.mechanisms.paths import PathPatching, path_patch, path_patch_map

__all__ = [
    "AttentionExplanation",
    "Composition",
    "PathPatching",
    "Without",
    "composition",
    "explain_attention",
    "path_patch",
    "path_patch_map",
]
