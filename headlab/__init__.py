"""headlab: a teaching laboratory for attention heads.

Names are imported when they are first asked for, so that `import headlab` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from headlab.__version__ import __version__

if TYPE_CHECKING:
    from headlab.behaviours.detector import Detector
    from headlab.errors import HeadlabError
    from headlab.figures.plot import plot
    from headlab.heads import Head
    from headlab.interventions import (
        Attribution,
        Intervention,
        Patching,
        Sweep,
        ablate,
        ablation_sweep,
        attribute,
        mean_reference,
        patch,
        replace_word,
        why_word,
    )
    from headlab.measuring.continuing import continue_text
    from headlab.measuring.detecting import Detection, detect
    from headlab.measuring.reading import Reading, read_text, read_texts
    from headlab.measuring.scoring import score_patterns
    from headlab.mechanisms import (
        AttentionExplanation,
        Circuit,
        Composition,
        EdgeAttribution,
        Faithfulness,
        PathPatching,
        Sink,
        attribute_edges,
        composition,
        explain_attention,
        explain_sink,
        path_patch,
        path_patch_map,
        strongest_listeners,
        strongest_senders,
    )
    from headlab.models.loaded import LoadedModel
    from headlab.models.loading import load_model
    from headlab.models.tokens import chat_turn
    from headlab.profiles.compare import compare_profiles
    from headlab.profiles.profile import Profile
    from headlab.profiles.profiling import profile_model
    from headlab.report import Report, make_report, open_report
    from headlab.sweeps import make_plan, read_cells, run_sweep
    from headlab.ui.embedding import embed, show

_HOMES = {
    "headlab.behaviours.detector": ("Detector",),
    "headlab.errors": ("HeadlabError",),
    "headlab.figures.plot": ("plot",),
    "headlab.heads": ("Head",),
    "headlab.interventions": (
        *("Attribution", "Intervention", "Patching", "Sweep"),
        *("ablate", "ablation_sweep", "attribute", "mean_reference", "patch"),
        *("replace_word", "why_word"),
    ),
    "headlab.measuring.continuing": ("continue_text",),
    "headlab.measuring.detecting": ("Detection", "detect"),
    "headlab.measuring.reading": ("Reading", "read_text", "read_texts"),
    "headlab.measuring.scoring": ("score_patterns",),
    "headlab.mechanisms": (
        *("AttentionExplanation", "Circuit", "Composition", "EdgeAttribution"),
        *("Faithfulness", "PathPatching"),
        *("Sink", "attribute_edges", "composition", "explain_attention", "explain_sink"),
        *("path_patch", "path_patch_map", "strongest_listeners", "strongest_senders"),
    ),
    "headlab.models.loaded": ("LoadedModel",),
    "headlab.models.loading": ("load_model",),
    "headlab.models.tokens": ("chat_turn",),
    "headlab.profiles.compare": ("compare_profiles",),
    "headlab.profiles.profile": ("Profile",),
    "headlab.profiles.profiling": ("profile_model",),
    "headlab.report": ("Report", "make_report", "open_report"),
    "headlab.sweeps": ("make_plan", "read_cells", "run_sweep"),
    "headlab.ui.embedding": ("embed", "show"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AttentionExplanation",
    "Attribution",
    "Circuit",
    "Composition",
    "Detection",
    "Detector",
    "EdgeAttribution",
    "Faithfulness",
    "Head",
    "HeadlabError",
    "Intervention",
    "LoadedModel",
    "Patching",
    "PathPatching",
    "Profile",
    "Reading",
    "Report",
    "Sink",
    "Sweep",
    "__version__",
    "ablate",
    "ablation_sweep",
    "attribute",
    "attribute_edges",
    "chat_turn",
    "compare_profiles",
    "composition",
    "continue_text",
    "detect",
    "embed",
    "explain_attention",
    "explain_sink",
    "load_model",
    "make_plan",
    "make_report",
    "mean_reference",
    "open_report",
    "patch",
    "path_patch",
    "path_patch_map",
    "plot",
    "profile_model",
    "read_cells",
    "read_text",
    "read_texts",
    "replace_word",
    "run_sweep",
    "score_patterns",
    "show",
    "strongest_listeners",
    "strongest_senders",
    "why_word",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
