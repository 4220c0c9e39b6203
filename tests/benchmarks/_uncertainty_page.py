"""Figures of docs/uncertainty.md: what uncertainty costs, what flexibility and caution change.

    python -m tests.benchmarks._uncertainty_page [results.json]

solves IEEE 37 (examples/studies/ieee37_uncertain.toml) and IEEE 123, and writes the tables between
the page's markers, and its pictures. With a file of earlier results only the page is written.
"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import pyomo_dlmp as dlmp
from pyomo_dlmp.report.figures import fans
from pyomo_dlmp.study import read_study
from pyomo_dlmp.study.data import Run
from pyomo_dlmp.study.uncertain import scenarios_of
from pyomo_dlmp.uncertainty import CVaR, Scenarios, solve_stochastic
from pyomo_dlmp.uncertainty.first_stage import first_stage_of, recourse_of
from pyomo_dlmp.uncertainty.solve import solve_prepared
from tests.benchmarks._history import history

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FLEXIBLE = (0.1, 0.15, 0.2, 0.3, 0.5)
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
LEVEL = 0.9
GAP = 1e-4
DEVIATION = 1.0  # $/MWh


def ieee37() -> tuple:
    """The shipped study's market and scenarios."""
    study = read_study(ROOT / "examples" / "studies" / "ieee37_uncertain.toml")
    run = study.runs[0]
    return study.market(run), scenarios_of(study, run)


def ieee123() -> tuple:
    """The market of the IEEE 123 study, and ten scenarios of the same made-up history."""
    study = read_study(ROOT / "examples" / "studies" / "ieee123.toml")
    market = study.market(Run("no SVG", study.cases[0]))
    work = float(market.workload.energy_mwh)
    return market, Scenarios.from_history(history(work=work), 10)


def with_flexibility(result, share: float):
    """The same arrays with other deviations."""
    old = result.problem
    terms = replace(old.terms, flexibility=dict.fromkeys(old.terms.flexibility, share))
    parts = [r.scenario for r in old.recourses]
    first = first_stage_of(parts, terms)
    return replace(old, first=first, terms=terms,
                   recourses=[recourse_of(one, first, terms) for one in parts])


def measured(name: str, market, scenarios) -> dict:
    """All figures of a feeder."""
    start = time.process_time()
    base = solve_stochastic(market, scenarios, deviation_price=DEVIATION, gap=GAP)
    seconds = time.process_time() - start
    worth = base.value()
    hours = float(market.opf["hours"]) * int(market.opf["periods"])
    day = hours * sum(dc.kw for dc in market.network.datacenters.values()) / 1000
    found = {"name": name, "day_mwh": day, "cpu_s": seconds, "size": base.size,
             "passed": bool(base.audit.passed),
             "objective": base.objective, "bound": base.bound, "evpi": worth.evpi,
             "vss": worth.vss, "wait_and_see": worth.wait_and_see, "mean_notes": len(worth.notes),
             "about": scenarios.about, "scenarios": scenarios.count,
             "residual": float(base.audit.table["residual"].max()),
             "flexibility": [], "frontier": []}
    probabilities = base.problem.probabilities
    for share in FLEXIBLE:
        try:
            one = solve_prepared(with_flexibility(base, share), base.models, GAP, audit=False)
        except dlmp.ModelError as err:
            found["flexibility"].append({"share": share, "said": str(err)})
            continue
        found["flexibility"].append({
            "share": share, "objective": one.objective, "bound": one.bound,
            "moved": float(probabilities @ one.by_scenario["deviation_mwh"])})
    for weight in WEIGHTS:
        risk = CVaR(weight, LEVEL)
        problem = replace(base.problem, measure=risk.of(scenarios))
        one = solve_prepared(problem, base.models, GAP, audit=False, start=base.found.x)
        costs = one.found.costs
        found["frontier"].append({
            "weight": weight, "expected": float(probabilities @ costs),
            "cvar": risk.tail_mean(costs, probabilities), "worst": float(costs.max()),
            "gap": one.gap})
    if name == "IEEE 37":
        pictures(name, base, worth, scenarios)
    return found


