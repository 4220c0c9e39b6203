# %% [markdown]
# # 04 IEEE 37: datacenters and SVGs
#
# Three datacenters on the unbalanced IEEE 37 feeder have 25.9 MWh of work for a day. Their aggregator knows that its power moves the prices it
# pays. The study compares the feeder without static var generators (SVGs), with 300 kvar in wye at each site, and with 300 kvar in delta.
# Prices and limits are those of the AC equations (`form = "ac"` in the study file). To be quick, every third hour stands for three here;
# `pyomo-dlmp study ieee37` solves all 24.

# %%
from dataclasses import replace

from pyomo_dlmp.report import datacenter_power, price_map, read_results
from pyomo_dlmp.study import read_study, run_study

day = read_study("ieee37")
every_third = {key: day.dso[key][::3] for key in ("price", "load_scale")}
study = replace(day, periods=8, hours=3.0, dso={**day.dso, **every_third})
done = run_study(study, results="results_04", overwrite=True)
for case in done:
    print(case.run.name, "|", case.solution)

# %% [markdown]
# The results are tidy tables; pictures are made from them alone.

# %%
results = read_results("results_04")
datacenter_power(results.dispatch, results.payments, hours=study.hours)

# %%
price_map(results.prices, results.buses, results.branches, results.dispatch, period=6)  # from 18:00

# %% [markdown]
# Do the SVGs help? Where the datacenters are and when they load the feeder: better voltage *and* less unbalance. Not everywhere and always:
# the DSO runs SVGs for cost, so in light hours delta SVGs raise the unbalance, and at the end of another lateral (bus 724) the greatest VUF.

# %%
summary = results.summary.pivot_table(index="quantity", columns="case", values="value", aggfunc="first", observed=True)
summary.loc[["datacenters_pay", "AC_payment_just_beyond_a_limit", "lowest_voltage", "mean_VUF_at_datacenters_at_high_loading", "mean_VUF_at_datacenters",
             "greatest_VUF", "greatest_price_spread_between_phases", "AC_limits_broken", "proven_gap"]].astype(float).round(4)

# %%
number = lambda quantity, case: float(summary.loc[quantity, case])
assert abs(number("datacenters_pay", "no SVG") - 1160.81) < 0.05
assert abs(number("datacenters_pay", "delta SVG") - 1154.87) < 0.05
for svg in ("wye SVG", "delta SVG"):
    assert number("lowest_voltage", svg) > number("lowest_voltage", "no SVG") + 0.004
    assert number("mean_VUF_at_datacenters_at_high_loading", svg) < number("mean_VUF_at_datacenters_at_high_loading", "no SVG")
assert number("greatest_VUF", "delta SVG") > number("greatest_VUF", "no SVG")
assert all(case.tables["audit"]["passed"].all() for case in done)
