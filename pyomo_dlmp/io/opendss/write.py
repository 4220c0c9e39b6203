"""`write_opendss`: a Network as one OpenDSS script, controls off, everything at nominal.

Each element becomes the OpenDSS element of its kind; a Regulator becomes one single-phase
transformer for each of its units. Names that OpenDSS cannot hold are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pyomo_dlmp.errors import Fault, OpenDssError
from pyomo_dlmp.io.opendss.circuit import NODE
from pyomo_dlmp.network import (
    Capacitor,
    CenterTappedTransformer,
    Line,
    LineCode,
    Load,
    Network,
    Regulator,
    Transformer,
)
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.phases import DELTA_PAIRS
from pyomo_dlmp.network.zones import grounded_buses
from pyomo_dlmp.tolerances import ENTRY, PRINTED

IDEAL_OHM = 1e-6  # of the source and of regulators that have no impedance of their own
FAR = {"vminpu": 0.01, "vmaxpu": 10.0}  # constant power at any voltage that occurs
_BAD = set(" \t.\"'!=,()[]{}|~") | {"\x7f"}

Injections = Mapping[str, tuple[str, tuple[str, ...], tuple[float, ...], tuple[float, ...]]]


def write_opendss(network: Network, path: str | Path) -> Path:
    """Write a network as an OpenDSS script that ends with ``solve``.

    Read back by `read_opendss` it has the same AC solution. Datacenters draw their capacity,
    SVGs nothing, generators and storages have their `kw` and `kvar`: all of them as constant
    powers.

    Parameters
    ----------
    network : Network
        The feeder.
    path : str or Path
        Of the file.

    Returns
    -------
    Path

    Raises
    ------
    OpenDssError
        If OpenDSS cannot hold a name or element, or the file cannot be written.
    """
    path = Path(path)
    lines = [f"! {network.name}: {network.description}".replace("\n", " "),
             *script(network, default_injections(network)), "solve", ""]
    try:
        path.write_text("\n".join(lines), encoding="utf-8")
    except OSError as error:
        raise OpenDssError.at(str(path), f"it cannot be written: {error}",
                              "Check the folder.") from None
    return path


def script(network: Network, injections: Injections) -> Iterator[str]:
    """The commands, line by line, up to the voltage bases.

    Parameters
    ----------
    network : Network
        The feeder.
    injections : mapping
        [device]: (bus, legs, kW by leg, kvar by leg), generated; in place of the devices.

    Yields
    ------
    str

    Raises
    ------
    OpenDssError
        If OpenDSS cannot hold a name or element.
    """
    _check_names(network)
    yield from ("clear", f"set defaultbasefrequency={network.frequency:.17g}")
    yield from _source(network)
    codes: dict[str, LineCode] = {line.code.name: line.code for line in network.lines.values()}
    for code in codes.values():
        yield _code(code, network.frequency)
    for line in network.branches.values():
        if isinstance(line, Line):
            yield (f"new line.{line.name} phases={len(line.phases)} "
                   f"bus1={_at(line.from_bus, line.phases)} bus2={_at(line.to_bus, line.phases)} "
                   f"linecode={line.code.name} length={line.length:.17g} units=km")
    for transformer in network.transformers.values():
        yield _transformer(network, transformer)
    for tapped in network.center_tapped.values():
        yield _center_tapped(network, tapped)
    for regulator in network.regulators.values():
        yield from _regulator(network, regulator)
    for load in network.loads.values():
        yield from _load(network, load)
    for capacitor in network.capacitors.values():
        yield from _capacitor(network, capacitor)
    for name, (bus, legs, kw, kvar) in injections.items():
        yield from injection(network, name, bus, legs, kw, kvar)
    bases = sorted({bus.kv_ln * math.sqrt(3.0) for bus in network.buses.values()}, reverse=True)
    yield f"set voltagebases=[{' '.join(f'{kv:.17g}' for kv in bases)}]"
    yield "calcvoltagebases"
    yield "set controlmode=off maxiterations=200 tolerance=1e-8"


def default_injections(network: Network) -> Injections:
    """Powers of each device: its `nominal_power`, shared equally.

    If the bus is not grounded, a balanced device is connected in delta (the same bus powers): one
    to ground would ground the feeder.

    Parameters
    ----------
    network : Network
        The feeder.

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
    grounded = grounded_buses(network)
    for name, device in network.devices.items():
        power = device.nominal_power()
        if power is None:
            continue
        legs = leg_names(device)
        if device.bus not in grounded:
            if all(len(leg) == 1 for leg in legs) and len(legs) < 3:
                raise OpenDssError.at(
                    f"device {name!r}", f"it is between phase {', '.join(legs)} and ground at "
                    f"bus {device.bus!r}, which nothing grounds", "Connect it in delta.")
            legs = DELTA_PAIRS if legs == ("a", "b", "c") else legs
        made[name] = (device.bus, legs, *device.equal_legs(*power))
    return made