def pictures(name: str, base, worth, scenarios) -> None:
    """Fans and the distribution of cost, as docs/pictures/<name>_*.svg."""
    case = {"case": name}
    costs = pd.concat([
        base.by_scenario[["scenario", "probability", "cost"]].melt(
            "scenario", var_name="quantity"),
        worth.by_scenario[["scenario", "alone", "mean"]].melt("scenario", var_name="quantity"),
    ]).assign(**case)
    schedule = base.schedule.rename(columns={"site": "element", "kw": "value"}).assign(
        quantity="power", **case)
    first = base.first_stage.rename(columns={"site": "element", "kw": "value"}).assign(**case)
    given = scenarios.to_frame().melt(
        ["scenario", "probability", "period"], var_name="quantity").assign(**case)
    for word, figure in (
            ("cost", fans.cost_distribution(costs, LEVEL)),
            ("prices", fans.price_fans(base.prices.assign(**case), given, costs)),
            ("schedule", fans.schedule_fans(schedule, first, costs))):
        figure.savefig(DOCS / "pictures" / f"uncertain_{name.split()[-1]}_{word}.svg")


def money(x: float) -> str:
    """Dollars, or MWh, with cents."""
    return f"{x:,.2f}"


def ends(pair: list) -> str:
    """An interval."""
    low, high = map(money, pair)
    return low if low == high else f"{low} to {high}"


def main_table(data: list[dict]) -> str:
    lines = ["| feeder | scenarios | expected cost ($) | perfect information is worth ($) | "
             "planning with all scenarios is worth ($) | processor (s) |",
             "|---|---|---|---|---|---|"]
    for d in data:
        vss = ends(d["vss"]) if np.isfinite(d["vss"]).all() else (
            f"infinite: the mean's schedule leaves {d['mean_notes']} of them without an answer")
        share = 100 * d["evpi"][1] / d["objective"]
        lines.append(f"| {d['name']} | {d['scenarios']} | {ends([d['bound'], d['objective']])} | "
                     f"{ends(d['evpi'])} ({share:.2g} %) | {vss} | {d['cpu_s']:.0f} |")
    return "\n".join(lines)


def flexible_table(data: list[dict]) -> str:
    lines = ["| feeder | flexibility | expected cost ($) | beyond perfect information ($) | "
             "moved (MWh) | a further MWh of room saves ($/MWh) |", "|---|---|---|---|---|---|"]
    for d in data:
        before = None
        for row in d["flexibility"]:
            head = f"| {d['name']} | {100 * row['share']:.0f} % | "
            if "said" in row:
                lines.append(head + "no schedule serves all scenarios | | | |")
                continue
            room = None if before is None else d["day_mwh"] * (row["share"] - before["share"])
            saves = "" if not room else money((before["objective"] - row["objective"]) / room)
            beyond = row["objective"] - d["wait_and_see"][1]
            lines.append(f"{head}{money(row['objective'])} | {money(beyond)} | "
                         f"{money(row['moved'])} | {saves} |")
            before = row
    return "\n".join(lines)


def frontier_table(data: list[dict]) -> str:
    lines = ["| feeder | weight of the CVaR | expected cost ($) | mean of the worst 10 % ($) | "
             "worst scenario ($) |", "|---|---|---|---|---|"]
    lines += [f"| {d['name']} | {row['weight']:g} | {money(row['expected'])} | "
              f"{money(row['cvar'])} | {money(row['worst'])} |"
              for d in data for row in d["frontier"]]
    return "\n".join(lines)


def write(data: list[dict]) -> None:
    """The page's tables."""
    page = DOCS / "uncertainty.md"
    text = page.read_text(encoding="utf-8")
    for mark, table in (("value", main_table), ("flexibility", flexible_table),
                        ("risk", frontier_table)):
        text, count = re.subn(
            rf"(<!-- {mark} -->\n).*?(<!-- end -->)",
            lambda found, table=table: f"{found[1]}\n{table(data)}\n\n{found[2]}", text,
            flags=re.S)
        assert count == 1, mark
    page.write_text(text, encoding="utf-8")


def main(file: Path | None) -> None:
    if file is not None and file.exists():
        data = json.loads(file.read_text())
    else:
        data = [measured("IEEE 37", *ieee37()), measured("IEEE 123", *ieee123())]
        if file is not None:
            file.write_text(json.dumps(data, indent=1))
    write(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
