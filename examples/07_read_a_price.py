# %% [markdown]
# # 07 Read a price: its parts, and who pays them
#
# On IEEE 37 with heavy datacenters, soft limits at small penalties and a price on unbalance, a DLMP has all its parts: energy, losses, voltage, congestion,
# unbalance, and the response of voltage-dependent loads. The parts add up to the dual.

# %%
import dataclasses

import pyomo_dlmp as dlmp
from pyomo_dlmp.report import parts_by_phase
from pyomo_dlmp.results import customer_parts, customer_prices, decomposition_table, prices_table

net = dlmp.load_feeder("ieee37").with_devices(
    dlmp.Datacenter(name="dc730", bus="730", kw=900), dlmp.Datacenter(name="dc738", bus="738", kw=700),
    dlmp.Generator(name="g741", bus="741", kw_max=400, kvar_min=-200, kvar_max=200, cost=60, cost2=40))
feed = next(line for line in net.lines.values() if line.to_bus == "734")
net = net.replacing(dataclasses.replace(feed, rating_kva=330))  # kVA per phase
opf = dlmp.build_opf(net, price=55, v_min=0.97, penalty=100, thermal_penalty=20, unbalance=dlmp.Unbalance(price=2.0, buses=["730", "738"]))
dlmp.solve_opf(opf)
parts = decomposition_table(opf)
table = parts.query("bus == '738'").pivot_table(index=["quantity", "phase"], columns="part", values="value")
table.round(3)

# %% [markdown]
# The picture shows all parts but energy, by site and phase:

# %%
parts_by_phase(parts.assign(case="heavy"), {"dc730": "730", "dc738": "738"}, 0)

# %% [markdown]
# IEEE 37 has no neutral: a customer stands between two phases and pays by the delta map, lam_ab = (lamP_a + lamP_b)/2 + (lamQ_b - lamQ_a)/(2 sqrt3).

# %%
prices = prices_table(opf)
at_legs = customer_prices(prices, net, "738", ("ab", "bc", "ca"))
at_legs[["phase", "quantity", "value", "unit"]]

# %%
duals = prices.query("bus == '738'").set_index(["quantity", "phase"])["value"]
assert (table.sum(axis=1) - duals).abs().max() < 1e-6
assert (table.loc["active"].abs().max()[["loss", "voltage", "congestion", "unbalance"]] > 0.01).all()
legs = customer_parts(parts.query("bus == '738'"), "abc", ("ab",), "delta").query("quantity == 'active'")
assert abs(legs["value"].sum() - at_legs.query("phase == 'ab' and quantity == 'active'")["value"].iloc[0]) < 1e-6
