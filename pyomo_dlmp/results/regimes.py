"""Price regimes: which limits bind, and what prices follow, over the powers of two datacenters.

In one period, with everything else that the leader decides held at the answer, the DSO's solution
is piecewise affine in the two powers. Each piece is a polygon in which the same limits bind; in it
prices are affine functions of the powers. In the AC form the pieces are those of the model that is
linear at the answer's operating point.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from pyomo.core import ComponentMap
from scipy.spatial import ConvexHull

from pyomo_dlmp.errors import ModelError, SolverError, nearest
from pyomo_dlmp.lower.form import LowerForm, compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.parametric import CondensedQp, NotExplicit, Region, condense, enumerate_regions
from pyomo_dlmp.results.prices import UNITS, at_balances
from pyomo_dlmp.results.schema import REGIMES
from pyomo_dlmp.tolerances import ENTRY

MOST = 200
"""Regions beyond which there is no picture to be seen."""
_LABEL = re.compile(r"(\w+)\[(.+?)\]\.(\w+)\[?(.*?)\]?\.(lower|upper)$")
_WORDS = {"v_low": "low voltage {bus}", "v_high": "high voltage {bus}",
          "thermal": "rating of {kind} {name}"}


def regimes_table(dso, period: Hashable, sites: Sequence[str],
                  form: LowerForm | None = None) -> pd.DataFrame:
    """Regions of one period over the active powers of two datacenters.

    Parameters
    ----------
    dso : block
        A LowerLevel filled by `build_opf` and solved by `solve_bilevel` or `solve_market`.
    period : hashable
        One of its periods.
    sites : sequence of str
        Names of two of its datacenters.
    form : LowerForm, optional
        The compiled DSO as it was solved (`MarketResult.form`); by default it is compiled again.

    Returns
    -------
    DataFrame
        Columns period, region (counted from 1), binds (limits in words), corner (counted around
        the polygon from 1; 0 for the answer, in its region), x_site, y_site, x, y (MW), price_x,
        price_y (active DLMPs, $/MWh).

    Raises
    ------
    ModelError
        For a period or datacenter that is not there, or whose power is not the leader's decision.
    SolverError
        When the regions cannot be enumerated, with the reason.
    """
    form = compile_lower(dso) if form is None else form
    columns = _columns(dso, period, sites, form)
    here = np.array([form.u[j].value for j in columns], dtype=float)
    kkt = build_kkt(_slice(form, columns))
    buses = [dso.datacenter[site].bus_name for site in sites]
    rows = {id(kkt.form.rows[r]): i for i, r in enumerate(kkt.equality_rows)}
    paid = {i: row for bus in dict.fromkeys(buses)
            for balance in (dso.bus[bus].balance_p, dso.bus[bus].balance_q)
            for key, row in balance.items() if key[-1] == period and (i := rows.get(id(row)))
            is not None}
    try:
        part, = condense(kkt, list(paid), [], kkt.form.u_box())
        if part.m != len(columns):
            raise NotExplicit("a power changes nothing")
        found = enumerate_regions(part, MOST)
    except (NotExplicit, ValueError) as err:
        raise SolverError.at(dso.name, f"has no regimes of period {period}: {err}",
                             "Choose other datacenters or another period.") from None
    order = part.u  # columns of u in the part's own order

    def prices(region: Region, u: np.ndarray) -> list[float]:
        duals = ComponentMap(zip((paid[int(i)] for i in part.paid), _duals(part, region, u),
                                 strict=True))
        of_bus: dict[str, list[float]] = {}
        for bus, _, _, quantity, value, _ in at_balances(dso, duals, UNITS, buses, [period]):
            if quantity == "active":
                of_bus.setdefault(bus, []).append(value)
        return [float(np.mean(of_bus[bus])) for bus in buses]

    own, regimes = found.at(here[order]), _regimes(kkt, part, found.regions)
    binding = [_binding(kkt, part, regions[0]) for regions in regimes]
    common = set.intersection(*map(set, binding)) if len(binding) > 1 else set()
    table = []
    for k, regions in enumerate(regimes):
        words = "; ".join(w for w in binding[k] if w not in common) or "nothing more"
        corners = np.vstack([part.lo + np.clip(region.polytope.vertices, 0.0, 1.0) * (
            part.hi - part.lo) for region in regions])
        around = _around(corners) if len(regions) == 1 else _hull(corners)
        points = [(n + 1, u) for n, u in enumerate(around)]
        points += [(0, here[order])] if any(region is own for region in regions) else []
        for corner, u in points:
            at = dict(zip(order.tolist(), u.tolist(), strict=True))
            table.append((period, k + 1, words, corner, *sites, at[0], at[1],
                          *prices(regions[0], u)))
    return REGIMES.frame(table)


def _columns(dso, period: Hashable, sites: Sequence[str], form: LowerForm) -> list[int]:
    """Columns of the form's u that hold the powers of two sites."""
    if period not in list(dso.periods):
        raise ModelError.at(dso.name, f"has no period {period!r}", nearest(period, dso.periods))
    if len(set(sites)) != 2:
        raise ModelError.at(dso.name, f"has regimes of two datacenters, not of {len(set(sites))}",
                            'Give two, such as ["dc1", "dc2"].')
    number = {id(var): j for j, var in enumerate(form.u)}
    found = []
    for site in sites:
        if site not in dso.datacenter:
            raise ModelError.at(dso.name, f"has no datacenter {site!r}",
                                nearest(site, dso.datacenter))
        j = number.get(id(dso.datacenter[site].p[period]))
        if j is None:
            raise ModelError.at(f"datacenter {site!r}", "does not decide on its total power",
                                "Take one whose power is the same on all legs.")
        found.append(j)
    return found


