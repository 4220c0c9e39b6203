"""What is left of the corrected form, which the AC form replaces."""

from __future__ import annotations

from typing import Any, NoReturn

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Network, OperatingPoint
from pyomo_dlmp.network.operating_point import leg_voltage_pu


def fit_to_operating_point(model: Any, network: Network, point: OperatingPoint) -> NoReturn:
    """Older name; there are no models with ``losses="corrected"`` any more.

    Raises
    ------
    ModelError
        Always: it tells what to call.
    """
    raise ModelError.at(
        "fit_to_operating_point", "fitted the corrected form, which is no more",
        'Build with form="ac" and operating_point=point; set_operating_point(model, network, '
        "point) takes another.")


def loads_outside(network: Network, point: OperatingPoint | None) -> dict[str, set]:
    """Legs of loads whose voltage at an operating point is beyond `v_low` .. `v_high`.

    Parameters
    ----------
    network : Network
        The feeder.
    point : OperatingPoint or None
        None: no legs.

    Returns
    -------
    dict of str to set of (leg, period)
        By load; with the point's `impedance_legs`.
    """
    if point is None:
        return {}
    found: dict[str, set] = {name: set(legs) for name, legs in point.impedance_legs.items()}
    for t in point.periods:
        for name, load in network.loads.items():
            bus = network.buses[load.bus]
            for leg in load.legs:
                if not load.v_low <= leg_voltage_pu(load, bus, point, leg, t) <= load.v_high:
                    found.setdefault(name, set()).add((leg, t))
    return found
