# %% [markdown]
# # 05 Your own OpenDSS feeder
#
# Any radial OpenDSS circuit can be read: `dlmp.read_opendss("Master.dss")`. Here a small one is written first.

# %%
from pathlib import Path

import pyomo.environ as pyo

import pyomo_dlmp as dlmp

Path("village.dss").write_text("""
clear
new circuit.village basekv=12.47 pu=1.02 r1=0.01 x1=0.01 r0=0.01 x0=0.01
new linecode.oh nphases=3 r1=0.3 x1=0.4 r0=0.6 x0=1.2 c1=0 c0=0 units=km
new line.l1 bus1=sourcebus bus2=mid linecode=oh length=3 units=km
new transformer.t1 windings=2 buses=(mid, low) conns=(delta, wye) kvs=(12.47, 0.48) kvas=(1000, 1000) xhl=5 %loadloss=1
new linecode.cable nphases=3 r1=0.1 x1=0.08 r0=0.2 x0=0.16 c1=0 c0=0 units=km
new line.l2 bus1=low bus2=site linecode=cable length=0.1 units=km
new load.houses bus1=mid phases=3 conn=delta kv=12.47 kw=600 kvar=200
new load.shop bus1=site.1 phases=1 kv=0.277 kw=60 kvar=20
set voltagebases=[12.47, 0.48]
calcvoltagebases
solve
""")
net = dlmp.read_opendss("village.dss")
net

# %% [markdown]
# How good is the linear model here? Its voltages against an AC power flow of the same feeder:

# %%
table, flow = dlmp.validate_feeder(net)
table[["form", "load", "max_error", "at", "unit"]].round(6)

# %% [markdown]
# A datacenter at the end, four hours, and the aggregator's bilevel problem; then an AC check of the solution.

# %%
net = net.with_devices(
    dlmp.Datacenter(name="dc", bus="site", kw=400, floor=0.1, power_factor=0.95),
    dlmp.Generator(name="pv", bus="site", kw_max=150, cost=5, phases="abc"))
m = pyo.ConcreteModel()
m.dso = dlmp.LowerLevel()
dlmp.build_opf(net, periods=4, price=[30, 45, 70, 40], into=m.dso)
m.dca = dlmp.AggregatorBlock()
m.dca.build(m.dso, 0.9)  # MWh
result = dlmp.solve_bilevel(m)
print(result)
report = dlmp.validation.ac_report(m.dso, net)
report.summary

# %%
power = [round(m.dso.datacenter["dc"].p[t].value, 3) for t in m.dso.periods]
print(power)
assert result.status == "optimal" and result.audit.passed
assert abs(sum(power) - 0.9) < 2e-3 and power[2] == min(power)
assert report.voltages["error"].abs().max() < 0.01
