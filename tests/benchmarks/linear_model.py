"""What the linear model misses, on every shipped feeder and the main study: docs/linear_model.md.

    python tests/benchmarks/linear_model.py [feeder ...]     those measured again; others are kept
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[2]))

import pyomo_dlmp as dlmp  # noqa: E402
from tests.benchmarks import _linear_model_page  # noqa: E402
from tests.benchmarks.strategic import settings  # noqa: E402

KEPT = HERE.with_name("_linear_model.json")
CHANGES = (0.02, 0.01)


def feeder(name: str) -> dict:
    """Errors of the forms on a feeder at nominal load, and of the AC form beside it."""
    from pyomo_dlmp.ac_opf import AcLoop
    from pyomo_dlmp.validation.prices import compare_prices

    network = dlmp.load_feeder(name)
    table, ac = dlmp.validate_feeder(network, predicted=[
        1 + sign * change for change in CHANGES for sign in (-1, 1)])
    rows = {(row["form"], row["load"]): row for row in table.to_dict("records")}
    linear, lossless, exact = rows["with losses", 1], rows["lossless", 1], rows["AC", 1]
    loop = AcLoop(network, voltage_limits=None)
    dlmp.solve_opf(loop.model)
    true = compare_prices(loop, loop.model)
    of = {q: true[true["quantity"] == q]["ac"] for q in ("active", "reactive")}
    return {
        "voltage": linear["max_error"], "at": linear["at"], "lowest": ac.lowest_voltage,
        "exact": exact["max_error"], "exact_price": exact["price_error"],
        "price": [50.0, float(of["active"].min()), float(of["active"].max())],
        "lossless": lossless["price_error"], "losses": linear["price_error"],
        "reactive": [float(of["reactive"].min()), float(of["reactive"].max())],
        "reactive_error": linear["reactive_price_error"],
        "order": [max(rows["AC", 1 + s * c]["max_error"] for s in (-1, 1)) for c in CHANGES],
        "across": max(rows["AC", 1 + s * c]["legs_across"] for s in (-1, 1) for c in CHANGES)}


def study(case: str) -> dict:
    """The strategic schedule of the linear form, held in AC, and the one that is optimal there."""
    net, options, energy = settings({"feeder": "ieee37", "hours": 24, "sites": 3, "case": case})
    linear = dlmp.solve_market("strategic", dlmp.Market(net, energy, opf=options), gap=1e-5)
    schedule = {name: [1e3 * block.p[t].value for t in linear.dso.periods]
                for name, block in linear.dso.datacenter.items()}
    m = dlmp.build_opf(net, datacenter_kw=schedule, **options)
    dlmp.solve_opf(m)
    report = dlmp.validation.ac_report(m, net, load_scale=options["load_scale"], price_samples=0)
    done = dlmp.solve_ac_opf(net, datacenter_kw=schedule, **options)
    off = {q: [] for q in ("active", "reactive")}
    for name in done.model.datacenter:
        for t in done.model.periods:
            for q, found in off.items():
                ours, true = (x.price_of(name, None, t, q) for x in (m, done.model))
                found.append((abs(ours - true), ours, true, name, t))
    best = dlmp.solve_market("strategic", dlmp.Market(
        net, energy, opf={**options, "form": "ac"}, deviations=0), gap=1e-5)
    broken = report.limits[report.limits["broken_by"] > 1e-5]
    return {
        "linear_pays": linear.paid, "in_ac": payment(done.model), "best": best.ac.payment,
        "beyond": best.ac.payment_beyond,
        "settled": bool(done.settled), "rounds": len(done.rounds),
        "off": {q: list(max(found)) for q, found in off.items()},
        "mean_off": {q: float(np.mean([x[0] for x in found])) for q, found in off.items()},
        "broken": len(broken), "broken_by": float(broken["broken_by"].max()) if len(broken) else 0,
        "lowest": float(report.voltages["ac"].min()),
        "lowest_linear": float(report.voltages["model"].min()),
        "voltage": float(report.voltages["error"].abs().max()),
        "losses": [float(report.summary.set_index("quantity")["value"]["losses_in_AC"])]}


def payment(dso) -> float:
    """What the datacenters pay for active and reactive power ($)."""
    return sum(dso.price_of(name, None, t, q) * drawn
               for name, block in dso.datacenter.items() for t in dso.periods
               for q, drawn in (("active", block.p[t].value),
                                ("reactive", block.tan_phi * block.p[t].value)))


def main(names: list[str]) -> None:
    found = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    found.setdefault("feeders", {})
    found.setdefault("study", {})
    for name in dlmp.list_feeders()["name"]:
        if name in names or not names:
            found["feeders"][name] = feeder(name)
            print(name, found["feeders"][name], flush=True)
            KEPT.write_text(json.dumps(found, indent=1), encoding="utf-8")
    for case in ("no SVG", "delta SVG"):
        if "study" in names or not names:
            found["study"][case] = study(case)
            print(case, found["study"][case], flush=True)
            KEPT.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(_linear_model_page.write(found, HERE.parents[2] / "docs"))


if __name__ == "__main__":
    main(sys.argv[1:])
