"""The table of complementarity modes: one file each, one row each.

| mode           | exact | needs                       | adds                                     |
|----------------|-------|-----------------------------|------------------------------------------|
| sos1           | yes   | sos1                        | a slack column and an SOS1 set per pair  |
| indicator      | yes   | indicator                   | a binary and two implied rows per pair   |
| bigm           | yes   | milp, finite bounds         | a binary and two rows per pair           |
| strong_duality | eps   | products: nonconvex or milp | one row per lower level                  |
| product        | eps   | nlp, nonconvex with bounds  | a row ``slack * multiplier <= eps`` each |
| mpec           | yes   | a Pyomo mpec transformation | a `Complementarity` component per pair   |

`auto` takes the first row that is `chosen_for` what the solver can do: exact without constants,
else with bounds, else products.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyomo_dlmp.errors import ModelError, require_kind
from pyomo_dlmp.transform.complementarity.bigm import BigM
from pyomo_dlmp.transform.complementarity.indicator import Indicator
from pyomo_dlmp.transform.complementarity.mode import Mode
from pyomo_dlmp.transform.complementarity.mpec import Mpec
from pyomo_dlmp.transform.complementarity.product import ProductRows
from pyomo_dlmp.transform.complementarity.sos1 import Sos1
from pyomo_dlmp.transform.complementarity.strong_duality import StrongDuality

MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (Sos1(), Indicator(), BigM(), StrongDuality(), ProductRows(), Mpec())}


def register_mode(mode: Mode) -> None:
    """Add a row to the table of modes, for this process.

    Parameters
    ----------
    mode
        Its `name` is what users write.

    Raises
    ------
    ModelError
        The name is taken, or has another meaning for the option `complementarity`.
    """
    require_kind(mode, Mode, "register_mode")
    if mode.name in MODES or mode.name in ("auto", "explicit"):
        raise ModelError.at(
            f"complementarity mode {mode.name!r}", "exists already", "Give it another name.")
    MODES[mode.name] = mode


def modes_of(capabilities: Iterable[str]) -> list[str]:
    """Names of the modes that a solver with these capabilities may run."""
    return [name for name, mode in MODES.items() if mode.needs & frozenset(capabilities)]


def automatic(capabilities: Iterable[str]) -> str:
    """Name of the mode that `auto` takes for a solver with these capabilities; "" for none."""
    able = frozenset(capabilities)
    return next((name for name, mode in MODES.items() if mode.chosen_for & able), "")
