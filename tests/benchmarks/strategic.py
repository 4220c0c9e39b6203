"""Strategic datacenters: cost against buses, hours and datacenters, beside what others would do.

Each run has a process of its own (peak memory is its own). `ours` is `solve_bilevel` as it stands;
`KKT` the same model with big-M and proved bounds, whose optimum must agree; `unverified M` that
form with M = 1e4 everywhere and no proof; `stock` Pyomo's core.kkt, mpec.simple_disjunction,
gdp.bigm. All on HiGHS. Writes docs/benchmark_strategic.md and docs/pictures/strategic_*.svg.

    python tests/benchmarks/strategic.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))
KEPT = ROOT / "tests" / "benchmarks" / "_strategic.json"
FEEDERS = ("ieee37", "ieee123", "ieee8500")
HOURS, SITES = (1, 24), (1, 3, 5, 8)
ASKED = {"ieee37": 1e-4, "ieee123": 1e-4, "ieee8500": 1e-3}
BLIND = 1e4  # above the penalty of a voltage violation times its greatest sensitivity


def plan(quick: bool) -> list[dict]:
    """Every run, in order. `seconds`: time limit of the search."""
    runs = []
    for feeder in FEEDERS[:1] if quick else FEEDERS:
        for hours in HOURS:
            for sites in SITES[:2] if quick else SITES:
                base = {"feeder": feeder, "hours": hours, "sites": sites, "case": "no SVG",
                        "pays": "active and reactive", "gap": ASKED[feeder]}
                runs.append({**base, "who": "ours", "seconds": 300})
                if feeder != "ieee8500":
                    runs.append({**base, "who": "KKT", "seconds": 60})
                if feeder == "ieee37" and sites == 3:
                    runs.append({**base, "who": "stock", "seconds": 300})
                if feeder != "ieee8500" and (hours == 1 or sites == 3):
                    long = feeder == "ieee37" and hours == 24 and not quick
                    runs.append({**base, "who": "unverified M", "seconds": 200 if long else 60})
    day = {"feeder": "ieee37", "hours": 24, "sites": 3}
    both = {"pays": "active and reactive"}
    for case, gap in (("delta SVG", 1e-4), ("no SVG", 1e-5), ("delta SVG", 1e-5)):
        for who, seconds in (("ours", 300), ("KKT", 60), ("unverified M", 60 if quick else 200)):
            runs.append({**day, **both, "case": case, "gap": gap, "who": who, "seconds": seconds})
    for case in ("no SVG", "delta SVG"):
        active = {**day, "case": case, "pays": "active", "gap": 1e-3}
        runs += [{**active, "who": "ours", "seconds": 120},
                 {**active, "who": "KKT", "seconds": 60}]
    return runs


# ---------------------------------------------------------------- one run, in its own process

def settings(run: dict):
    """(network, options of build_opf, MWh that the datacenters use)."""
    import pyomo_dlmp as dlmp
    from pyomo_dlmp.study.file import read_study

    day = {
        "price": [32, 30, 29, 28, 28, 30, 36, 45, 52, 55, 56, 58, 57, 56, 55, 58, 65, 78, 85, 80,
                  70, 55, 45, 38],
        "load_scale": [0.62, 0.58, 0.56, 0.55, 0.56, 0.60, 0.70, 0.78, 0.82, 0.84, 0.86, 0.88,
                       0.88, 0.88, 0.88, 0.90, 0.94, 0.98, 1.00, 0.98, 0.94, 0.86, 0.76, 0.68]}
    first = 18 if run["hours"] == 1 else 0  # the hour of the greatest load
    day = {k: v[first:first + run["hours"]] for k, v in day.items()}
    places = {"ieee37": ("730", "738", "711", "720", "734", "703", "727", "744"),
              "ieee123": ("76", "48", "105", "60", "13", "82", "47", "97")}
    makers = {"ieee123": ("54", "64", "93")}
    # three sites of IEEE 37 are those of the main study, generators too
    total = {"ieee37": 1800, "ieee123": 900, "ieee8500": 900}[run["feeder"]]
    share = (700, 600, 500, 400, 400, 300, 300, 300)[:run["sites"]]
    kw = [total * s / sum(share) for s in share] if run["feeder"] == "ieee37" else (
        [total / run["sites"]] * run["sites"])
    net = dlmp.load_feeder(run["feeder"])
    if run["feeder"] == "ieee8500":
        # taps stand at those of full load, so light load lifts voltages: limits are wider, and the
        # load varies less
        day["load_scale"] = [0.8 + 0.2 * (s - 0.55) / 0.45 for s in day["load_scale"]]
        wide = [n for n, bus in net.buses.items() if len(bus.phases) == 3 and bus.kv > 5]
        step = len(wide) // 16
        places["ieee8500"] = tuple(wide[step * (2 * k + 1)] for k in range(8))
        makers["ieee8500"] = tuple(wide[step * (2 * k + 2)] for k in range(5))
    limits = {"ieee37": (0.95, 1.05), "ieee123": (0.95, 1.10), "ieee8500": (0.92, 1.12)}
    low, high = limits[run["feeder"]]
    devices = [dlmp.Datacenter(name=f"dc{b}", bus=b, kw=size, floor=0.1, power_factor=0.95)
               for b, size in zip(places[run["feeder"]], kw, strict=False)]
    if run["feeder"] == "ieee37":
        study = read_study("ieee37")
        devices += [d for d in study.devices if isinstance(d, dlmp.Generator)]
    else:
        devices += [dlmp.Generator(name=f"g{b}", bus=b, kw_max=200, kvar_min=-100, kvar_max=100,
                                   cost=45 + 4 * k, cost2=50)
                    for k, b in enumerate(makers[run["feeder"]])]
    if run["case"] == "delta SVG":
        devices += [dlmp.StaticVarGenerator(name=f"svg{b}", bus=b, kvar=300, connection="delta")
                    for b in places[run["feeder"]][:run["sites"]]]
    net = net.with_devices(*devices)
    options = dict(day, periods=run["hours"], v_min=low, v_max=high)
    return net, options, 0.6 * total / 1000 * run["hours"]


def build(run: dict, block):
    """The bilevel model over a lower level of some block type."""
    import pyomo.environ as pyo

    import pyomo_dlmp as dlmp

    net, options, energy = settings(run)
    m = pyo.ConcreteModel()
    m.dso = block()
    dlmp.build_opf(net, into=m.dso, **options)
    if hasattr(m.dso, "declare_upper"):
        m.dca = dlmp.AggregatorBlock()
        m.dca.build(m.dso, energy, run["pays"])
    return m


def one(run: dict) -> dict:
    """Measure a run: seconds by step, sizes, result."""
    start = time.perf_counter()
    import pyomo.environ as pyo

    import pyomo_dlmp as dlmp

    seconds = {"import": time.perf_counter() - start}
    start = time.perf_counter()
    if run["feeder"] == "ieee8500":
        found = solve_in_ac(run)
    else:
        m = build(run, pyo.Block if run["who"] == "stock" else dlmp.LowerLevel)
        seconds["build"] = time.perf_counter() - start
        start = time.perf_counter()
        found = stock(m) if run["who"] == "stock" else solve(m, run)
    seconds["total"] = time.perf_counter() - start
    seconds |= found.pop("times", {})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {**run, "times": seconds, "peak": peak, **found}


def solve(m, run: dict) -> dict:
    """`solve_bilevel` in the run's manner; an error is a result, too."""
    import pyomo.environ as pyo

    import pyomo_dlmp as dlmp

    how = {"ours": {}, "KKT": {"complementarity": "bigm", "periods": False}}.get(run["who"])
    if how is None:
        everything = [c for kind in (pyo.Constraint, pyo.Var) for c in m.dso.component_objects(
            kind, active=True, descend_into=pyo.Block) if "apply_dlmp" not in c.name]
        how = {"complementarity": "bigm", "tighten": "off", "check_bounds": False,
               "periods": False, "bounds": {c.name: BLIND for c in everything}}
    try:
        r = dlmp.solve_bilevel(m, gap=run["gap"], time_limit=run["seconds"], **how)
    except dlmp.AuditError as err:
        r = err.result
        r.status = "fails its audit"
    except dlmp.DlmpError as err:
        return {"status": str(err).split(".")[0][:80]}
    t = r.times
    steps = {"transform": t.get("compile", 0) + t.get("condense", 0)
             + t.get("compile and bounds", 0) + t.get("reduce", 0),
             "bounds": t.get("regions", 0) + t.get("region costs", 0) + t.get("first point", 0)
             + t.get("ranges of products", 0),
             "solve": t.get("search", 0), "audit": t.get("audit", 0)}
    return {"times": steps, "status": r.status, "objective": r.objective, "bound": r.bound,
            "reached": r.gap, "rows": r.size.get("rows"), "columns": r.size.get("columns"),
            "binaries": r.size.get("binaries"), "regions": r.size.get("regions"),
            "notes": r.notes[:2]}


