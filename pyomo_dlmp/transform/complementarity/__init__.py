"""Complementarity modes: one file each, one row each in `MODES`.

A mode is an object with `name`, `needs_bounds` (finite slack and multiplier bounds), `needs` (the
solver's capability it relies on) and `add(lower, pairs)`, which writes its components on
`lower.block` for the given pair numbers.
"""

from pyomo_dlmp.transform.complementarity.bigm import BigM
from pyomo_dlmp.transform.complementarity.sos1 import Sos1

MODES = {mode.name: mode for mode in (BigM(), Sos1())}

__all__ = ["MODES"]
