# %% [markdown]
# # 01 A first price on two buses
#
# A substation sells energy at 40 $/MWh, a line with losses leads to a bus where 600 kW are drawn, mostly from phase a. What does one more MWh cost
# at that bus, on each phase? The answer is the dual of its power balance: the distribution locational marginal price (DLMP).

# %%
import pyomo.environ as pyo

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import decomposition_table, prices_table

code = dlmp.LineCode(name="overhead", r=[[.3, .1, .1], [.1, .3, .1], [.1, .1, .3]],  # ohm/km
                     x=[[.6, .2, .2], [.2, .6, .2], [.2, .2, .6]])
net = dlmp.Network("two buses", [
    dlmp.Bus(name="head", kv=4.8), dlmp.Bus(name="end", kv=4.8),
    dlmp.Substation(name="grid", bus="head"),
    dlmp.Line(name="line", from_bus="head", to_bus="end", code=code, length=2),  # km
    dlmp.Load(name="houses", bus="end", legs=("a", "b", "c"), kw=(400, 100, 100), kvar=(100, 20, 20)),
])
opf = dlmp.build_opf(net, price=40)
dlmp.solve_opf(opf)
prices = prices_table(opf)
prices[prices["bus"] == "end"]

# %% [markdown]
# Phase a has the highest price: it carries more current and has more losses. Prices of reactive power are what a Mvarh less would save.
#
# Is the price right? Draw one kW more on phase a, solve again, and look at what the DSO pays.

# %%
def cost_with(kw):
    more = dlmp.Load(name="more", bus="end", legs=("a",), kw=(kw,), kvar=(0,))
    model = dlmp.build_opf(net.with_devices(more), price=40)
    dlmp.solve_opf(model)
    return pyo.value(model.cost)


slope = 1000 * (cost_with(0.5) - cost_with(-0.5))  # $/MWh
price_a = prices.query("bus == 'end' and phase == 'a' and quantity == 'active'")["value"].iloc[0]
print(f"finite difference {slope:.4f} $/MWh, DLMP {price_a:.4f} $/MWh")

# %% [markdown]
# And what is it made of? Energy at the head, and losses on the way (no limit binds here).

# %%
parts = decomposition_table(opf)
parts.query("bus == 'end' and quantity == 'active'").pivot_table(index="phase", columns="part", values="value")

# %%
assert abs(slope - price_a) < 1e-3
assert 40 < price_a < 48 and price_a > prices.query("bus == 'end' and phase == 'b' and quantity == 'active'")["value"].iloc[0]
