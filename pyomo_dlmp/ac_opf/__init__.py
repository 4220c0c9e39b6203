"""`solve_ac_opf`: the OPF in the AC form, solved again at its own AC power flow."""

from pyomo_dlmp.ac_opf.answer import AcOpf, solve_ac_opf
from pyomo_dlmp.ac_opf.loop import AcLoop

__all__ = ["AcLoop", "AcOpf", "solve_ac_opf"]
