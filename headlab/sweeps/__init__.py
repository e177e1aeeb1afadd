"""Many profiles: of models and of the revisions that training left, each one file, once.

``plan`` says which cells there are, ``price`` what they cost, ``measure`` is one of them from model
to profile, ``engines`` say where that happens, ``running`` has the missing ones measured and keeps
what comes of them, ``cells`` reads what is there, ``atlas`` draws when each kind of head appears.
"""

from headlab.sweeps.cells import Cells, read_cells
from headlab.sweeps.engines import Local, Ray
from headlab.sweeps.plan import Cell, Plan, make_plan, read_plan
from headlab.sweeps.running import run_sweep

__all__ = [
    "Cell",
    "Cells",
    "Local",
    "Plan",
    "Ray",
    "make_plan",
    "read_cells",
    "read_plan",
    "run_sweep",
]
