"""What would move the limit of a connection: candidates ranked in its limiting hour.

Power factor, static var generator, phases and taps are ranked by the capacity of that hour itself;
a second conductor by the first-order effect of its half impedance; a battery by the envelope. The
best are solved again in all hours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.connection.answer import contracts
from pyomo_dlmp.connection.grid import NO_LIMIT, Grid
from pyomo_dlmp.connection.site import Site
from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.network import CenterTappedTransformer, Line, Network, Regulator, Transformer
from pyomo_dlmp.network.elements import MAX_TAP

_SVG_SHARE = 0.4  # kvar of a static var generator per firm kW
_BATTERY_SHARE, _BATTERY_HOURS = 0.2, 4.0  # of the firm kW; its energy
_TAPS, _RAISED = 2, "regulator taps"
_LINES = 2  # whose reinforcement is solved in the limiting hour
Progress = Callable[[str], None]


@dataclass
class _Remedy:
    """A change, and what it gives: `kw` of the limiting hour, `firm` of all."""

    name: str
    detail: str
    network: Network
    site: Site
    kw: float = float("nan")
    firm: float = float("nan")


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
    columns = ["remedy", "detail", "kw_in_limiting_hour", "firm_kw", "gain_kw"]
    if study.binding.what == NO_LIMIT:  # nothing has to be moved
        return pd.DataFrame(columns=columns)
    say = progress or (lambda stage: None)
    found = [*_of_site(study), *_taps(study), *_lines(study), *_units(study)]
    for one in found:
        say(f"remedies in the limiting hour: {one.name}, {one.detail}")
        one.kw = _capacity(study, one, study.binding.hour)[0]
    here = study.hourly.kw[study.binding.hour]
    found = [one for one in found if one.kw > here * 1.001]
    found.sort(key=lambda one: -one.kw)
    for one in found[:most]:
        say(f"remedies in all hours: {one.name}, {one.detail}")
        one.firm = float(contracts(_capacity(study, one), study.hours.share).min())
    found.append(_battery(study))
    rows = [(one.name, one.detail, one.kw, one.firm, one.firm - study.firm_kw) for one in found]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["firm_kw", "kw_in_limiting_hour"], ascending=False,
                             na_position="last", ignore_index=True)


def _capacity(study: Any, one: _Remedy, only: int | None = None) -> np.ndarray:
    """Capacities of all hours, or of one, after a remedy; 0 where there is then no power flow.

    Limits are those of the study: a remedy may break none that was kept before, and taps none
    further.
    """
    none = np.zeros(study.hours.count if only is None else 1)
    sites = [*(site for site, _ in study.before), one.site]
    try:
        grid = Grid(one.network, sites, study.hours, study.grid.limits.options,
                    study.options.get("existing", "relaxed"), like=study.grid, only=only)
    except DlmpError:
        return none
    if grid.worse and one.name == _RAISED:
        return none
    for site, kw in study.before:
        grid = grid.with_site(site, kw)
    return grid.capacity(one.site, max(2.0 * study.max_kw, study.max_kw + 1.0)).kw


def _of_site(study: Any):
    """Changes of the applicant itself."""
    site, network = study.site, study.network
    if site.power_factor < 1.0:
        yield _Remedy("power factor", f"1.0 instead of {site.power_factor:g}", network,
                      replace(site, power_factor=1.0))
    kvar = round(_SVG_SHARE * max(study.firm_kw, 100.0), -1)
    yield _Remedy("static var generator", f"{site.svg_kvar + kvar:,.0f} kvar at {site.bus}",
                  network, replace(site, svg_kvar=site.svg_kvar + kvar))
    phases = network.buses[site.bus].phases
    if len(site.phases) < len(phases):
        others = [k for k in phases if k not in site.phases] if len(site.phases) == 1 else []
        for choice in [*others, phases]:
            if len(choice) in (1, 3) or choice == phases:
                yield _Remedy("other phases", f"{choice} instead of {site.phases}", network,
                              replace(site, phases=choice))


def _path(study: Any) -> list[Any]:
    """Branches from the substation to the site."""
    graph = study.network.graph()
    found, bus = [], study.site.bus
    while bus != study.network.substation.bus:
        (before,) = graph.predecessors(bus)
        found.append(study.network.branches[graph.edges[before, bus]["branch"]])
        bus = before
    return found[::-1]


def _taps(study: Any):
    """Regulators on the way, raised."""
    for branch in _path(study):
        if isinstance(branch, Regulator) and max(branch.taps.values()) + _TAPS <= MAX_TAP:
            taps = {k: n + _TAPS for k, n in branch.taps.items()}
            yield _Remedy(_RAISED, f"{branch.name} {_TAPS} steps higher",
                          study.network.replacing(replace(branch, taps=taps)), study.site)


def _lines(study: Any):
    """A second conductor set along the lines of the way that drop most of the voltage."""
    lines = [b for b in _path(study) if isinstance(b, Line) and not b.joins]
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
                      f"({line.length:.3g} km)", study.network.replacing(own), study.site)


def _units(study: Any):
    """A second unit beside the transformer or regulator whose loading is the limit."""
    branch = study.network.branches.get(study.binding.element)
    if study.binding.what == "loading" and isinstance(
            branch, Transformer | CenterTappedTransformer | Regulator):
        assert branch.kva is not None
        # equal ones side by side: the same impedance in % of twice the rating
        yield _Remedy("second unit", f"another {branch.kva:,.0f} kVA beside {branch.name}",
                      study.network.replacing(replace(branch, kva=2.0 * branch.kva)), study.site)


def _half(matrix, factor: float = 0.5):
    return tuple(tuple(factor * x for x in row) for row in matrix)


def _battery(study: Any) -> _Remedy:
    """A battery beside the site, charged within the envelope."""
    kw = round(_BATTERY_SHARE * max(study.firm_kw, 100.0), -1)
    kwh = _BATTERY_HOURS * kw
    firm = battery_contract(study.hourly.kw, study.hours.share, kw, kwh, study.hours.hours)
    return _Remedy("battery", f"{kw:,.0f} kW, {kwh:,.0f} kWh, 90 % round trip", study.network,
                   study.site, float("nan"), firm)


def battery_contract(capacity: np.ndarray, share: np.ndarray, kw: float, kwh: float,
                     length: float, efficiency: float = 0.9) -> float:
    """The greatest contract that a battery beside the site makes firm.

    It is full at first, gives what the envelope lacks, and takes what the envelope leaves.

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
        full = kwh
        holds = bool(missing.max() <= kw)
        for more in (np.clip(missing, -kw, kw) * length).tolist() if holds else ():
            full = min(kwh, full - more if more > 0 else full - more * efficiency)
            if full < 0:
                holds = False
                break
        low, high = (middle, high) if holds else (low, middle)
    return low
