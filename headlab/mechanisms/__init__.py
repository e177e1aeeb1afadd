"""Why a head looks where it looks, and how heads work together.

``explain_attention`` splits one attention score into what wrote the query and the key,
``composition`` says from weights which heads could read each other, ``path_patch`` whether one
does on a text, ``Circuit`` how much of a behaviour some heads alone keep up.
"""

from headlab.mechanisms.explaining import AttentionExplanation, Without, explain_attention

__all__ = ["AttentionExplanation", "Without", "explain_attention"]
