"""Many profiles: of models and of the revisions that training left, each one file, once.

``plan`` says which cells there are, ``running`` measures those that are missing, ``cells`` reads
what is there, ``atlas`` draws when each kind of head appears.
"""

from headlab.sweeps.cells import Cells, read_cells
from headlab.sweeps.plan import Cell, Plan, make_plan, read_plan
from headlab.sweeps.running import run_sweep

__all__ = ["Cell", "Cells", "Plan", "make_plan", "read_cells", "read_plan", "run_sweep"]
