# %% [markdown]
# # 06 A bilevel that has nothing to do with power
#
# A city sets a toll on its bridge; drivers then choose between bridge and tunnel. The bilevel layer knows nothing about power: any convex LP or QP
# may be a lower level, and its duals, if they are needed, are Vars of the upper level.

# %%
import pyomo.environ as pyo

import pyomo_dlmp as dlmp

m = pyo.ConcreteModel()
m.toll = pyo.Var(bounds=(0, 10))  # $ per car
m.drivers = d = dlmp.LowerLevel()
d.bridge = pyo.Var(bounds=(0, 10))  # thousand cars
d.tunnel = pyo.Var(bounds=(0, 10))
d.all = pyo.Constraint(expr=d.bridge + d.tunnel == 8)
# time in $: crowding makes the bridge slower, the tunnel is a detour
d.time = pyo.Objective(expr=(1 + m.toll) * d.bridge + 0.25 * d.bridge**2 + 4 * d.tunnel + 0.05 * d.tunnel**2)
m.revenue = pyo.Objective(expr=m.toll * d.bridge, sense=pyo.maximize)
result = dlmp.solve_bilevel(m, gap=1e-3)
print(result)
print(f"toll {m.toll.value:.3f}, bridge {d.bridge.value:.3f}, tunnel {d.tunnel.value:.3f} thousand cars")

# %% [markdown]
# By hand: on the inside, the drivers balance (1 + toll) + 0.5 b = 4 + 0.1 (8 - b), so toll = 3.8 - 0.6 b and the revenue is (3.8 - 0.6 b) b, best at
# b = 3.8 / 1.2. What would brute force say?

# %%
best = max(toll * b for toll in [k / 1000 for k in range(10001)] for b in [min(8, max(0, (3.8 - toll) / 0.6))])
b = 3.8 / 1.2
print(f"by hand {b * (3.8 - 0.6 * b):.4f}, grid {best:.4f}, bilevel {result.objective:.4f}")

# %%
assert abs(result.objective - best) < 1e-2 and abs(d.bridge.value - b) < 0.1
assert result.audit.passed
