"""Figures about this server at the address ``/_stcore/metrics``, beside Streamlit's own.

They are counts and sizes: no name, text or address of anybody. ``headlab doctor --watch`` shows
them.
"""

from collections.abc import Mapping, Sequence

from streamlit import runtime
from streamlit.runtime.stats import CounterStat, GaugeStat, Stat

from headlab.models.memory import used_memory
from headlab.ui.services.sharing import MODEL_QUEUE, result_cache


class _Figures:
    """What Streamlit asks for the figures when somebody asks it."""

    def __init__(self) -> None:
        self.stats_families = tuple(self._all())

    def get_stats(self, family_names: Sequence[str] | None = None) -> Mapping[str, Sequence[Stat]]:
        names = self.stats_families if family_names is None else family_names
        return {name: [stat] for name, stat in self._all().items() if name in names}

    def _all(self) -> dict[str, Stat]:
        kept = result_cache()
        stats: list[Stat] = [
            CounterStat("headlab_cache_hits", kept.hits, help="Asked for and found."),
            CounterStat("headlab_cache_misses", kept.misses, help="Asked for and worked out."),
            GaugeStat("headlab_cache_entries", len(kept)),
            GaugeStat("headlab_cache_bytes", kept.bytes, unit="bytes"),
            CounterStat("headlab_model_milliseconds", round(1000 * MODEL_QUEUE.seconds)),
            GaugeStat(
                "headlab_waiting", MODEL_QUEUE.waiting, help="Learners who wait for the model."
            ),
            GaugeStat("headlab_memory_bytes", used_memory() or 0, unit="bytes"),
        ]
        return {stat.family_name: stat for stat in stats}


def offer() -> None:
    """Add the figures to those of the running server, where there is one."""
    if runtime.exists():
        runtime.get_instance().stats_mgr.register_provider(_Figures())
