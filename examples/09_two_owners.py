# %% [markdown]
# # 09 Two datacenters that know each other
#
# On IEEE 37 one owner has the datacenter at bus 730, another those at buses 738 and 711. Each knows the prices that its power causes, and the other's
# schedule. What do they do, what do they pay, and can one of them still gain? Six hours of the main study's day, around its dearest.

# %%
import pandas as pd

import pyomo_dlmp as dlmp

price = [56, 58, 65, 78, 85, 80]  # $/MWh at the substation
load = [0.88, 0.90, 0.94, 0.98, 1.00, 0.98]
net = dlmp.load_feeder("ieee37").with_devices(
    *(dlmp.Datacenter(name=f"dc{bus}", bus=bus, kw=kw, floor=0.1, power_factor=0.95) for bus, kw in (("730", 700), ("738", 600), ("711", 500))),
    *(dlmp.Generator(name=f"g{bus}", bus=bus, kw_max=kw, kvar_min=-kw / 2, kvar_max=kw / 2, cost=cost, cost2=50)
      for bus, kw, cost in (("707", 250, 45), ("728", 250, 50), ("735", 250, 55), ("741", 200, 60))))
opf = {"periods": 6, "price": price, "load_scale": load}
owners = {"A": (("dc730",), 2.5), "B": (("dc738", "dc711"), 4.0)}  # MWh
market = dlmp.Market(net, owners=owners, opf=opf)
found = dlmp.solve_market("equilibrium", market)
found.regret.round(4)

# %% [markdown]
# That is a certificate: what each pays (the DSO's problem, solved apart at these schedules), the proven bound of its best response to the other, and the
# difference, which is all that it could gain by itself. How it came about, turn by turn:

# %%
found.rounds.round(4)

# %% [markdown]
# Without coordination there may be several such schedules, and nothing proves that all were found. These are what the starts led to:

# %%
print(found.note)
found.equilibria.round(2)

# %% [markdown]
# ## Rivals, one leader, and no rivalry at all
#
# The same work under the other markets. One leader who owns all sites can do whatever the rivals do, and pays no more than they do together; the cooperative
# schedule costs the DSO least (it is a plan of both: nothing is paid, so NaN). The price of anarchy is the DSO's cost over that.

# %%
outcomes = {name: dlmp.solve_market(name, market) for name in ("uncoordinated", "strategic", "cooperative")} | {"equilibrium": found}
least = outcomes["cooperative"].dso.cost()
pd.DataFrame({name: {"owners pay ($)": outcome.paid, "cost of the DSO ($)": outcome.dso.cost(), "price of anarchy": outcome.dso.cost() / least}
              for name, outcome in outcomes.items()}).T.round(4)

# %% [markdown]
# When do they draw it? Both keep out of the dearest hours (kW):

# %%
schedule = pd.DataFrame({f"{owner} ({site})": [round(1000 * found.dso.datacenter[site].p[t].value) for t in found.dso.periods]
                         for owner, (sites, _) in owners.items() for site in sites})
schedule

# %%
assert found.status == "optimal"
assert (found.regret["regret"] <= 1e-5 * found.regret["cost"]).all()
assert outcomes["strategic"].paid <= found.paid * (1 + 1e-4) and found.dso.cost() >= least - 1e-4