def injection(network: Network, name: str, bus: str, legs: Sequence[str], kw: Sequence[float],
              kvar: Sequence[float]) -> Iterator[str]:
    """Constant powers generated at legs, as negative loads.

    Parameters
    ----------
    network : Network
        The feeder.
    name, bus : str
        Of the device.
    legs : sequence of str
        Phases, or pairs of phases.
    kw, kvar : sequence of float
        Generated by each leg (kW, kvar).

    Yields
    ------
    str
        A command for each leg.
    """
    for leg, p, q in zip(legs, kw, kvar, strict=True):
        yield _one_load(network, f"{name}_{leg}", bus, leg, -p, -q, None, {"model": 1, **FAR})


def _check_names(network: Network) -> None:
    faults = []
    for element in network.elements:
        if set(element.name) & _BAD or not element.name.isprintable():
            faults.append(Fault(f"element {element.name!r}", "OpenDSS cannot hold its name",
                                "Use letters, digits, - and _."))
    lower: dict[str, str] = {}
    for name in network.buses:
        if lower.setdefault(name.lower(), name) != name:
            faults.append(Fault(f"bus {name!r}", f"OpenDSS takes it for {lower[name.lower()]!r}",
                                "Give buses names that differ by more than case."))
    if faults:
        raise OpenDssError(faults)


def _at(bus: str, phases: str) -> str:
    return f"{bus}." + ".".join(str(NODE[p]) for p in phases)


def _matrix(values) -> str:
    return "[" + " | ".join(" ".join(f"{v:.17g}" for v in row) for row in values) + "]"


def _source(network: Network) -> Iterator[str]:
    source = network.substation
    bus = network.buses[source.bus]
    n = len(bus.phases)
    volts = source.v_pu
    z = source.z if source.z is not None else np.eye(n) * 1j * IDEAL_OHM
    own = complex(np.mean(np.diag(z)))
    mutual = complex(0) if n == 1 else complex(np.mean(z[~np.eye(n, dtype=bool)]))
    cyclic = np.full((n, n), mutual) + np.eye(n) * (own - mutual)
    z1, z0 = own - mutual, own + (n - 1) * mutual
    is_cyclic = np.abs(cyclic - z).max() <= PRINTED * np.abs(z).max()
    if len(set(volts)) == 1 and n in (1, 3) and is_cyclic:
        base = bus.kv if n == 3 else bus.kv_ln
        yield (f"new circuit.{_plain(network.name)} phases={n} basekv={base:.17g} "
               f"pu={volts[0]:.17g} "
               f"angle={source.angle + _turn(bus.phases[0]):.17g} "
               f"bus1={_at(source.bus, bus.phases)} "
               f"Z1=[{z1.real:.17g} {z1.imag:.17g}] Z0=[{z0.real:.17g} {z0.imag:.17g}] "
               f"Z2=[{z1.real:.17g} {z1.imag:.17g}]")
        return
    if np.abs(z - np.diag(np.diag(z))).max() > ENTRY:
        raise OpenDssError.at(
            f"substation {source.name!r}", "its voltages or impedances are unequal and its phases "
            "are coupled", "Use equal voltages with a cyclic impedance, or uncoupled phases.")
    for k, (phase, volt) in enumerate(zip(bus.phases, volts, strict=True)):
        what = f"circuit.{_plain(network.name)}" if k == 0 else f"vsource.source_{phase}"
        yield (f"new {what} phases=1 basekv={bus.kv_ln:.17g} pu={volt:.17g} "
               f"angle={source.angle + _turn(phase):.17g} bus1={_at(source.bus, phase)} "
               f"Z1=[{z[k, k].real:.17g} {z[k, k].imag:.17g}] "
               f"Z0=[{z[k, k].real:.17g} {z[k, k].imag:.17g}]")


