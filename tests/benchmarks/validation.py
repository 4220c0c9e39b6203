"""Voltages and prices of every shipped feeder against AC: writes docs/validation.md.

    python tests/benchmarks/validation.py [feeder ...]     those measured again; other rows are kept
"""

import os
import platform
import sys
from pathlib import Path

import pyomo_dlmp as dlmp
from pyomo_dlmp.validation.feeder import timed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation.md"
HEAD = """# Validation of the forms against AC

Written by `tests/benchmarks/validation.py` ({cores} cores, Python {python});
`pyomo-dlmp validate FEEDER` prints one feeder. Voltages (pu) and prices ($/MWh) of the model
against the OpenDSS engine's AC power flow of the same network, taps fixed; on ungrounded parts
without the zero sequence. *Linear* is `form="lindist"` at nominal load, *AC form* is `form="ac"` at
its operating point, where it is exact. The columns 90 % and 110 % use that same operating point to
predict the voltages with all loads at 90 and 110 %. Prices are compared at every leg with the
marginal costs of the AC equations at 50 $/MWh. What the errors of the linear form do to prices,
payments and schedules: [What the linear model misses](linear_model.md).

| feeder | nodes | AC kW lost | lowest AC | linear max / mean | AC form | 90 % | 110 % | \
price error linear | AC form | s |
|---|---|---|---|---|---|---|---|---|---|---|
"""
FOOT = """
ieee4_oyod collapses to a quarter of its nominal voltage, as in the OpenDSS file. Away from its
operating point the AC form is a linearisation, with an error that falls with the square of the
distance as long as no load crosses an end of its range (on ieee13, ieee8500 at 110 % some do):
`dlmp.solve_ac_opf` solves again at the new point until nothing moves.
"""


def row(name: str) -> str:
    net = dlmp.load_feeder(name)
    table, ac, seconds = timed(net)
    by = {(row["form"], row["load"]): row for row in table.to_dict("records")}
    linear, exact = by["with losses", 1.0], by["AC", 1.0]
    return (f"| {name} | {sum(len(b.phases) for b in net.buses.values())} | "
            f"{1e3 * sum(ac.losses.values()):.1f} | {ac.lowest_voltage:.4f} | "
            f"{linear['max_error']:.4f} / {linear['mean_error']:.4f} | {exact['max_error']:.1e} | "
            f"{by['AC', 0.9]['max_error']:.1e} | {by['AC', 1.1]['max_error']:.1e} | "
            f"{linear['price_error']:.2f} | {exact['price_error']:.1e} | {seconds:.1f} |")


def main(names: list[str]) -> None:
    rows = {line.split("|")[1].strip(): line
            for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")}
    known = list(dlmp.list_feeders()["name"])
    for name in names or known:
        rows[name] = row(name)
        print(rows[name], flush=True)
        head = HEAD.format(cores=os.cpu_count(), python=platform.python_version())
        lines = [rows[other] for other in known if other in rows]
        PAGE.write_text(head + "\n".join(lines) + "\n" + FOOT, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
