# %% [markdown]
# # 02 Compose a feeder from blocks, and add a device of your own
#
# Every bus, line and device is a Pyomo block. A bus owns its power balance; a device only *injects* into it, so a new device never edits a bus, and
# the order does not matter. Here: a feeder by hand, then a heat pump that keeps a house warm and may shift its work.

# %%
import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

import pyomo_dlmp as dlmp

price = [30, 30, 60, 80, 60, 40]  # $/MWh, one for each hour
m = pyo.ConcreteModel()
f = dlmp.blocks.Horizon(m, periods=6, hours=1.0)
m.head, m.end = dlmp.blocks.BusBlock(), dlmp.blocks.BusBlock()
m.head.build(dlmp.Bus(name="head", kv=0.4), f)
m.end.build(dlmp.Bus(name="end", kv=0.4), f)
code = dlmp.LineCode(name="cable", r=[[.3, 0, 0], [0, .3, 0], [0, 0, .3]], x=[[.1, 0, 0], [0, .1, 0], [0, 0, .1]])
m.grid, m.line = dlmp.blocks.SubstationBlock(), dlmp.blocks.LineBlock()
m.grid.build(dlmp.Substation(name="grid", bus="head"), f, m.head, price=price)
m.line.build(dlmp.Line(name="line", from_bus="head", to_bus="end", code=code, length=0.2), f, m.head, m.end)

# %% [markdown]
# The device: indoor temperature follows heating and the cold outside; comfort is a range. Its Vars and rows are its own; the one line that
# connects it to the feeder is `bus.inject(...)`.

# %%
@declare_custom_block(name="HeatPumpBlock")
class HeatPumpBlockData(BlockData):
    """A heat pump on one phase: p[t] (MW), indoor temperature[t] (degrees C)."""

    def build(self, horizon, bus, phase, kw, outside, comfort=(20.0, 22.0), warms=0.6, leaks=0.1):
        """warms: degrees C per kWh; leaks: share of the difference to outside lost in an hour."""
        self.p = pyo.Var(horizon.periods, bounds=(0, kw / 1000), initialize=0)
        self.temperature = pyo.Var(horizon.periods, bounds=comfort, initialize=comfort[0])
        self.heat = pyo.ConstraintList()
        before = comfort[0]
        for t in horizon.labels:
            self.heat.add(self.temperature[t] == before + horizon.hours * (
                1000 * warms * self.p[t] - leaks * (before - outside[t])))
            bus.inject((phase, t), -self.p[t], -0.2 * self.p[t])  # it draws p, and 0.2 p of reactive power
            before = self.temperature[t]


m.pump = HeatPumpBlock()  # made by declare_custom_block
m.pump.build(f, m.end, "b", kw=6, outside=[2, 1, 0, 0, 1, 2])
m.cost = pyo.Objective(expr=sum(m.grid.cost[t] for t in f.labels))
dlmp.solve_opf(m)
for t in f.labels:
    print(f"hour {t}: {price[t]} $/MWh, heat pump {1000 * m.pump.p[t].value:.2f} kW, {m.pump.temperature[t].value:.1f} C inside, "
          f"DLMP at its phase {m.dual[m.end.balance_p['b', t]]:.2f} $/MWh")

# %% [markdown]
# It warms the house while energy is cheap. The same block works on any feeder, inside a `LowerLevel` too: build the OPF, add the block, and add
# its rows. On IEEE 37:

# %%
net = dlmp.load_feeder("ieee37")
big = dlmp.build_opf(net, periods=6, price=price)
big.pump = HeatPumpBlock()
big.pump.build(dlmp.blocks.Horizon(big, periods=6), big.bus["730"], "b", kw=6, outside=[2, 1, 0, 0, 1, 2])
dlmp.solve_opf(big)
print([round(1000 * big.pump.p[t].value, 2) for t in big.periods])

# %%
assert m.pump.p[1].value > 0.004 and m.pump.p[3].value < m.pump.p[1].value
assert all(20 - 1e-6 <= m.pump.temperature[t].value <= 22 + 1e-6 for t in f.labels)
assert abs(big.pump.p[1].value - m.pump.p[1].value) < 1e-4