def _turn(phase: str) -> float:
    return {"a": 0.0, "b": -120.0, "c": 120.0}.get(phase, 0.0)


def _plain(name: str) -> str:
    return "".join(letter if letter not in _BAD else "_" for letter in name) or "feeder"


def _code(code: LineCode, frequency: float) -> str:
    b = code.b if code.b is not None else np.zeros((len(code.r),) * 2)
    farads = np.asarray(b) / (2e-3 * math.pi * frequency)  # microsiemens to nanofarad
    return (f"new linecode.{code.name} nphases={len(code.r)} units=km basefreq={frequency:.17g} "
            f"rmatrix={_matrix(code.r)} xmatrix={_matrix(code.x)} cmatrix={_matrix(farads)}")


def _winding_bus(bus: str, legs: tuple[str, ...], floating: bool) -> str:
    if len(legs) == 1 or len(legs[0]) == 1:
        nodes = "".join(legs)
        open_star = ".4" if floating else ".0" if len(legs) == 1 and len(legs[0]) == 1 else ""
        return _at(bus, nodes) + open_star
    return f"{bus}.1.2.3"


def _transformer(network: Network, t: Transformer) -> str:
    legs = t.legs
    n = len(legs[0])
    if n > 1 and any(group not in (("a", "b", "c"), ("ab", "bc", "ca"), ("ac", "ba", "cb"))
                     for group in legs if len(group[0]) == 2):
        raise OpenDssError.at(
            f"transformer {t.name!r}", f"its legs are {legs[0]} to {legs[1]}",
            "Write a bank of several units as one transformer for each.")
    buses = [_winding_bus(bus, group, t.floating in (side, "both"))
             for bus, group, side in zip((t.from_bus, t.to_bus), legs, ("from", "to"),
                                         strict=True)]
    first, second = t.connection.split("-")
    kvs = [_rated(network, bus, group, kv) for bus, group, kv in zip(
        (t.from_bus, t.to_bus), legs, (t.from_kv, t.to_kv), strict=True)]
    return (f"new transformer.{t.name} phases={n} windings=2 buses=[{' '.join(buses)}] "
            f"conns=[{first} {second}] kvs=[{kvs[0]:.17g} {kvs[1]:.17g}] "
            f"kvas=[{t.kva:.17g} {t.kva:.17g}] "
            f"taps=[{t.from_tap:.17g} {t.tap:.17g}] xhl={t.x_percent:.17g} "
            f"%rs=[{t.r_percent / 2:.17g} {t.r_percent / 2:.17g}] "
            f"%noloadloss={t.no_load_percent:.17g} %imag={t.magnetizing_percent:.17g} "
            f"leadlag={'lead' if t.lead != (kvs[1] > kvs[0]) else 'lag'} "
            f"ppm_antifloat={t.antifloat_ppm:.17g} "
            "mintap=0.1 maxtap=10")


def _rated(network: Network, bus: str, legs: tuple[str, ...], given: float | None) -> float:
    if given is not None:
        return given
    at = network.buses[bus]
    return at.kv if len(legs) > 1 or len(legs[0]) == 2 else at.kv_ln


def _center_tapped(network: Network, t: CenterTappedTransformer) -> str:
    high = _winding_bus(t.from_bus, (t.leg,), False)
    kv = _rated(network, t.from_bus, (t.leg,), t.from_kv)
    low = network.buses[t.to_bus].kv_ln if t.to_kv is None else t.to_kv
    r, x = t.r_percent, t.x_percent
    return (f"new transformer.{t.name} phases=1 windings=3 "
            f"buses=[{high} {t.to_bus}.1.0 {t.to_bus}.0.2] "
            f"conns=[{'wye' if len(t.leg) == 1 else 'delta'} wye wye] "
            f"kvs=[{kv:.17g} {low:.17g} {low:.17g}] kvas=[{t.kva:.17g} {t.kva:.17g} {t.kva:.17g}] "
            f"taps=[{t.from_tap:.17g} {t.tap:.17g} {t.tap:.17g}] xhl={x[0]:.17g} "
            f"xht={x[1]:.17g} xlt={x[2]:.17g} "
            f"%rs=[{r[0]:.17g} {r[1]:.17g} {r[2]:.17g}] %noloadloss={t.no_load_percent:.17g} "
            f"%imag={t.magnetizing_percent:.17g} ppm_antifloat={t.antifloat_ppm:.17g} "
            "mintap=0.1 maxtap=10")


