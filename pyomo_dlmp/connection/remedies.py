"""What would move the limit of a connection: candidates ranked in its limiting hour.

Power factor, static var generator, phases and taps are ranked by the capacity of that hour itself;
a second conductor by the first-order effect of its half impedance; a battery by the envelope. The
best are solved again in all hours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.connection.answer import contracts
from pyomo_dlmp.connection.grid import NO_LIMIT, Grid
from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.network import CenterTappedTransformer, Line, Regulator, Transformer
from pyomo_dlmp.network.elements import MAX_TAP
from pyomo_dlmp.tolerances import ROUNDING

_SVG_SHARE = 0.4  # kvar of a static var generator per firm kW
_BATTERY_SHARE, _BATTERY_HOURS = 0.2, 4.0  # of the firm kW; its energy
_TAPS, _TAPPED, _SVG = 2, "regulator taps", "static var generator"
_LINES = 2  # whose reinforcement is solved in the limiting hour
Progress = Callable[[str], None]


@dataclass
class _Remedy:
    """A change, and what it gives: `kw` of the limiting hour, `firm` of all, `note` what then ends.

    `own` are branches in place of those of the same name, `of_site` are fields of the site.
    """

    name: str
    detail: str
    own: tuple = ()
    of_site: dict[str, Any] = field(default_factory=dict)
    kw: float = float("nan")
    firm: float = float("nan")
    note: str = ""


def remedies_of(study: Any, progress: Progress | None, most: int) -> pd.DataFrame:
    """See `ConnectionStudy.remedies`.

    Parameters
    ----------
    study : ConnectionStudy
    progress : callable or None
    most : int

    Returns
    -------
    DataFrame
    """
    columns = ["remedy", "detail", "kw_in_limiting_hour", "firm_kw", "gain_kw", "note"]
    if study.binding.what == NO_LIMIT:  # nothing has to be moved
        return pd.DataFrame(columns=columns)
    say = progress or (lambda stage: None)
    found = [*_of_site(study), *_taps(study), *_lines(study), *_units(study)]
    here = study.hourly.kw[study.binding.hour]
    for one in found:
        say(f"remedies in the limiting hour: {one.name}, {one.detail}")
        _try(study, one, say, study.binding.hour)
        if not one.kw > here * 1.001 and not one.note.startswith("not allowed"):
            one.note = f"does not help; {one.note}"
    helps = sorted((one for one in found if one.kw > here * 1.001 and not one.note.startswith(
        "not allowed")), key=lambda one: -one.kw)
    for one in helps[:most] + [one for one in helps[most:] if one.name == _SVG]:
        _try(study, one, say)
    if both := _both([one for one in helps[:most] if one.firm > study.firm_kw]):
        found.append(both)
        _try(study, both, say, study.binding.hour)
        _try(study, both, say)
    found.append(_battery(study))
    rows = [(one.name, one.detail, one.kw, one.firm, one.firm - study.firm_kw, one.note)
            for one in found]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["firm_kw", "kw_in_limiting_hour"], ascending=False,
                             na_position="last", ignore_index=True)


def _try(study: Any, one: _Remedy, say: Progress, only: int | None = None) -> None:
    """Set the kW of a remedy in one hour, or in all, and what then ends them.

    Limits are those of the study: a remedy may break none that was kept before, and taps none
    further.
    """
    site = replace(study.site, **one.of_site)
    sites = [*(site for site, _ in study.before), site]
    where = f"remedies in all hours: {one.name}, {one.detail}"
    try:
        grid = Grid(study.network.replacing(*one.own), sites, study.hours,
                    study.grid.limits.options, study.options.get("existing", "relaxed"),
                    like=study.grid, only=only,
                    progress=None if only is not None else lambda stage: say(f"{where}, {stage}"))
    except DlmpError:
        one.kw, one.note = 0.0, "not allowed: there is no power flow with it"
        return
    if grid.worse and one.name == _TAPPED:
        one.kw, one.note = 0.0, "not allowed: a limit that is broken before gets worse"
        return
    for other, kw in study.before:
        grid = grid.with_site(other, kw)
    hourly = grid.capacity(site, max(2.0 * study.max_kw, study.max_kw + 1.0))
    contract = contracts(hourly.kw, grid.hours.share)
    at = int(np.argmin(contract))
    limit = hourly.limits[at]
    one.note = f"then {limit}" if isinstance(limit, str) else f"then {limit.what} at {limit.name}"
    if only is None:
        one.firm = float(contract[at])
    else:
        one.kw = float(hourly.kw[0])


def _both(helps: list[_Remedy]) -> _Remedy | None:
    """The best remedy with the next one that changes something else."""
    for one in helps[1:]:
        first = helps[0]
        if not set(first.of_site) & set(one.of_site) and not (
                {b.name for b in first.own} & {b.name for b in one.own}):
            name = f"two of {one.name}" if one.name == first.name else (
                f"{first.name} and {one.name}")
            return _Remedy(name, f"{first.detail}; {one.detail}",
                           first.own + one.own, first.of_site | one.of_site)
    return None


def _of_site(study: Any):
    """Changes of the applicant itself."""
    site = study.site
    if site.power_factor < 1.0:
        yield _Remedy("power factor", f"1.0 instead of {site.power_factor:g}",
                      of_site={"power_factor": 1.0})
    kvar = round(_SVG_SHARE * max(study.firm_kw, 100.0), -1)
    yield _Remedy(_SVG, f"{site.svg_kvar + kvar:,.0f} kvar at {site.bus}",
                  of_site={"svg_kvar": site.svg_kvar + kvar})
    phases = study.network.buses[site.bus].phases
    if len(site.phases) < len(phases):
        others = [k for k in phases if k not in site.phases] if len(site.phases) == 1 else []
        for choice in [*others, phases]:
            if len(choice) in (1, 3) or choice == phases:
                yield _Remedy("other phases", f"{choice} instead of {site.phases}",
                              of_site={"phases": choice})


def _path(study: Any) -> list[list[Any]]:
    """Branches from the substation to the site, side by side where several join two buses."""
    graph = study.network.graph()
    steps, bus = [], study.site.bus
    while bus != study.network.substation.bus:
        before = next(iter(graph.predecessors(bus)))
        steps.append({before, bus})
        bus = before
    beside: dict[frozenset, list] = {}
    for branch in study.network.branches.values():
        beside.setdefault(frozenset((branch.from_bus, branch.to_bus)), []).append(branch)
    return [beside[frozenset(ends)] for ends in reversed(steps)]


def _taps(study: Any):
    """Regulators on the way: all at one place, and that of the limiting phase alone.

    They are raised, or lowered where an upper limit ends the firm kW.
    """
    steps = -_TAPS if "v_max" in study.binding.end else _TAPS
    for place in _path(study):
        all_here = [b for b in place if isinstance(b, Regulator) and all(
            abs(n + steps) <= MAX_TAP for n in b.taps.values())]
        own = [b for b in all_here if set(study.binding.phase) & set(b.taps)]
        for group in [all_here] + [own] * (0 < len(own) < len(all_here)):
            if group:
                names = ", ".join(b.name for b in group)
                way = "higher" if steps > 0 else "lower"
                yield _Remedy(_TAPPED, f"{names} {_TAPS} steps {way}",
                              tuple(replace(b, taps={k: n + steps for k, n in b.taps.items()})
                                    for b in group))


def _lines(study: Any):
    """A second conductor set along the lines of the way that drop most of the voltage."""
    lines = [b for place in _path(study) for b in place if isinstance(b, Line) and not b.joins]
    if not lines:
        return
    grid, t = study.grid, study.grid.of_hour[study.binding.hour]
    feeder = grid.feeder(np.array([t]), study.site)
    kw = np.array([max(study.hourly.kw[study.binding.hour], 1.0)])
    z, _ = feeder.solve(study.site, kw, np.array([0]), feeder.start)
    at = grid.circuit.at

    def drop(line: Line) -> float:
        if study.binding.element == line.name and study.binding.what == "loading":
            return float("inf")
        gone = [abs(z[at[line.from_bus, k], 0]) - abs(z[at[line.to_bus, other], 0])
                for k, other in zip(line.from_phases, line.to_phases, strict=True)
                if at[line.from_bus, k] >= 0 and at[line.to_bus, other] >= 0]
        return max(gone, default=0.0)

    for line in sorted(lines, key=drop, reverse=True)[:_LINES]:
        half = replace(line.code, name=f"{line.code.name}_doubled",
                       r=_half(line.code.r), x=_half(line.code.x),
                       b=None if line.code.b is None else _half(line.code.b, 2.0))
        own = replace(line, code=half,
                      rating_kva=None if line.rating_kva is None else 2.0 * line.rating_kva)
        yield _Remedy("reinforced line", f"a second set beside {line.name} "
                      f"({line.length:.3g} km)", (own,))


def _units(study: Any):
    """A second unit beside the transformer or regulator whose loading is the limit."""
    branch = study.network.branches.get(study.binding.element)
    if study.binding.what == "loading" and isinstance(
            branch, Transformer | CenterTappedTransformer | Regulator):
        assert branch.kva is not None
        # equal ones side by side: the same impedance in % of twice the rating
        yield _Remedy("second unit", f"another {branch.kva:,.0f} kVA beside {branch.name}",
                      (replace(branch, kva=2.0 * branch.kva),))


def _half(matrix, factor: float = 0.5):
    return tuple(tuple(factor * x for x in row) for row in matrix)


def _battery(study: Any) -> _Remedy:
    """A battery beside the site, charged within the envelope."""
    kw = round(_BATTERY_SHARE * max(study.firm_kw, 100.0), -1)
    kwh = _BATTERY_HOURS * kw
    firm = battery_contract(study.hourly.kw, study.hours.share, kw, kwh, study.hours.hours)
    helps = firm > study.firm_kw + 0.1
    return _Remedy("battery", f"{kw:,.0f} kW, {kwh:,.0f} kWh, 90 % round trip", firm=firm,
                   note="" if helps else "does not help; no hours leave enough to charge it")


def battery_contract(capacity: np.ndarray, share: np.ndarray, kw: float, kwh: float,
                     length: float, efficiency: float = 0.9) -> float:
    """The greatest contract that a battery beside the site makes firm.

    It gives what the envelope lacks, and takes what the envelope leaves. The hours repeat: at their
    end it must hold what it began with, so that a single hour allows nothing.

    Parameters
    ----------
    capacity, share : ndarray, shape (hours,)
    kw, kwh : float
    length : float
        Of an hour (h).
    efficiency : float
        Of a round trip.

    Returns
    -------
    float
        kW.
    """
    least = float(contracts(capacity, share).min())
    low, high = least, least + kw / max(float(share[share > 0].min()), 0.05)
    while high - low > 0.05:
        middle = 0.5 * (low + high)
        missing = share * middle - capacity
        more = (np.clip(missing, -kw, kw) * length).tolist()
        first = _left(more, kwh, kwh, efficiency) if missing.max() <= kw else -1.0
        holds = first >= 0 and _left(more, first, kwh, efficiency) >= first - ROUNDING * kwh
        low, high = (middle, high) if holds else (low, middle)
    return low


def _left(more: list[float], full: float, kwh: float, efficiency: float) -> float:
    """What a battery holds at the end of hours that lack (+) or leave (-) energy; -1: too little.
    """
    for one in more:
        full = min(kwh, full - one if one > 0 else full - one * efficiency)
        if full < 0:
            return -1.0
    return full