def _slice(form: LowerForm, columns: list[int]) -> LowerForm:
    """The lower level as a function of some upper decisions, the others at their values."""
    others = np.setdiff1d(np.arange(len(form.u)), columns)
    held = np.array([form.u[j].value for j in others], dtype=float)
    shift = form.B[:, others] @ held
    return replace(form, u=[form.u[j] for j in columns], B=form.B[:, columns],
                   D=form.D[:, columns], c=form.c + form.D[:, others] @ held,
                   lo=form.lo - shift, hi=form.hi - shift)


def _duals(part: CondensedQp, region: Region, u: np.ndarray) -> np.ndarray:
    """Duals of a part's paid rows at u: minus the slopes of the least cost by their shifts."""
    a, m = region.affine, part.m
    w, mu, y = a.W @ u + a.w0, a.U @ u + a.u0, a.Y @ u + a.y0
    slope = (part.E.T @ w + part.R[:, :m] @ u + part.r - part.T.T @ mu - part.F.T @ y)[m:]
    return -slope


def _fixed(kkt: KktSystem, part: CondensedQp) -> np.ndarray:
    """Whether each pair is a bound of a quantity that has no range: it names no regime."""
    return np.array([not kkt.is_row[p] and kkt.owner(p).lb == kkt.owner(p).ub for p in part.pair],
                    dtype=bool)


def _regimes(kkt: KktSystem, part: CondensedQp, regions: Sequence[Region]) -> list[list[Region]]:
    """Regions by what binds: those that differ only in the sign of a fixed quantity's multiplier
    are one, and convex together; in the order of their first ones.
    """
    free = ~_fixed(kkt, part)
    found: dict[tuple, list[Region]] = {}
    for region in regions:
        at = np.flatnonzero((region.affine.state != 0) & free).tolist()
        beyond = tuple(_beyond(part, region, row) for row in at)
        found.setdefault((tuple(at), beyond), []).append(region)
    return list(found.values())


def _beyond(part: CondensedQp, region: Region, row: int) -> bool:
    """Whether a limit is broken in a region: its multiplier is at the penalty of a step."""
    cap = part.cap[row]
    return bool(np.isfinite(cap) and abs(region.affine.u0[row] - cap) <= ENTRY * cap
                and not region.affine.U[row].any())


def _binding(kkt: KktSystem, part: CondensedQp, region: Region) -> list[str]:
    """Limits that are reached (or broken) in a region, in words."""
    found = []
    for row in np.flatnonzero((region.affine.state != 0) & ~_fixed(kkt, part)).tolist():
        words = _words(kkt.label[part.pair[row]])
        found.append(f"{words} broken" if _beyond(part, region, row) else words)
    return list(dict.fromkeys(found))


def _words(label: str) -> str:
    """A limit by the name of its row or bound."""
    found = _LABEL.search(label)
    if found is None:
        return label
    kind, name, what, index, side = found.groups()
    name, index = name.strip("'\""), index.replace("'", "")
    phase = index.split(",")[0] if "," in index else ""
    if what in _WORDS:
        return _WORDS[what].format(kind=kind, name=name, bus=f"{name}.{phase}".rstrip("."))
    leg = f" {phase}" if phase else ""
    if what == "p":
        return f"{kind} {name}{leg} {'full' if side == 'upper' else 'at its least'}"
    if what in ("q", "leg_q"):
        word = "SVG" if kind == "svg" else f"{kind} "
        return f"{word} {name}{leg}: Mvar at its {'most' if side == 'upper' else 'least'}".replace(
            "  ", " ")
    return f"{what.replace('_', ' ')} of {'SVG' if kind == 'svg' else kind} {name}{leg}"


def _around(corners: np.ndarray) -> np.ndarray:
    """Corners of a convex polygon in their order around it."""
    from_middle = corners - corners.mean(axis=0)
    return corners[np.argsort(np.arctan2(from_middle[:, 1], from_middle[:, 0]))]


def _hull(points: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of points, shape (n, 2), in their order around it."""
    corners = points[ConvexHull(points).vertices]
    return np.roll(corners, -int(np.lexsort(corners.T[::-1])[0]), axis=0)