def _regulator(network: Network, reg: Regulator) -> Iterator[str]:
    """One single-phase transformer for each unit; an open delta also has a through conductor."""
    bus = network.buses[reg.from_bus]
    for leg, ratio in reg.ratio.items():
        kv = bus.kv if len(leg) == 2 else bus.kv_ln
        ideal = 1000.0 * kv**2 / IDEAL_OHM / 1e4  # kVA on which .01 % is IDEAL_OHM
        kva, r, x = (reg.kva, reg.r_percent, reg.x_percent) if reg.kva else (ideal, 0.0, 0.01)
        taps = (1.0 / ratio, 1.0) if reg.kind == "A" else (1.0, ratio)
        kind = "delta" if len(leg) == 2 else "wye"
        yield (f"new transformer.{reg.name}_{leg} phases=1 windings=2 "
               f"buses=[{_winding_bus(reg.from_bus, (leg,), False)} "
               f"{_winding_bus(reg.to_bus, (leg,), False)}] conns=[{kind} {kind}] "
               f"kvs=[{kv:.17g} {kv:.17g}] kvas=[{kva:.17g} {kva:.17g}] "
               f"taps=[{taps[0]:.17g} {taps[1]:.17g}] "
               f"xhl={x:.17g} %rs=[{r / 2:.17g} {r / 2:.17g}] %noloadloss=0 %imag=0 "
               f"mintap=0.1 maxtap=10")
    if reg.connection == "open_delta":
        common = next(p for p in "abc" if all(p in leg for leg in reg.taps))
        yield (f"new line.{reg.name}_through phases=1 bus1={_at(reg.from_bus, common)} "
               f"bus2={_at(reg.to_bus, common)} r1={IDEAL_OHM:.17g} x1=0 r0={IDEAL_OHM:.17g} x0=0 "
               "c1=0 c0=0 length=1")


def _load(network: Network, load: Load) -> Iterator[str]:
    keys: dict[str, float | str] = {"vminpu": load.v_low, "vmaxpu": load.v_high}
    if load.model == "exponential" and tuple(load.coefficients) == (0.0, 2.0):
        keys["model"] = 3
    elif load.model == "exponential":
        keys |= {"model": 4, "CVRwatts": load.coefficients[0], "CVRvars": load.coefficients[1]}
    elif load.model == "zip":
        shares = " ".join(f"{v:.17g}" for v in load.coefficients)
        keys |= {"model": 8, "ZIPV": f"[{shares} 0]"}
    else:
        keys["model"] = {"power": 1, "impedance": 2, "current": 5}[load.model]
    n = len(load.legs)
    for leg, kw, kvar in zip(load.legs, load.kw, load.kvar, strict=True):
        name = load.name if n == 1 else f"{load.name}_{leg}"
        yield _one_load(network, name, load.bus, leg, kw, kvar, load.kv, keys)


def _one_load(network: Network, name, bus, leg, kw, kvar, kv, keys) -> str:
    at = network.buses[bus]
    rated = kv if kv is not None else at.kv if len(leg) == 2 else at.kv_ln
    words = " ".join(f"{key}={value if isinstance(value, str) else f'{value:.17g}'}"
                     for key, value in keys.items())
    ground = ".0" if len(leg) == 1 else ""
    return (f"new load.{name} phases=1 bus1={_at(bus, leg)}{ground} "
            f"conn={'delta' if len(leg) == 2 else 'wye'} kv={rated:.17g} kw={kw:.17g} "
            f"kvar={kvar:.17g} "
            f"{words}")


def _capacitor(network: Network, cap: Capacitor) -> Iterator[str]:
    if not cap.closed:
        return
    at = network.buses[cap.bus]
    for leg, kvar in zip(cap.legs, cap.kvar, strict=True):
        rated = cap.kv if cap.kv is not None else at.kv if len(leg) == 2 else at.kv_ln
        name = f"{cap.name}_{leg}"
        if kvar < 0 or len(leg) == 2:  # constant impedance: any sign, any pair of phases
            yield _one_load(network, name, cap.bus, leg, 0.0, -kvar, rated,
                            {"model": 2, **FAR})
        elif kvar > 0:
            yield (f"new capacitor.{name} phases=1 bus1={_at(cap.bus, leg)} conn=wye "
                   f"kv={rated:.17g} kvar={kvar:.17g}")
