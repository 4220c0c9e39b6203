"""docs/linear_model.md from the figures of `linear_model.py`."""

from __future__ import annotations

from pathlib import Path

HEAD = """# What the linear model misses

`form="lindist"` has linear flows at nominal voltage; losses stand in its objective alone. It needs
no operating point, is solved once, and every statement about it is exact *in it*. This page says
how far it is off from AC, on each shipped feeder and on the main study; `form="ac"` and
`dlmp.solve_ac_opf` have the AC equations' own optimum and prices. All tables are written by
`tests/benchmarks/linear_model.py`; [Validation](validation.md) has the errors node by node.

## Voltages and prices at nominal load

One dispatch, one substation price of 50 $/MWh. Voltages: greatest error of the linear form against
the OpenDSS engine, and where. Prices: the range of the AC marginal costs over all legs (adjoint of
the AC equations), and the greatest error of the linear form without and with the cost of losses.
The last column is the AC form's own error, of voltages (pu) and of prices ($/MWh).

| feeder | voltage error (pu) | at | AC price ($/MWh) | lossless | with losses | \
AC reactive price ($/Mvarh) | with losses | AC form |
|---|---|---|---|---|---|---|---|---|
"""
AFTER_PRICES = """
A lossless price is the substation's everywhere. With losses in the objective the loss part has the
right sign and size, but not its slopes: it is taken at nominal voltages, and flows do not carry
what is lost behind them. Loads that depend on their voltage are linear there at nominal voltage:
on eulv906 all loads stand above their range (`v_high`), where a load that draws more lowers the
voltage and so what its neighbours draw; the AC price falls *below* the substation's, and a loss
part makes the linear price worse.

## Order of the AC form

The AC form at nominal load, used to predict the voltages at {two:g} % and {one:g} % more and less
load (the worse of the two). A linearisation with the right slopes has an error of second order:
halve the change, and the error is a quarter. *Across* counts legs of loads whose voltage crosses
an end of their range in between: their law has a kink there, and no slope serves both sides.

| feeder | error at {two:g} % (pu) | error at {one:g} % (pu) | ratio | across |
|---|---|---|---|---|
"""
AFTER_ORDER = """
Errors below 1e-7 pu are those of the engine's own solution (it ends its iterations at 1e-8 pu), so
their ratio says nothing.

## The main study

IEEE 37, 24 hours, three datacenters, voltage limits .95 to 1.05 pu (soft). The strategic schedule
that is optimal in the linear form is held, and the DSO solves its OPF again with the AC equations.

| | no SVG | delta SVG |
|---|---|---|
"""
STUDY = (
    ("payment in the linear form ($)", lambda r: f"{r['linear_pays']:.2f}"),
    ("the same schedule at AC prices ($)", lambda r: f"{r['in_ac']:.2f}"),
    ("strategic payment in AC ($)", lambda r: f"{r['best']:.3f}"),
    ("the same, just beyond the limits that bind ($)",
     lambda r: f"{r['beyond']:.2f}" if r["beyond"] == r["beyond"] else "no limit binds"),
    ("node-hours below a limit in AC", lambda r: f"{r['broken']}"),
    ("furthest below (pu)", lambda r: f"{r['broken_by']:.4f}"),
    ("lowest voltage, linear / AC (pu)",
     lambda r: f"{r['lowest_linear']:.4f} / {r['lowest']:.4f}"),
    ("greatest voltage error (pu)", lambda r: f"{r['voltage']:.4f}"),
    ("active price at a datacenter, mean error ($/MWh)",
     lambda r: f"{r['mean_off']['active']:.3f}"),
    ("the furthest: linear / AC ($/MWh), where", lambda r: _worst(r["off"]["active"])),
    ("reactive price at a datacenter, mean error ($/Mvarh)",
     lambda r: f"{r['mean_off']['reactive']:.3f}"),
    ("the furthest: linear / AC ($/Mvarh), where", lambda r: _worst(r["off"]["reactive"])),
)
FOOT = """
The linear schedule without SVG stops exactly at the linear voltage limit, which AC has passed; a
DSO that keeps the limit in AC prices it there, so the leader who trusted the linear form pays far
more than it was promised, and more than the schedule that is optimal in AC costs. With SVGs no
limit binds, and the two forms differ by the loss part of prices alone.

## Which one to take

- Prices that are paid, limits that must hold, reactive prices, long or heavily loaded feeders,
  meshes, neutral conductors: the AC form.
- The shape of a market, proofs about it, thousands of buses times many hours: the linear form, and
  then its answer in AC (`dlmp.validation.ac_report`, `dlmp.solve_ac_opf` at fixed datacenters).
"""


def write(found: dict, docs: Path) -> Path:
    """Write the page; it gives its path."""
    prices, order = [], []
    for name, r in found["feeders"].items():
        prices.append(
            f"| {name} | {r['voltage']:.4f} | {r['at']} | {r['price'][1]:.2f} to "
            f"{r['price'][2]:.2f} | {r['lossless']:.2f} | {r['losses']:.2f} | "
            f"{r['reactive'][0]:.2f} to {r['reactive'][1]:.2f} | {r['reactive_error']:.2f} | "
            f"{r['exact']:.0e} / {r['exact_price']:.0e} |")
        whole, half = r["order"]
        order.append(f"| {name} | {whole:.1e} | {half:.1e} | "
                     f"{'-' if whole < 1e-7 else f'{whole / half:.1f}'} | {r['across']} |")
    cases = [found["study"][case] for case in ("no SVG", "delta SVG") if case in found["study"]]
    rows = [f"| {label} | " + " | ".join(shown(r) for r in cases) + " |" for label, shown in STUDY]
    page = docs / "linear_model.md"
    page.write_text(HEAD + "\n".join(prices) + "\n" + AFTER_PRICES.format(two=2, one=1)
                    + "\n".join(order) + "\n" + AFTER_ORDER + "\n".join(rows) + "\n" + FOOT,
                    encoding="utf-8")
    return page


def _worst(off: list) -> str:
    _, ours, true, name, t = off
    return f"{ours:.2f} / {true:.2f}, {name} hour {t}"
