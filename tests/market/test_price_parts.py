"""Each part of a DLMP against the finite difference of the cost it stands for."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import (
    customer_parts,
    customer_prices,
    decomposition_table,
    prices_table,
)

KEYS = ["bus", "phase", "period", "quantity"]


def wide(dso):
    table = decomposition_table(dso)
    return table.pivot_table(index=KEYS, columns="part", values="value")


def feeder37(*devices):
    return dlmp.load_feeder("ieee37").with_devices(
        dlmp.Generator(name="g", bus="741", kw_max=300, kvar_min=-100, kvar_max=100, cost=40,
                       cost2=50), *devices)


def rated(kva, rated_lines=("L1",)):
    code = dlmp.LineCode(name="c", r=[[.3, .1, .1], [.1, .3, .1], [.1, .1, .3]],
                         x=[[.6, .2, .2], [.2, .6, .2], [.2, .2, .6]])
    return dlmp.Network("rated", [
        *(dlmp.Bus(name=n, kv=4.8) for n in ("s", "m", "e")),
        dlmp.Substation(name="grid", bus="s"),
        dlmp.Line(name="L1", from_bus="s", to_bus="m", code=code, length=2, rating_kva=kva),
        dlmp.Line(name="L2", from_bus="m", to_bus="e", code=code, length=1.5),
        dlmp.Load(name="one", bus="e", legs=("a", "b", "c"), kw=(300, 80, 120), kvar=(90, 20, 40),
                  model="impedance"),
        dlmp.Generator(name="g", bus="e", kw_max=400, kvar_min=-150, kvar_max=150, cost=70,
                       cost2=60)])


ROWS = {"voltage": ("v_low", "v_high"), "congestion": ("thermal",),
        "unbalance": ("unbalance_limit", "unbalance_price")}
SLACKS = ("under", "over", "excess", "unbalance_excess", "vuf")


def costs(m, multipliers):
    """$ of energy and losses, and  - sum nu_r a_r z  of the rows of each other part."""
    hours = next(iter(m.bus.values())).hours
    (source,) = m.substation.values()
    branches = [*m.line.values(), *m.transformer.values()]
    found = {
        "energy": sum(pyo.value(source.cost[t]) for t in m.periods),
        "loss": sum(pyo.value(source.price[t]) * hours * pyo.value(b.loss[t]) for b in branches
                    if b.component("loss") is not None for t in m.periods)}
    for block in (*m.bus.values(), *branches):
        for name in SLACKS:
            for var in (block.component(name) or {}).values():
                var.set_value(0.0)
    for part, names in ROWS.items():
        found[part] = -sum(
            multipliers[con.name] * pyo.value(con.body) for b in (*m.bus.values(), *branches)
            for name in names for con in (b.component(name) or {}).values()
            if multipliers[con.name])
    return found


def check_parts(net, bus, leg, options, needed, tolerance=2e-3):
    """Parts add up to the dual; each is the slope of its own term, the devices held."""
    m = dlmp.build_opf(net, **options)
    dlmp.solve_opf(m)
    table = wide(m)
    prices = prices_table(m).set_index(KEYS)["value"]
    assert (table.sum(axis=1) - prices).abs().max() <= 1e-6
    assert (table[needed].abs().max() > 1e-2).all(), table.abs().max()
    connection = "delta" if len(leg) == 2 else "wye"
    rows = decomposition_table(m)
    mine = customer_parts(rows[rows["bus"] == bus], net.buses[bus].phases, (leg,), connection)
    mine = mine.set_index(["quantity", "part"])["value"]
    held = [(g.p[t].value, g.q[t].value) for g in m.generator.values() for t in m.periods]
    multipliers = {con.name: m.dual[con] for con in m.dual if con.ctype is pyo.Constraint}
    step = 0.05  # kW, of a load at the node
    for quantity, kw, kvar in (("active", step, 0.0), ("reactive", 0.0, step)):
        ends = []
        for sign in (1, -1):
            probe = dlmp.Load(name="probe", bus=bus, legs=(leg,), kw=(sign * kw,),
                              kvar=(sign * kvar,), connection=connection)
            other = dlmp.build_opf(net.with_devices(probe), **options)
            pairs = [(g.p[t], g.q[t]) for g in other.generator.values() for t in other.periods]
            for (p, q), (at_p, at_q) in zip(pairs, held, strict=True):
                p.fix(at_p)
                q.fix(at_q)
            dlmp.solve_opf(other)
            ends.append(costs(other, multipliers))
        slope = {k: 1e3 * (ends[0][k] - ends[1][k]) / (2 * step) for k in ends[0]}
        for part, theirs in slope.items():
            ours = mine[quantity, part]
            if part == "energy":
                ours += mine.get((quantity, "load_response"), 0.0)
            assert ours == pytest.approx(theirs, abs=tolerance * (1 + abs(theirs))), (
                quantity, part)


def test_losses_and_voltage_on_ieee37():
    check_parts(feeder37(), "738", "ab", {"price": 50.0, "v_min": 1.0},
                ["energy", "loss", "voltage", "load_response"])


def test_congestion_on_a_rated_line():
    check_parts(rated(120.0), "e", "b", {"price": 50.0, "thermal_penalty": 500.0},
                ["energy", "loss", "congestion"])


def test_unbalance_with_a_price():
    check_parts(feeder37(), "711", "ca", {"price": 50.0, "unbalance": dlmp.Unbalance(
        price=3.0, buses=["711", "738"])}, ["energy", "loss", "unbalance"])


def test_a_hard_limit_has_its_multiplier_as_its_part():
    net = rated(None)
    m = dlmp.build_opf(net, price=50.0, voltage_limits="hard", v_min=0.955)
    dlmp.solve_opf(m)
    table = wide(m)
    prices = prices_table(m).set_index(KEYS)["value"]
    assert (table.sum(axis=1) - prices).abs().max() <= 1e-6
    assert table["voltage"].abs().max() > 1


def test_a_delta_customer_pays_by_the_delta_map():
    """One kW more on leg ab costs what the parts of that leg add up to."""
    net, options = feeder37(), {"price": 50.0, "v_min": 1.0}
    m = dlmp.build_opf(net, **options)
    dlmp.solve_opf(m)
    price = customer_prices(prices_table(m), net, "738", ("ab", "bc", "ca"))
    table = decomposition_table(m)
    parts = customer_parts(table[table["bus"] == "738"], "abc", ("ab", "bc", "ca"), "delta")
    for wanted, kw, kvar in (("active", .01, 0.0), ("reactive", 0.0, .01)):
        ends = []
        for sign in (1, -1):
            probe = dlmp.Load(name="probe", bus="738", legs=("ab",), kw=(sign * kw,),
                              kvar=(sign * kvar,), connection="delta")
            other = dlmp.build_opf(net.with_devices(probe), **options)
            dlmp.solve_opf(other)
            ends.append(pyo.value(other.cost))
        slope = 1e3 * (ends[0] - ends[1]) / 0.02
        ours = price.query(f"phase == 'ab' and quantity == '{wanted}'")["value"].iloc[0]
        assert ours == pytest.approx(slope, abs=1e-2)
        mine = parts.query(f"phase == 'ab' and quantity == '{wanted}'")
        assert mine["value"].sum() == pytest.approx(ours, abs=1e-6)