def solve_in_ac(run: dict) -> dict:
    """The strategic market in the AC form; the gap is that of the last round's problem."""
    import pyomo_dlmp as dlmp

    net, options, energy = settings(run)
    market = dlmp.Market(net, energy, opf={**options, "form": "ac"}, pays=run["pays"],
                         deviations=0)
    try:
        r = dlmp.solve_market("strategic", market, gap=run["gap"], time_limit=run["seconds"])
    except dlmp.DlmpError as err:
        return {"status": str(err).split(".")[0][:80]}
    s = r.solution
    return {"status": r.status if r.ac.settled else "not settled", "objective": r.ac.payment,
            "bound": s.bound, "reached": s.gap, "rows": s.size.get("rows"),
            "columns": s.size.get("columns"), "binaries": s.size.get("binaries"),
            "regions": s.size.get("regions"), "notes": s.notes[:2], "rounds": len(r.ac.rounds)}


def stock(m) -> dict:
    """Pyomo's own chain; its single level has a bilinear objective, which HiGHS does not take."""
    import pyomo.environ as pyo

    power = [v for dc in m.dso.datacenter.values() for v in dc.p.values()]
    for var in power:
        var.unfix()
    # it wants to be told of fixed Vars, too
    power += [v for v in m.dso.component_data_objects(pyo.Var, descend_into=pyo.Block) if v.fixed]
    pyo.TransformationFactory("core.kkt").apply_to(m.dso, parameterize_wrt=power)
    pyo.TransformationFactory("mpec.simple_disjunction").apply_to(m)
    pyo.TransformationFactory("gdp.bigm").apply_to(m, bigM=BLIND)
    rows = sum(1 for _ in m.component_data_objects(pyo.Constraint, active=True))
    columns = list(m.component_data_objects(pyo.Var))
    return {"status": "transformed; HiGHS takes no bilinear payment", "rows": rows,
            "columns": len(columns), "binaries": sum(v.is_binary() for v in columns)}


