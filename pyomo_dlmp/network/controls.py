"""Settings of automatic controls: of regulators and tap changers, of switched capacitors.

They are data beside the elements. Every model and power flow has taps and switches as they are in
the network; only a power flow that is asked for it lets controls act
(`power_flow.AcSolver(network, controls=True)`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pyomo_dlmp.errors import Fault, nearest, shown
from pyomo_dlmp.network.devices import Capacitor
from pyomo_dlmp.network.elements import Bus, Line, Regulator
from pyomo_dlmp.network.fields import Range, field_findings
from pyomo_dlmp.network.kinds import buses_of
from pyomo_dlmp.network.series import fault_list
from pyomo_dlmp.network.transformers import Transformer

_VOLT = Range(0, unit="V", above=True)
_RATIO = Range(0, above=True)
_AMPERE = Range(0, unit="A", above=True)
_SECONDS = Range(0, unit="s")
_TAP = Range(0, 10, unit="pu", above=True)
_STEPS = Range(1, 1000)


@dataclass(frozen=True, kw_only=True)
class RegulatorControl:
    """Holds a voltage by the taps of a regulator or transformer, with line-drop compensation.

    Parameters
    ----------
    name : str
    of : str
        The regulator or transformer.
    unit : str
        Its unit, such as ``"a"`` or ``"ab"``; "": all of them together.
    v_set, band : float
        Voltage that is held, and width of the band around it (V, of the voltage transformer's
        secondary).
    pt_ratio : float
        Of the voltage transformer (1).
    ct_a : float
        Primary rating of the current transformer (A), at which the compensation is `r_v`, `x_v`.
    r_v, x_v : float
        Line-drop compensation (V).
    side, tap_side : "from" or "to"
        Whose voltage is measured; where the taps are.
    phase : str
        That is measured; "": the first; "min" or "max": of all.
    bus : str
        Measured in place of the own end; "": the own end.
    remote_pt_ratio : float or None
        Of the voltage transformer there; None: `pt_ratio`.
    delay_s, tap_delay_s : float
        Before the first step and between steps: what acts first.
    most_taps : int
        Steps at once.
    tap_min, tap_max : float
        Ends of the range (pu of the rated voltage).
    steps : int
        Between them.
    v_limit : float
        Of the first customer (V, secondary); 0: none.
    reverse : tuple of float or None
        In reverse flow: v_set, band, r_v, x_v (V), threshold (kW), delay (s); None: as forward.
    reverse_neutral : bool
        Whether it goes to neutral in reverse flow.
    """

    name: str
    of: str
    v_set: Annotated[float, _VOLT]
    band: Annotated[float, _VOLT]
    pt_ratio: Annotated[float, _RATIO]
    unit: str = ""
    ct_a: Annotated[float, _AMPERE] = 300.0
    r_v: float = 0.0
    x_v: float = 0.0
    side: Literal["from", "to"] = "to"
    tap_side: Literal["from", "to"] = "to"
    phase: str = ""
    bus: str = ""
    remote_pt_ratio: Annotated[float | None, _RATIO] = None
    delay_s: Annotated[float, _SECONDS] = 15.0
    tap_delay_s: Annotated[float, _SECONDS] = 2.0
    most_taps: Annotated[int, Range(0, 1000)] = 16
    tap_min: Annotated[float, _TAP] = 0.9
    tap_max: Annotated[float, _TAP] = 1.1
    steps: Annotated[int, _STEPS] = 32
    v_limit: Annotated[float, Range(0, unit="V")] = 0.0
    reverse: tuple[float, ...] | None = None
    reverse_neutral: bool = False


@dataclass(frozen=True, kw_only=True)
class CapacitorControl:
    """Switches a capacitor by what it measures at a branch.

    Parameters
    ----------
    name : str
    of : str
        The capacitor.
    kind : "current", "voltage", "kvar" or "pf"
        What is measured.
    branch, bus : str
        Where: the branch, at this end.
    on, off : float
        Settings, in A or V of the secondary, kvar, or power factor (above 1: leading, 2 - pf).
    pt_ratio, ct_ratio : float
        Of its transformers (1).
    v_phase, i_phase : str
        That are measured; "": the first; "avg", "min" or "max".
    v_min, v_max : float or None
        Voltages (V, secondary) at which it switches whatever else is measured; None: none.
    delay_s, delay_off_s, dead_s : float
        Before it closes, before it opens, and from opening to the next closing.
    least_kvar_percent : float
        Of the bank's rating that must flow before one by power factor acts.
    """

    name: str
    of: str
    kind: Literal["current", "voltage", "kvar", "pf"]
    branch: str
    bus: str
    on: float
    off: float
    pt_ratio: Annotated[float, _RATIO] = 60.0
    ct_ratio: Annotated[float, _RATIO] = 60.0
    v_phase: str = ""
    i_phase: str = ""
    v_min: Annotated[float | None, _VOLT] = None
    v_max: Annotated[float | None, _VOLT] = None
    delay_s: Annotated[float, _SECONDS] = 15.0
    delay_off_s: Annotated[float, _SECONDS] = 15.0
    dead_s: Annotated[float, _SECONDS] = 300.0
    least_kvar_percent: Annotated[float, Range(0, unit="%")] = 50.0


@dataclass(frozen=True, kw_only=True)
class FixedControl:
    """A control that a file has and that is known by name only: what it did stays as it is.

    Parameters
    ----------
    name : str
    why : str
        It does not act, in words.
    """

    name: str
    why: str


Control = RegulatorControl | CapacitorControl | FixedControl


def control_faults(controls: Iterable[Any], elements: Iterable[Any]) -> Iterator[Fault]:
    """What is wrong with controls.

    Parameters
    ----------
    controls : iterable
    elements : iterable of Element
        Of their network, each sound by itself.

    Yields
    ------
    Fault
    """
    elements = list(elements)
    buses = {e.name: e for e in elements if isinstance(e, Bus)}
    seen: set[str] = set()
    for control in controls:
        if not isinstance(control, Control):
            yield Fault("network", f"its controls hold {shown(control)}",
                        "Give a RegulatorControl or a CapacitorControl.")
            continue
        where = f"control {shown(control.name)}"
        if found := field_findings(control):
            yield from fault_list(where, found)
            continue
        if control.name in seen:
            yield Fault(where, "is there twice", "Give each control its own name.")
        seen.add(control.name)
        if isinstance(control, RegulatorControl):
            yield from _of_regulator(control, where, elements, buses)
        elif isinstance(control, CapacitorControl):
            yield from _of_capacitor(control, where, elements)


def _of_regulator(control: RegulatorControl, where: str, elements: list, buses: dict,
                  ) -> Iterator[Fault]:
    known = {e.name: e for e in elements if isinstance(e, Regulator | Transformer)}
    if control.of not in known:
        yield Fault(where, f"there is no regulator or transformer {control.of!r}",
                    nearest(control.of, known))
        return
    own = known[control.of]
    units = own.taps if isinstance(own, Regulator) else {}
    if control.unit and control.unit not in units:
        yield Fault(where, f"{control.of!r} has no unit {control.unit!r}",
                    f"Give one of {', '.join(units) or 'none'}.")
    elif not control.unit and len(units) > 1 and (
            own.connection != "wye" or len(set(units.values())) > 1):
        yield Fault(where, f"the units of {control.of!r} do not move together: they are at taps "
                    f"{dict(units)}", "Give each unit a control: unit='a'.")
    if control.bus and control.bus not in buses:
        yield Fault(where, f"there is no bus {control.bus!r}", nearest(control.bus, buses))
    if control.tap_min >= control.tap_max:
        yield Fault(where, f"its taps go from {control.tap_min:g} to {control.tap_max:g}",
                    "Give a tap_max above tap_min.")
    if control.reverse is not None and len(control.reverse) != 6:
        yield Fault(where, f"reverse has {len(control.reverse)} numbers",
                    "Give v_set, band, r_v, x_v, threshold and delay.")


def _of_capacitor(control: CapacitorControl, where: str, elements: list) -> Iterator[Fault]:
    known = {e.name: e for e in elements if isinstance(e, Capacitor)}
    branches = {e.name: e for e in elements if isinstance(e, Line | Transformer)}
    if control.of not in known:
        yield Fault(where, f"there is no capacitor {control.of!r}", nearest(control.of, known))
    if control.branch not in branches:
        yield Fault(where, f"there is no line or transformer {control.branch!r}",
                    nearest(control.branch, branches))
    elif control.bus not in buses_of(branches[control.branch]):
        yield Fault(where, f"{control.branch!r} has no end at bus {control.bus!r}",
                    f"Give one of {', '.join(map(repr, buses_of(branches[control.branch])))}.")


def kept_controls(controls: Iterable[Control], elements: Iterable[Any]) -> Iterator[Control]:
    """Controls whose elements are there.

    Parameters
    ----------
    controls : iterable of Control
        Sound in another network.
    elements : iterable of Element
        That are left of it, or more.

    Yields
    ------
    Control
    """
    elements = list(elements)
    capacitors = {e.name for e in elements if isinstance(e, Capacitor)}
    for control in controls:
        if not isinstance(control, CapacitorControl) or control.of in capacitors:
            yield control
