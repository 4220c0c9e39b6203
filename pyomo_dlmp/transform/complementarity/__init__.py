"""Complementarity modes: one file each, one row each in `MODES`.

A mode is an object with `name`; `needs_bounds` (finite bounds of slacks and multipliers); `needs`
(what the solver must be able to do); `add(lower, pairs, eps)`, which writes its components on
`lower.block` for the given pair numbers, and returns the bilinear products that it leaves to the
products step, or None.

| mode           | exact | needs                       | adds                                     |
|----------------|-------|-----------------------------|------------------------------------------|
| sos1           | yes   | sos1                        | a slack column and an SOS1 set per pair  |
| bigm           | yes   | milp, finite bounds         | a binary and two rows per pair           |
| strong_duality | eps   | products: nonconvex or milp | one row per lower level                  |
| product        | eps   | nlp, nonconvex with bounds  | a row ``slack * multiplier <= eps`` each |
| mpec           | yes   | a Pyomo mpec transformation | a `Complementarity` component per pair   |
"""

from pyomo_dlmp.transform.complementarity.bigm import BigM
from pyomo_dlmp.transform.complementarity.mpec import Mpec
from pyomo_dlmp.transform.complementarity.product import ProductRows
from pyomo_dlmp.transform.complementarity.sos1 import Sos1
from pyomo_dlmp.transform.complementarity.strong_duality import StrongDuality

MODES = {mode.name: mode for mode in (BigM(), Sos1(), StrongDuality(), ProductRows(), Mpec())}


def modes_of(capabilities) -> list[str]:
    """Names of the modes that a solver with these capabilities may run."""
    return [name for name, mode in MODES.items() if mode.needs & frozenset(capabilities)]


def automatic(capabilities) -> str:
    """The mode that `auto` takes: exact without constants, else with bounds, else products."""
    if "sos1" in capabilities:
        return "sos1"
    return "bigm" if "milp" in capabilities else "product"


def needs_bounds(mode: str, capabilities) -> bool:
    """Whether a mode needs finite bounds for this solver.

    Branch and bound on products of unbounded factors is not believed (SCIP 10.0 calls feasible
    bilevels infeasible); a local solver proves nothing anyway.
    """
    spatial = mode == "product" and "nlp" not in capabilities
    return MODES[mode].needs_bounds or spatial


__all__ = ["MODES", "automatic", "modes_of", "needs_bounds"]
