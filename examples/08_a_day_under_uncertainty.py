# %% [markdown]
# # 08 A day under uncertainty: what is a flexible MWh worth
#
# Two datacenters on IEEE 37 announce their schedule a day ahead. Only then is it known which price, load and work the day has. In each scenario they
# foresee the DLMPs that their power causes, and may leave the schedule by a share of their capacity, at a price.

# %%
import numpy as np
import pandas as pd

import pyomo_dlmp as dlmp
from pyomo_dlmp.report.figures import fans
from pyomo_dlmp.uncertainty import CVaR

network = dlmp.load_feeder("ieee37").with_devices(
    dlmp.Datacenter(name="dc730", bus="730", kw=700, floor=0.1), dlmp.Datacenter(name="dc738", bus="738", kw=600, floor=0.1),
    dlmp.Generator(name="g741", bus="741", kw_max=300, cost=58, cost2=60))
day = np.array([30.0, 40, 56, 58, 82, 48])  # $/MWh, six periods of four hours
market = dlmp.Market(network, 18.0, {"periods": 6, "hours": 4.0, "price": list(day)})

# %% [markdown]
# ## Scenarios
#
# Eight days: level of the price and load, sun elsewhere that makes noon cheap, an evening that may be dear. Numbers by column, scenarios x periods; one number of `energy_mwh` a
# scenario is the work of its day.

# %%
rng = np.random.default_rng(8)
level = rng.normal(0, 1, 8)
sun = np.array([0, 1, 0.3, 0.8, 0, 0.9, 0.5, 0.1])
price = day * (1 + 0.15 * level)[:, None] - 35 * sun[:, None] * [0, 0.2, 1, 0.8, 0, 0]
price[[1, 6], 4] += 90  # a scarce evening
scenarios = dlmp.Scenarios.of_arrays(
    price=price, load_scale=(0.8 + 0.06 * level), energy_mwh=18 * (1 + 0.05 * rng.uniform(-1, 1, 8)),
    probabilities=np.array([2, 1, 2, 3, 3, 2, 1, 2]) / 16)
scenarios

# %% [markdown]
# ## The decision, with its proven bound

# %%
result = dlmp.solve_stochastic(market, scenarios, flexibility=0.2, deviation_price=1.0)
print(f"{result.status}: expected cost {result.objective:.2f} $, proven to be at least {result.bound:.2f} $")
result.first_stage.pivot(index="period", columns="site", values="kw").round(0)

# %%
result.by_scenario.round(2)

# %% [markdown]
# What is information worth? If the scenario were known a day ahead (EVPI), and if only the mean of the scenarios had been planned for (VSS); each is
# an interval that is proven.

# %%
worth = result.value()
worth

# %% [markdown]
# ## What a flexible MWh is worth
#
# The same with other shares of the capacity: what does a further MWh of room to leave the schedule save, over the day and on average? An `Atlas`
# keeps the critical regions that one solve has found for the next.

# %%
atlas = dlmp.Atlas()
rows = []
for share in (0.05, 0.1, 0.2, 0.4, 0.8):
    one = dlmp.solve_stochastic(market, scenarios, flexibility=share, deviation_price=1.0, gap=2e-5, atlas=atlas, audit=False)
    moved = float(scenarios.probabilities @ one.by_scenario["deviation_mwh"])
    rows.append((share, one.objective, moved))
flexible = pd.DataFrame(rows, columns=["flexibility", "expected cost ($)", "moved (MWh)"])
room = 24 * 1.3 * flexible["flexibility"]  # MWh a day, up or down
flexible["a further MWh of room saves ($)"] = -flexible["expected cost ($)"].diff() / room.diff()
flexible.round(3)

# %% [markdown]
# ## What caution changes
#
# Half of the objective is now the mean of the worst fifth of the probability (CVaR).

# %%
careful = dlmp.solve_stochastic(market, scenarios, deviation_price=1.0, risk=CVaR(weight=0.5, level=0.8), atlas=atlas)
tail = CVaR(1.0, 0.8).tail_mean
costs = {name: r.by_scenario["cost"].to_numpy() for name, r in (("neutral", result), ("careful", careful))}
pd.DataFrame({name: {"expected cost ($)": scenarios.probabilities @ c, "worst fifth ($)": tail(c, scenarios.probabilities)}
              for name, c in costs.items()}).round(2)

# %% [markdown]
# The power in the scenarios around the schedule, and the distribution of the cost:

# %%
named = {"case": "day"}
chances = result.by_scenario[["scenario", "probability", "cost"]].melt("scenario", var_name="quantity").assign(**named)
schedule = result.schedule.rename(columns={"site": "element", "kw": "value"}).assign(quantity="power", **named)
first = result.first_stage.rename(columns={"site": "element", "kw": "value"}).assign(**named)
fans.schedule_fans(schedule, first, chances)

# %%
fans.cost_distribution(chances, 0.8)

# %%
assert result.status == "optimal" and result.audit.passed
assert result.bound <= result.objective <= result.bound * (1 + 2e-4)
assert 0 <= worth.evpi[0] <= worth.evpi[1]
assert (flexible["expected cost ($)"].diff().dropna() <= 1e-3 * result.objective).all()
p = scenarios.probabilities
assert tail(costs["careful"], p) <= tail(costs["neutral"], p) + 1e-3 * result.objective
assert p @ costs["neutral"] <= p @ costs["careful"] + 1e-3 * result.objective
