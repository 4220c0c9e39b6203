"""Hard limits that no dispatch of the linear form keeps: the bus, the voltage, how far."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.auditing.infeasibility import conflict_faults, conflicting_rows
from pyomo_dlmp.errors import Fault
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt

_MOST = 5  # elements that a message names
_CURE = 'Widen v_min and v_max, add reactive support, or take voltage_limits="soft".'


def limit_faults(model: Any) -> list[Fault]:
    """Limits that a DSO's problem cannot keep at the values of what it does not decide.

    Parameters
    ----------
    model : Block
        Filled by `build_opf`.

    Returns
    -------
    list of Fault
        Each bus's worst voltage; rows of other kinds by their names. Empty where it has an answer.
    """
    kkt = build_kkt(compile_lower(model))
    rows = conflicting_rows(kkt)
    words: dict[str, Fault] = {}
    for row, moved in rows:
        found = _voltage(row, moved)
        if found is None:
            return conflict_faults(kkt)
        words.setdefault(found[0], found[1])
    faults = list(words.values())
    if len(faults) > _MOST:
        faults[_MOST:] = [Fault(f"network {model.name!r}", f"has {len(faults) - _MOST} further "
                                "buses whose voltage limits cannot be kept", _CURE)]
    return faults


def _voltage(row: Any, moved: float) -> tuple[str, Fault] | None:
    """(bus, fault) of a voltage limit."""
    kind = row.parent_component().local_name
    if kind not in ("v_low", "v_high"):
        return None
    place, low = row.parent_block(), kind == "v_low"
    bound = float(pyo.value(row.lower if low else row.upper))
    held, limit = sqrt(max(bound - moved if low else bound + moved, 0.0)), sqrt(bound)
    index = row.index()
    if isinstance(index, tuple):
        bus, where = place.index(), f"phase {index[0]}, period {index[-1]!r}"
    else:  # between two conductors
        bus, where = place.parent_block().index(), f"leg {place.index()}, period {index!r}"
    return str(bus), Fault(
        f"bus {str(bus)!r}, {where}", f"its voltage limit of {limit:g} pu cannot be kept: "
        f"{held:.4f} pu at best, too {'low' if low else 'high'} by {abs(held - limit):.2g} pu",
        _CURE)
