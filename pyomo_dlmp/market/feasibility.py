"""Whether a workload can be served at all, checked before any search."""

from __future__ import annotations

import pyomo.environ as pyo

from pyomo_dlmp.errors import ModelError, SolverError
from pyomo_dlmp.market.gpu_rows import UNITS
from pyomo_dlmp.market.workload import Workload
from pyomo_dlmp.market.workload_rows import Site, WorkloadRows
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.solve import solve_opf
from pyomo_dlmp.tolerances import ROUNDING, ROW_HOLDS


def require_servable(name: str, sites: dict[str, Site], labels: list, hours: float,
                  workload: Workload) -> None:
    """Raise an error that tells which work cannot be served, and how much of it is missing.

    One LP: the workload's rows with a shortfall for each job and hour, at least cost of shortfall;
    non-interruptible jobs count as interruptible.

    Parameters
    ----------
    name : str
        Of the aggregator, in messages.
    sites : dict of str to Site
        Its datacenters.
    labels : list
        The periods.
    hours : float
        Length of a period (h).
    workload : Workload
        To be served.

    Raises
    ------
    ModelError
        If the workload cannot be served, or floors, ramps and batteries contradict each other.
    """
    if workload.energy_mwh is not None:
        _energy(name, sites, labels, hours, workload.energy_mwh)
    m = pyo.ConcreteModel(name=name)
    m.site = pyo.Block(list(sites))
    for site, data in sites.items():
        m.site[site].p = pyo.Var(labels, initialize=0.0)
        for t in labels:
            m.site[site].p[t].setlb(data.p[t].lb)
            m.site[site].p[t].setub(data.p[t].ub)
    copies = {s: Site(m.site[s].p, data.floor, data.ramp) for s, data in sites.items()}
    WorkloadRows(m, copies, labels, hours, workload, elastic=True).write()
    for var in m.component_data_objects(pyo.Var, descend_into=pyo.Block):
        if not var.is_continuous():
            var.domain = pyo.Reals
            var.setlb(0.0)
            var.setub(1.0)
    m.shortfall = pyo.Objective(expr=sum(m.unserved.values()))
    try:
        solve_opf(m)
    except SolverError:
        raise ModelError.at(
            name, "cannot serve its workload: floors, ramps or batteries of its sites contradict "
            "each other", "Lower floors, widen ramps, or start batteries fuller.") from None
    missing = {k: v.value for k, v in m.unserved.items() if v.value > ROW_HOLDS}
    if not missing:
        return
    worst = max(missing, key=lambda k: missing[k])
    unit, factor = _unit_of(worst, workload)
    amount = missing[worst] * factor
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    raise ModelError.at(
        name, f"has more work than its sites can do: {worst} lacks {amount:.6g} {unit}{more}",
        "Lower the work, give it more time or sites, or give the sites more capacity.")


def _unit_of(key: str, workload: Workload) -> tuple[str, float]:
    """Unit of a shortfall in messages, and how many of it the rows' unit is."""
    word = key.split(" ", 1)[0]
    if word in UNITS:
        return UNITS[word]
    if word == "interactive":
        return "requests/s", KILO
    hours = {f"job '{job.name}'" for job in workload.jobs if job.server_hours is not None}
    return ("server hours", KILO) if key in hours else ("MWh", 1.0)


def _energy(name: str, sites: dict[str, Site], labels: list, hours: float, energy: float) -> None:
    most = hours * sum(site.p[t].ub for site in sites.values() for t in labels)
    least = hours * sum(site.p[t].lb for site in sites.values() for t in labels)
    if energy > most * (1 + ROUNDING):
        raise ModelError.at(
            name, f"needs {energy:.6g} MWh, and {', '.join(map(str, sites))} can use "
            f"{most:.6g} MWh in {len(labels)} period{'' if len(labels) == 1 else 's'}",
            "Lower the energy, or give the datacenters more capacity.")
    if energy < least * (1 - ROUNDING):
        raise ModelError.at(
            name, f"needs {energy:.6g} MWh, less than the {least:.6g} MWh of the sites' floors",
            "Raise the energy, or lower the floors.")
