# %% [markdown]
# # 10 A GPU datacenter: tokens, training and the price at the meter
#
# Two datacenters on IEEE 37 answer with Llama 3.1 70B on H100 GPUs; a third trains a model. When do they draw power, what does a million tokens cost in
# each hour, and what is a slower answer worth? Figures of the GPUs are published measurements (ML.ENERGY Benchmark v3, fitted by OpenG2G).

# %%
from dataclasses import replace

import pandas as pd

import pyomo_dlmp as dlmp
from pyomo_dlmp.results.payments import market_payments
from pyomo_dlmp.results.tokens import joules_per_token

chat = dlmp.workload.LlmService(
    name="chat", tokens=(600e3, 700e3, 900e3, 1000e3, 950e3, 800e3),  # tokens/s
    model="Llama-3.1-70B", replicas=(160, 140), sites=("dc730", "dc711"), latency_s=0.06, idle_w=400.0, host_w=600.0)
points = dlmp.market.operating_points(chat)
pd.DataFrame({"batch": points.batch, "tokens/s": points.work, "W": points.watts}).round(0)

# %% [markdown]
# One replica is four GPUs. Between a replica that waits and one at the largest batch that keeps 60 ms between tokens, a fleet reaches every mixture; it draws
# least where few replicas work at a large batch and the others wait. How far the linear pieces are from the curve (W of a replica):

# %%
points.error_w

# %% [markdown]
# The training may be slowed down by power caps, pauses for checkpoints 4 % of the time, and swings by 30 % of its power within seconds. A rack battery of
# 120 kW takes the swings but for 40 kW, and what of it is free moves energy between hours.

# %%
price = [56, 58, 65, 78, 85, 80]  # $/MWh at the substation
load = [0.88, 0.90, 0.94, 0.98, 1.00, 0.98]
net = dlmp.load_feeder("ieee37").with_devices(
    *(dlmp.Datacenter(name=f"dc{bus}", bus=bus, kw=kw, power_factor=0.95) for bus, kw in (("730", 700), ("738", 600), ("711", 500))),
    *(dlmp.Generator(name=f"g{bus}", bus=bus, kw_max=kw, kvar_min=-kw / 2, kvar_max=kw / 2, cost=cost, cost2=50)
      for bus, kw, cost in (("707", 250, 45), ("728", 250, 50), ("735", 250, 55), ("741", 200, 60))))
tune = dlmp.workload.Training(name="tune", site="dc738", gpus=400, gpu_hours=1900, arrival=0, deadline=6, checkpoint=0.04, swing=0.3,
                              caps=((0.6, 0.78), (0.808, 0.936), (1.0, 1.0)), idle_w=120.0)
rack = dlmp.workload.Smoothing(site="dc738", kw=120, kwh=120, kwh_start=60, step_kw=40, ramp_kw=60)
work = dlmp.Workload(llm=(chat,), training=(tune,), smoothing=(rack,))
market = dlmp.Market(net, work, {"periods": 6, "price": price, "load_scale": load})
found = dlmp.solve_market("strategic", market)
schedule = pd.DataFrame({site: [round(1000 * dc.p[t].value) for t in found.dso.periods] for site, dc in found.dso.datacenter.items()})
schedule  # kW

# %% [markdown]
# ## Dollars per million tokens
#
# A service bears the share of its site's payment that its power has of the site's work.

# %%
def tokens_of(outcome):
    paid = market_payments(outcome, market, dlmp.results.prices_table(outcome.dso), dlmp.results.dispatch_table(outcome.dso, net))
    return dlmp.results.tokens_table(outcome.model, outcome.dso, paid)

table = tokens_of(found)
cost = table[table["quantity"] == "cost"].pivot(index="period", columns="element", values="value")
cost.round(4)

# %%
joules_per_token(table).unstack("element").round(3)

# %% [markdown]
# ## What a slower answer is worth
#
# The same tokens with other limits of the time between them: a larger batch needs less energy for each token.

# %%
rows = []
for ms in (40, 60, 100):
    slower = replace(market, workload=replace(work, llm=(replace(chat, latency_s=ms / 1000, replicas=(230, 170)),)))
    outcome = dlmp.solve_market("strategic", slower)
    given = tokens_of(outcome).groupby("quantity")["value"].sum()
    rows.append((ms, given["energy"], given["payment"], given["payment"] / given["tokens"], outcome.paid))
worth = pd.DataFrame(rows, columns=["ms between tokens", "MWh", "$ for tokens", "$ per million tokens", "$ in all"]).set_index("ms between tokens")
worth.round(4)

# %%
assert found.status == "optimal" and points.error_w <= 0.002 * points.watts.max()
assert abs(table[table["quantity"] == "tokens"]["value"].sum() - 3600 * sum(chat.tokens) / 1e6) < 1e-3
assert worth["$ in all"].is_monotonic_decreasing and worth["MWh"].is_monotonic_decreasing
