"""Voltages of every shipped feeder against AC: writes docs/validation.md."""

import os
import platform
from pathlib import Path

import pyomo_dlmp as dlmp
from pyomo_dlmp.validation.feeder import timed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation.md"
HEAD = """# Validation of the linear model against AC

Written by `tests/benchmarks/validation.py` ({cores} cores, Python {python});
`pyomo-dlmp validate FEEDER` prints one row. Voltages (pu) of the linear model against the OpenDSS
engine's AC power flow of the same network, taps fixed; on ungrounded parts without the zero
sequence. *Lossless* is the model with `losses=None` at nominal load. *Corrected* is the form
corrected at that AC operating point (exact there). The columns 90 % and 110 % use that same form to
predict the voltages with all loads at 90 and 110 %.

| feeder | nodes | AC kW lost | lowest AC | lossless max / mean | corrected | 90 % | 110 % | s |
|---|---|---|---|---|---|---|---|---|
"""
FOOT = """
Do not use the lossless form for ieee34, ieee8500 and the heavily loaded ieee4 cases;
ieee4_oyod collapses to a quarter of its nominal voltage, as in the OpenDSS file. Away from its
operating point the corrected form is a linearisation: `solve_corrected_opf` corrects it at the new
point until voltages agree.
"""


def main() -> None:
    rows = []
    for name in dlmp.list_feeders()["name"]:
        net = dlmp.load_feeder(name)
        table, ac, seconds = timed(net)
        worst = table["max_error"]
        low = min(abs(v) for v in ac.point.voltages.values())
        rows.append(
            f"| {name} | {sum(len(b.phases) for b in net.buses.values())} | "
            f"{1e3 * sum(ac.losses.values()):.1f} | {low:.4f} | {worst[0]:.4f} / "
            f"{table['mean_error'][0]:.4f} | {worst[1]:.1e} | {worst[2]:.4f} | {worst[3]:.4f} | "
            f"{seconds:.1f} |")
        print(rows[-1], flush=True)
    head = HEAD.format(cores=os.cpu_count(), python=platform.python_version())
    PAGE.write_text(head + "\n".join(rows) + "\n" + FOOT, encoding="utf-8")


main()
