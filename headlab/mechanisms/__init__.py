"""Why a head looks where it looks.

``explain_attention`` splits one attention score into what wrote the query and the key.
"""

from headlab.mechanisms.explaining import AttentionExplanation, Without, explain_attention

__all__ = ["AttentionExplanation", "Without", "explain_attention"]
