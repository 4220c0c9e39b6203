"""Schedules under uncertainty: IEEE 37, three sites, a day, by number of scenarios.

    PYTHONPATH=. python tests/benchmarks/stochastic.py [--scenarios 20] [--feeder ieee37] [--value]

CPU seconds are those of the whole process, its imports included; memory is its peak.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import pyomo_dlmp as dlmp
from tests.benchmarks._structure_measures import ieee8500

SITES = {"ieee37": {"730": 700, "738": 600, "711": 500},
         "ieee123": {"76": 700, "48": 600, "67": 500}}
PV = {"ieee37": "728", "ieee123": "35"}


def market(feeder: str = "ieee37", periods: int = 24) -> dlmp.Market:
    """Three datacenters that use 60 % of their capacity, and a PV plant."""
    if feeder == "ieee8500":
        # with 0.92 and 1.12 pu hundreds of soft limits switch in an hour: too many regions to list
        network, opf, energy = ieee8500(periods, (0.85, 1.15))
        return dlmp.Market(network, energy, opf)
    sites = SITES[feeder]
    network = dlmp.load_feeder(feeder).with_devices(
        dlmp.Generator(name="pv", bus=PV[feeder], kw_max=400, cost=0.0),
        *(dlmp.Datacenter(name=f"dc{bus}", bus=bus, kw=kw, floor=0.1)
          for bus, kw in sites.items()))
    return dlmp.Market(network, 0.6 * periods * sum(sites.values()) / 1000, {"periods": periods})


def scenarios(count: int, of: dlmp.Market, seed: int = 1) -> dlmp.Scenarios:
    """Prices, loads, sun (or a generator's day) and work; always the same for a seed."""
    rng = np.random.default_rng(seed)
    periods = of.opf["periods"]
    day = 2 * np.pi * np.arange(periods) / 24
    shape = (count, periods)
    # the 8500-node feeder has the taps of full load
    load, swing, noise = (0.72, 0.16, 0.04) if "pv" in of.network.generators else (0.9, 0.08, 0.01)
    maker = "pv" if "pv" in of.network.generators else "g0"
    return dlmp.Scenarios(tuple(f"day {k}" for k in range(count)), np.full(count, 1 / count), {
        "price": np.round(48 - 14 * np.cos(day - 0.8) + rng.normal(0, 6, shape), 2),
        "load_scale": np.round(load - swing * np.cos(day - 0.5) + rng.normal(0, noise, shape), 4),
        f"available.{maker}": np.round(np.clip(
            -np.cos(day) * rng.uniform(0.2, 1, (count, 1)), 0, 1), 3),
        "energy_mwh": np.repeat(
            rng.uniform(0.9, 1.1, (count, 1)), periods, axis=1) * of.workload / periods})


def cpu() -> float:
    """CPU seconds of this process so far."""
    return time.process_time()


def figures(result: dlmp.uncertainty.StochasticResult) -> dict[str, object]:
    """What a page of figures shows of a result."""
    assert result.audit is not None
    return {"status": str(result.status), "objective": round(result.objective, 4),
            "bound": round(result.bound, 4), "gap": f"{result.gap:.1e}",
            "residual": f"{result.audit.table['residual'].max():.0e}",
            "apart": f"{result.audit.table['apart'].max():.0e}", **result.size,
            "MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def main() -> None:
    """Solve, and print the figures."""
    given = argparse.ArgumentParser()
    given.add_argument("--scenarios", type=int, default=20)
    given.add_argument("--feeder", default="ieee37", choices=[*SITES, "ieee8500"])
    given.add_argument("--value", action="store_true")
    options = given.parse_args()
    of = market(options.feeder)
    stages: list[tuple[str, float]] = []

    def tell(stage: str, objective: float, bound: float) -> None:
        stages.append((stage, cpu()))
        print(f"{cpu():7.1f} s  {stage:20} {objective:12.4f} {bound:12.4f}", flush=True)

    begin = cpu()
    result = dlmp.solve_stochastic(of, scenarios(options.scenarios, of), progress=tell)
    searched = next(when for stage, when in stages if not stage.startswith("scenario "))
    print(f"import and feeder {begin:.1f}, scenarios {searched - begin:.1f}, search "
          f"{stages[-1][1] - searched:.1f}, all {cpu():.1f} s CPU")
    print(figures(result))
    if options.value:
        print(result.value())


if __name__ == "__main__":
    main()
