"""Loads, capacitors and constant powers as OpenDSS commands, leg by leg."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.network import Capacitor, Load, Network
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.kinds import label
from pyomo_dlmp.network.phases import DELTA_PAIRS, between_phases
from pyomo_dlmp.network.zones import grounded_buses
from pyomo_dlmp.opendss.writing.wording import Wording, figure, row

Injections = Mapping[str, tuple[str, tuple[str, ...], tuple[float, ...], tuple[float, ...]]]
FAR = "vminpu=0.01 vmaxpu=10"  # constant power at any voltage that occurs


def default_injections(network: Network, grounded: Collection[str] | None = None) -> Injections:
    """Powers of each device: its `nominal_power`, shared equally.

    If the bus is not grounded, a balanced device is connected in delta (the same bus powers): one
    to ground would ground the feeder.

    Parameters
    ----------
    network : Network
        The feeder.
    grounded : collection of str, optional
        Its `grounded_buses`, where they are known.

    Returns
    -------
    dict
        [device]: (bus, legs, kW by leg, kvar by leg), generated.

    Raises
    ------
    OpenDssError
        If fewer than three legs are between phase and ground at a bus that is not grounded.
    """
    made = {}
    grounded = grounded_buses(network) if grounded is None else grounded
    for name, device in network.devices.items():
        power = device.nominal_power()
        if power is None:
            continue
        legs = leg_names(device)
        if device.bus not in grounded and all(len(leg) == 1 for leg in legs):
            if len(legs) < 3:
                raise OpenDssError.at(
                    label(device), f"it is between phase {', '.join(legs)} and ground at "
                    f"bus {device.bus!r}, which nothing grounds", "Connect it in delta.")
            legs = DELTA_PAIRS if legs == ("a", "b", "c") else legs
        made[name] = (device.bus, legs, *device.equal_legs(*power))
    return made


def injections(words: Wording, made: Injections) -> Iterator[str]:
    """Constant powers generated at legs, as negative loads.

    Parameters
    ----------
    words : Wording
        Of the network.
    made : mapping
        As of `default_injections`.

    Yields
    ------
    str
        A command for each leg.
    """
    for name, (bus, legs, kw, kvar) in made.items():
        device = words.network.devices[name]
        shape = words.shapes.get(getattr(device, "profile", None) or "")
        daily = f" daily={shape}" if shape else ""
        for leg, p, q in zip(legs, kw, kvar, strict=True):
            yield (f"{words.new('load', device, leg)} {_place(words, bus, leg)} kw={figure(-p)} "
                   f"kvar={figure(-q)} model=1 {FAR}{daily}")


def shapes(words: Wording) -> Iterator[str]:
    """The profiles that loads and generators follow, as load shapes.

    Parameters
    ----------
    words : Wording
        Of the network; its `shapes` are filled.

    Yields
    ------
    str
    """
    used = {getattr(device, "profile", None) for device in words.network.devices.values()}
    for name, profile in words.network.profiles.items():
        if name in used:
            words.shapes[name] = words.names.element("loadshape", "profile", name)
            own = "" if profile.q_values is None else f" qmult={row(profile.q_values)}"
            yield (f"new loadshape.{words.shapes[name]} npts={len(profile.values)} "
                   f"minterval={figure(profile.minutes)} mult={row(profile.values)}{own}")


def loads(words: Wording) -> Iterator[str]:
    """All loads, a single-phase one for each leg.

    Parameters
    ----------
    words : Wording
        Of the network.

    Yields
    ------
    str
    """
    for load in words.network.loads.values():
        model = _model(load)
        if load.profile in words.shapes:
            model += f" daily={words.shapes[load.profile]}"
        for leg, kw, kvar in zip(load.legs, load.kw, load.kvar, strict=True):
            part = leg if len(load.legs) > 1 else ""
            yield (f"{words.new('load', load, part)} {_place(words, load.bus, leg, load.kv)} "
                   f"kw={figure(kw)} kvar={figure(kvar)} vminpu={figure(load.v_low)} "
                   f"vmaxpu={figure(load.v_high)} {model}")


def _model(load: Load) -> str:
    if load.model == "exponential" and tuple(load.coefficients) == (0.0, 2.0):
        return "model=3"
    if load.model == "exponential":
        active, reactive = map(figure, load.coefficients)
        return f"model=4 CVRwatts={active} CVRvars={reactive}"
    if load.model == "zip":
        return f"model=8 ZIPV={row((*load.coefficients, 0.0))}"
    return f"model={ {'power': 1, 'impedance': 2, 'current': 5}[load.model]}"


def _place(words: Wording, bus: str, leg: str, kv: float | None = None) -> str:
    """Where a single-phase load is; its rated voltage is the bus's nominal unless given."""
    rated = words.network.buses[bus].nominal_kv(leg) if kv is None else kv
    ground = () if len(leg) == 2 else (0,)
    return (f"phases=1 bus1={words.at(bus, leg, *ground)} "
            f"conn={'delta' if between_phases(leg) else 'wye'} kv={figure(rated)}")


def capacitors(words: Wording) -> Iterator[str]:
    """Capacitors that are closed or switched, leg by leg; negative ones are reactors.

    Parameters
    ----------
    words : Wording
        Of the network.

    Yields
    ------
    str
    """
    for capacitor in words.network.capacitors.values():
        for leg, kvar in zip(capacitor.legs, capacitor.kvar, strict=True):
            written = capacitor.closed or capacitor.name in words.switched
            if written and kvar and len({0, *words.nodes(capacitor.bus, leg)}) > 1:
                yield _capacitor(words, capacitor, leg, kvar)


def _capacitor(words: Wording, capacitor: Capacitor, leg: str, kvar: float) -> str:
    bus = words.network.buses[capacitor.bus]
    rated = bus.nominal_kv(leg) if capacitor.kv is None else capacitor.kv
    part = leg if len(capacitor.legs) > 1 else ""
    word = "capacitor" if kvar > 0 else "reactor"
    if between_phases(leg):
        place = f"bus1={words.at(bus.name, leg)} conn=delta"
    else:
        second = words.at(bus.name, leg[1]) if len(leg) == 2 else words.node(bus.name, 0)
        place = f"bus1={words.at(bus.name, leg[0])} bus2={second} conn=wye"
    return (f"{words.new(word, capacitor, part)} phases=1 {place} kv={figure(rated)} "
            f"kvar={figure(abs(kvar))}")
