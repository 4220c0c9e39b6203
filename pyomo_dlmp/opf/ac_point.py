"""An operating point for a model of the AC form: its Params, and the values of all its Vars."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Any, NoReturn

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.ac.laws import above, inside, load_law
from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Network, OperatingPoint
from pyomo_dlmp.opf.curvature import set_curvature
from pyomo_dlmp.tolerances import PRINTED, ROUNDING, ROW_HOLDS

NEAR_KINK = 0.02  # pu; a leg so near to the end of its range bends there


def set_operating_point(model: Any, network: Network, point: OperatingPoint,
                        curvature: Mapping[Hashable, np.ndarray] | None = None,
                        straight: Collection[tuple[str, str, Hashable]] = ()) -> None:
    """Linearise a model of the AC form at an operating point.

    Rows, laws of loads and limits are then exact there in values and slopes; values of all Vars
    become those of the point, the devices' too.

    Parameters
    ----------
    model : Block
        Filled by ``build_opf(network, form="ac", ...)``.
    network : Network
        That of the model.
    point : OperatingPoint
        Of an AC power flow of the same network.
    curvature : mapping of period to ndarray, shape (n, n), optional
        Of `opf.curvature.set_curvature`; zeros if not given.
    straight : collection of (load, leg, period)
        Legs that do not bend at `v_high` whatever their voltage, such as those of `false_bends`.

    Raises
    ------
    ModelError
        If a period, bus or device is not in the point, or a fixed Var has another value there.
    """
    if not is_ac_form(model):
        raise ModelError.at(str(model.name), "is not of the AC form",
                            'Build it by build_opf(network, form="ac", operating_point=point).')
    _check(model, point)
    for name, bus in model.bus.items():
        bus.set_voltage({k: point.voltages[(name, *k)] for k in bus.vr})
    _set_devices(model, point)
    _set_laws(model, network, straight)
    for source in model.substation.values():
        source.set_power({k: point.source[k] for k in source.p})
    for bus in model.bus.values():
        bus.set_powers()
    set_curvature(model, curvature)


def is_ac_form(model: Any) -> bool:
    """Whether a model that `build_opf` filled is of the AC form."""
    return getattr(next(iter(model.bus.values())), "form", "") == "ac"


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


def false_bends(model: Any) -> set[tuple[str, str, Hashable]]:
    """Legs whose load is beyond what their law has at the values of a solution.

    A bend is exact where more load costs more. Where it costs less, as at an upper voltage limit,
    the DSO takes load that is not there: solve again with these legs `straight`.

    Parameters
    ----------
    model : Block
        Of the AC form, solved.

    Returns
    -------
    set of (load, leg, period)
    """
    found = set()
    for name, block in model.demand.items():
        for leg, t in block.component("kink") or ():
            w = pyo.value(block.bent_at[leg, t])
            if block.beyond[leg, t].value > max(0.0, w) + ROW_HOLDS:
                found.add((name, leg, t))
    return found


def _check(model: Any, point: OperatingPoint) -> None:
    missing = [t for t in model.periods if t not in point.periods]
    if missing:
        raise ModelError.at("operating point", f"lacks period {missing[0]!r}",
                            "Solve the AC power flow for every period of the model.")
    for name, bus in model.bus.items():
        for k, t in bus.vr:
            if (name, k, t) not in point.voltages:
                raise ModelError.at("operating point", f"lacks conductor {k!r} of bus {name!r} in "
                                    f"period {t!r}", "Solve the AC power flow of the same network.")


def _set_devices(model: Any, point: OperatingPoint) -> None:
    """Power that each device generates at the point."""
    for name, block in device_blocks(model):
        if block.device.nominal_power() is None:
            continue
        for t in model.periods:
            if (name, t) not in point.injections:
                raise ModelError.at(
                    f"{block.device.word} '{name}'", "is not in the operating point",
                    "Solve the AC power flow of the same network.")
            for var, value in block.settings(t, *point.injections[name, t]):
                if not var.fixed:
                    var.set_value(value, skip_validation=True)
                elif abs(var.value - value) > ROUNDING:
                    raise ModelError.at(
                        var.name, f"is fixed at {var.value:g}, the operating point has {value:g}",
                        "Solve the AC power flow of the dispatch that the model fixes.")


def _set_laws(model: Any, network: Network, straight: Collection) -> None:
    """Powers of loads and their slopes at the legs' voltages: all legs of a law at once."""
    (source,) = model.substation.values()
    costly = {t: pyo.value(source.price[t]) > 0 for t in model.periods}
    by_law: dict[tuple, list[tuple]] = {}
    for name, load in network.loads.items():
        bus = model.bus[load.bus]
        for leg in load.legs:
            place = bus.at(leg, name)
            v = np.array([abs(place.u0[t]) for t in model.periods]) / place.nominal
            ratio = 1.0 if load.kv is None else bus.leg_kv(leg) / load.kv
            law = (load.model, load.coefficients, load.v_low, load.v_high)
            by_law.setdefault(law, []).append((name, load, leg, place, v, ratio))
    for members in by_law.values():
        volts = np.array([v for *_, v, _ in members])
        ratios = np.array([[ratio] for *_, ratio in members])
        shares = load_law(members[0][1], volts * ratios)
        per_w = ratios / (2 * np.maximum(volts, ROUNDING))  # dx/dw
        numbers = [part.tolist() for part in (shares.p, shares.q, shares.dp * per_w,
                                              shares.dq * per_w, volts**2)]
        for k, (name, load, leg, place, v, ratio) in enumerate(members):
            block = model.demand[name]
            for i, t in enumerate(model.periods):
                p, q = block.nominal(load, leg, t)
                fp, fq, dp, dq, w = (part[k][i] for part in numbers)
                block.set_law((leg, t), (p * fp, q * fq), (p * dp, q * dq), w)
            bends = {t: costly[t] and (name, leg, t) not in straight for t in model.periods}
            _set_kinks(block, place, load, leg, v, ratio, bends)


def _set_kinks(block: Any, place: Any, load: Any, leg: str, v: np.ndarray, ratio: float,
               bends: Mapping[Hashable, bool]) -> None:
    """Bends at `v_high` of a leg in periods near it; where more load is wanted it has no bend."""
    x, top = v * ratio, load.v_high
    known = block.component("kink")
    near = np.abs(x - top) <= NEAR_KINK
    if not (near.any() or known is not None):
        return
    lower, upper = (law(load, np.array([top])) for law in (inside, above))
    jumps = max(abs(upper.p[0] - lower.p[0]), abs(upper.q[0] - lower.q[0])) > PRINTED
    per_w = ratio**2 / (2 * top)
    for i, t in enumerate(bends):
        if not (near[i] or (known is not None and (leg, t) in known)):
            continue
        p, q = block.nominal(load, leg, t)
        bend = (p * float(upper.dp[0] - lower.dp[0]) * per_w,
                q * float(upper.dq[0] - lower.dq[0]) * per_w)
        if jumps or not bends[t] or bend[0] < 0 or not any(bend):
            bend = (0.0, 0.0)
        if any(bend) or (known is not None and (leg, t) in known):
            block.set_kink(place, (leg, t), bend, (top / ratio) ** 2, bool(x[i] > top))
