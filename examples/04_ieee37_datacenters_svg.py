# %% [markdown]
# # 04 IEEE 37: datacenters and SVGs
#
# Three datacenters on the unbalanced IEEE 37 feeder have 25.9 MWh of work for a day. Their aggregator knows that its power moves the prices it
# pays. The study compares the feeder without and with three 300 kvar static var generators in delta.

# %%
from pyomo_dlmp.report import datacenter_power, price_map, read_results
from pyomo_dlmp.study import read_study, run_study

study = read_study("ieee37")
done = run_study(study, results="results_04", overwrite=True)
for case in done:
    print(case.run.name, "|", case.solution)

# %% [markdown]
# The results are tidy tables; pictures are made from them alone.

# %%
results = read_results("results_04")
datacenter_power(results.dispatch, results.payments)

# %%
price_map(results.prices, results.buses, results.branches, results.dispatch, period=18)

# %% [markdown]
# Do the SVGs help? Voltage: yes. Unbalance of voltages: no, since the DSO runs them for cost. What the datacenters pay: a little less.

# %%
summary = results.summary.pivot_table(index="quantity", columns="case", values="value", aggfunc="first", observed=True)
summary.loc[["datacenters_pay", "datacenters_pay_for_reactive_power", "lowest_voltage", "greatest_VUF", "greatest_price_spread_between_phases",
             "proven_gap"]]

# %%
number = lambda quantity, case: float(summary.loc[quantity, case])
assert abs(number("datacenters_pay", "no SVG") - 1150.15) < 1.5
assert abs(number("datacenters_pay", "SVG") - 1145.82) < 1.5
assert number("lowest_voltage", "SVG") > number("lowest_voltage", "no SVG") + 0.004
assert number("greatest_VUF", "SVG") > number("greatest_VUF", "no SVG")
assert all(case.tables["audit"]["passed"].all() for case in done)
