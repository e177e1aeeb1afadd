"""Why a head looks where it looks, and how heads work together.

``explain_attention`` splits one attention score into what wrote the query and the key;
``composition`` says from weights what a head can read of an earlier one, ``path_patch`` and
``path_patch_map`` what it does read on two texts, which ``attribute_edges`` guesses;
``strongest_senders`` and ``strongest_listeners`` keep what exceeds a control. ``Circuit``
asks whether some heads do it alone, ``explain_sink`` why a head rests on the first token.
"""

from headlab.mechanisms.circuit import Circuit, Faithfulness
from headlab.mechanisms.composing import Composition, composition
from headlab.mechanisms.edges import Edge, Listener, strongest_listeners, strongest_senders
from headlab.mechanisms.explaining import AttentionExplanation, Without, explain_attention
from headlab.mechanisms.guessing import EdgeAttribution, attribute_edges
from headlab.mechanisms.paths import PathPatching, path_patch, path_patch_map
from headlab.mechanisms.sink import Sink, explain_sink

__all__ = [
    "AttentionExplanation",
    "Circuit",
    "Composition",
    "Edge",
    "EdgeAttribution",
    "Faithfulness",
    "Listener",
    "PathPatching",
    "Sink",
    "Without",
    "attribute_edges",
    "composition",
    "explain_attention",
    "explain_sink",
    "path_patch",
    "path_patch_map",
    "strongest_listeners",
    "strongest_senders",
]
