"""What a device takes from its bus, as Vars of the DSO's tied to the decisions of its owner.

    taken_p: drawn_p - (what the owner decides, MW) == 0        taken_q: the same in Mvar

In the exact form the power of a leg stands beside voltages in the objective's curvature. With Vars
of its own in between, an upper decision stands in right-hand sides alone: the dual of a tie row is
the price of what is drawn ($ per MW, Mvar of the period, positive: drawing more costs more), also
beside the operating point, and sum dual x decision is the whole payment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyomo.environ as pyo


def tie(block: Any, periods: Iterable[Any], together: bool) -> None:
    """Declare `drawn_p`, `drawn_q` and the rows `taken_p`, `taken_q` of a device.

    Parameters
    ----------
    block : DeviceBlockData
        Of the device; its ``units(t)`` yields (leg, MW, Mvar drawn), in numbers where it draws
        nothing that anyone decides: then there is no Var and no row.
    periods : iterable
        Labels of the periods.
    together : bool
        Whether its legs are one unit: Vars and rows are over [t] instead of [leg, t].
    """
    powers = {(t if together else (leg, t)): power
              for t in periods for leg, *power in block.units(t)}
    for quantity, part in (("p", 0), ("q", 1)):
        if all(isinstance(power[part], int | float) for power in powers.values()):
            continue
        var = pyo.Var(list(powers), initialize={
            k: pyo.value(power[part], exception=False) or 0.0 for k, power in powers.items()})
        block.add_component(f"drawn_{quantity}", var)
        block.add_component(f"taken_{quantity}", pyo.Constraint(list(powers), rule={
            k: var[k] - power[part] == 0 for k, power in powers.items()}))