# ---------------------------------------------------------------- all runs, the page

def apart(run: dict) -> dict:
    """A run in a process of its own, at most twenty minutes."""
    try:
        # one thread for small dense matrices, whatever else the machine does
        done = subprocess.run([sys.executable, str(HERE), "--one", json.dumps(run)], cwd=ROOT,
                              env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                              capture_output=True, text=True, timeout=1200)
    except subprocess.TimeoutExpired:
        return {**run, "status": "stopped after 20 minutes", "times": {}, "peak": float("nan")}
    if done.returncode:
        return {**run, "status": done.stderr.strip().splitlines()[-1][:80], "times": {},
                "peak": float("nan")}
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run all and write the page; `--one` is a single measured run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--one")
    parser.add_argument("--quick", action="store_true", help="IEEE 37 with 1 and 3 datacenters")
    parser.add_argument("--resume", action="store_true", help="only what the last runs lack")
    parser.add_argument("--page", action="store_true", help="write the page from the last runs")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(json.loads(args.one))))
        return
    if not args.page:
        done = json.loads(KEPT.read_text(encoding="utf-8"))["runs"] if args.resume else []
        have = [{k: r.get(k) for k in ("feeder", "hours", "sites", "case", "pays", "gap", "who")}
                for r in done]
        for run in plan(args.quick):
            if {k: v for k, v in run.items() if k != "seconds"} in have:
                continue
            done.append(apart(run))
            said = {k: round(v, 2) for k, v in done[-1]["times"].items()}
            print(run["who"], run["feeder"], run["hours"], run["sites"], run["case"],
                  run["pays"], said, done[-1]["status"], done[-1].get("reached"), flush=True)
            KEPT.write_text(json.dumps({"machine": machine(), "runs": done}, indent=1),
                            encoding="utf-8")
    from tests.benchmarks import _strategic_page

    print(_strategic_page.write(json.loads(KEPT.read_text(encoding="utf-8")), ROOT / "docs"))


def machine() -> str:
    """What the figures were measured on."""
    names = ("pyomo", "highspy", "numpy", "scipy")
    return (f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
            + ", ".join(f"{name} {version(name)}" for name in names))


if __name__ == "__main__":
    main()
