"""Transformers, centre-tapped ones and regulators as OpenDSS transformers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pyomo_dlmp.network import CenterTappedTransformer, Regulator, Transformer
from pyomo_dlmp.network.phases import PHASES, between_phases
from pyomo_dlmp.network.windings import rated_kv
from pyomo_dlmp.opendss.writing.wording import Wording, figure, row

_RANGE = "mintap=0.1 maxtap=10"
_DELTAS = (("ab", "bc", "ca"), ("ac", "ba", "cb"))


def transformers(words: Wording) -> Iterator[str]:
    """All transformers; a bank that OpenDSS has no connection for as one for each of its units.

    Parameters
    ----------
    words : Wording
        Of the network.

    Yields
    ------
    str
    """
    for t in words.network.transformers.values():
        stars = [words.spare(bus) if t.floating in (side, "both") else None
                 for bus, side in ((t.from_bus, "from"), (t.to_bus, "to"))]
        if len(t.legs[0]) == 1 or (_at_once(t, stars) and _lead(t) is not None):
            yield _transformer(words, t, t.legs, stars)
            continue
        n = len(t.legs[0])
        kvs = _rated(words, t)
        unit = replace(t, kva=t.kva / n, from_kv=kvs[0], to_kv=kvs[1])
        for k, legs in enumerate(zip(*t.legs, strict=True), 1):
            yield _transformer(words, unit, ((legs[0],), (legs[1],)), stars, str(k))


def _rated(words: Wording, t: Transformer) -> list[float]:
    """Rated voltage of one leg of each side (kV)."""
    return [rated_kv(kv, legs, words.network.buses[bus]) for bus, kv, legs in zip(
        (t.from_bus, t.to_bus), (t.from_kv, t.to_kv), t.legs, strict=True)]


def _at_once(t: Transformer, stars: Sequence[int | None]) -> bool:
    """Whether each side is a wye of one star point, or a delta of three windings."""
    for legs, star in zip(t.legs, stars, strict=True):
        wye = not any(map(between_phases, legs)) and len({leg[1:] for leg in legs}) == 1
        if wye and star is not None and len(legs[0]) > 1:
            return False
        if not wye and legs not in _DELTAS:
            return False
    return True


def _lead(t: Transformer) -> bool | None:
    """Which way the to-side turns, as `Transformer.lead`; None: as no connection of OpenDSS."""
    deltas = [between_phases(legs[0]) for legs in t.legs]
    if not any(deltas):
        return t.lead
    if any("".join(leg[0] for leg in legs) != PHASES for legs in t.legs):
        return None
    if all(deltas):
        return t.lead if t.legs[0] == t.legs[1] else None
    turned = t.legs[deltas.index(True)] == _DELTAS[1]
    return turned == deltas[1]


def _transformer(words: Wording, t: Transformer, legs: tuple[tuple[str, ...], ...],
                 stars: Sequence[int | None], part: str = "") -> str:
    n = len(legs[0])
    ends = [_winding(words, bus, group, star) for bus, group, star in zip(
        (t.from_bus, t.to_bus), legs, stars, strict=True)]
    kinds = ["delta" if between_phases(group[0]) else "wye" for group in legs]
    kvs = [rated if given is None and n == 1 else given if given is not None else
           words.network.buses[bus].kv for given, rated, bus in zip(
               (t.from_kv, t.to_kv), _rated(words, t), (t.from_bus, t.to_bus), strict=True)]
    leads = bool(_lead(t)) if n > 1 else t.lead
    return (f"{words.new('transformer', t, part)} phases={n} windings=2 "
            f"{_wdg(1, ends[0], kinds[0], kvs[0], t.kva, t.from_tap, t.r_percent / 2)} "
            f"{_wdg(2, ends[1], kinds[1], kvs[1], t.kva, t.tap, t.r_percent / 2)} "
            f"xhl={figure(t.x_percent)} {_core(t)} "
            f"leadlag={'lead' if leads != (kvs[1] > kvs[0]) else 'lag'} {_RANGE}")


def _wdg(number: int, end: str, kind: str, kv: float, kva: float, tap: float, r: float) -> str:
    return (f"wdg={number} bus={end} conn={kind} kv={figure(kv)} kva={figure(kva)} "
            f"tap={figure(tap)} %r={figure(r)}")


def _core(t: Transformer | CenterTappedTransformer) -> str:
    return (f"%noloadloss={figure(t.no_load_percent)} %imag={figure(t.magnetizing_percent)} "
            f"ppm_antifloat={figure(t.antifloat_ppm)}")


def _winding(words: Wording, bus: str, legs: Sequence[str], star: int | None = None) -> str:
    """Bus and nodes of a winding; of a wye with its star point."""
    if between_phases(legs[0]):
        return words.at(bus, legs[0] if len(legs) == 1 else PHASES)
    heads = [leg[0] for leg in legs]
    if star is not None:
        return words.at(bus, heads, star)
    if len(legs[0]) > 1:
        return words.at(bus, [*heads, legs[0][1]])
    return words.at(bus, heads, 0)


def center_tapped(words: Wording) -> Iterator[str]:
    """All centre-tapped transformers.

    Parameters
    ----------
    words : Wording
        Of the network.

    Yields
    ------
    str
    """
    for t in words.network.center_tapped.values():
        first, second = words.network.buses[t.from_bus], words.network.buses[t.to_bus]
        high = rated_kv(t.from_kv, (t.leg,), first)
        low = second.kv_ln if t.to_kv is None else t.to_kv
        one, two = words.nodes(t.to_bus, "12")
        kind = "delta" if between_phases(t.leg) else "wye"
        ends = ((_winding(words, t.from_bus, (t.leg,)), kind, high, t.from_tap),
                (words.node(t.to_bus, one, 0), "wye", low, t.tap),
                (words.node(t.to_bus, 0, two), "wye", low, t.tap))
        windings = " ".join(_wdg(k, end, kind, kv, t.kva, tap, r) for k, ((end, kind, kv, tap), r)
                            in enumerate(zip(ends, t.r_percent, strict=True), 1))
        x = t.x_percent
        yield (f"{words.new('transformer', t)} phases=1 windings=3 {windings} "
               f"xhl={figure(x[0])} xht={figure(x[1])} xlt={figure(x[2])} {_core(t)} {_RANGE}")


def regulators(words: Wording) -> Iterator[str]:
    """One single-phase transformer for each unit, or one for those that move together.

    An open delta also has a through conductor.

    Parameters
    ----------
    words : Wording
        Of the network.

    Yields
    ------
    str
    """
    for reg in words.network.regulators.values():
        yield from _regulator(words, reg)


def _regulator(words: Wording, reg: Regulator) -> Iterator[str]:
    """Ideal units have a great rating, and a small shunt only where nothing else is to ground."""
    bus = words.network.buses[reg.from_bus]
    grounded = reg.to_bus in words.grounded
    ohm = words.ideal_ohm(reg.from_bus) * (1.0 if grounded else 10.0)
    units: list[tuple[tuple[str, ...], float]] = [
        ((leg,), ratio) for leg, ratio in reg.ratio.items()]
    if reg.name in words.together:
        units = [(tuple(reg.ratio), units[0][1])]
    for legs, ratio in units:
        leg, n = legs[0], len(legs)
        unit_kv = bus.nominal_kv(leg)
        kv = unit_kv if n == 1 else bus.kv
        ideal = 1000.0 * unit_kv**2 / ohm / 1e4  # kVA on which .01 % is that impedance
        unit_kva, r, x = (reg.kva, reg.r_percent, reg.x_percent) if reg.kva else (ideal, 0.0, 0.01)
        kva = n * unit_kva
        ppm = 1.0 if reg.kva else 0.0 if grounded else 1000.0 * words.mva / kva
        taps = (1.0 / ratio, 1.0) if reg.kind == "A" else (1.0, ratio)
        kind = "delta" if between_phases(leg) else "wye"
        windings = " ".join(
            _wdg(k, _winding(words, end, legs), kind, kv, kva, tap, r / 2)
            for k, (end, tap) in enumerate(zip((reg.from_bus, reg.to_bus), taps, strict=True), 1))
        yield (f"{words.new('transformer', reg, ''.join(legs))} phases={n} windings=2 {windings} "
               f"xhl={figure(x)} %noloadloss=0 %imag=0 ppm_antifloat={figure(ppm)} {_RANGE}")
    if reg.connection == "open_delta":
        common = next(p for p in PHASES if all(p in leg for leg in reg.taps))
        yield (f"{words.new('line', reg, 'through')} phases=1 "
               f"bus1={words.at(reg.from_bus, common)} bus2={words.at(reg.to_bus, common)} "
               f"rmatrix={row([ohm])} xmatrix=[0] cmatrix=[0] length=1")
