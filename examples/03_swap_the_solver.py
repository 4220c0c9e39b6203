# %% [markdown]
# # 03 Swap the solver
#
# The transformation turns a bilevel model into one that a MILP or MIQP solver can solve. Which solvers are installed, and what each can do, is
# established by solving tiny models with known answers.

# %%
import pyomo.environ as pyo

import pyomo_dlmp as dlmp

table = dlmp.solver_table()
table[table["installed"] == "yes"][["solver", "modes", "auto"]]

# %% [markdown]
# A small market: a leader sells up to 8 units at the dual of a follower's balance. The same model goes to every installed solver.

# %%
def model():
    m = pyo.ConcreteModel()
    m.sold = pyo.Var(bounds=(0, 8))
    m.market = dlmp.LowerLevel()
    m.market.g = pyo.Var(bounds=(0, 10))
    m.market.balance = pyo.Constraint(expr=m.market.g + m.sold == 10)
    m.market.cost = pyo.Objective(expr=2 * m.market.g + 0.5 * m.market.g**2)
    price = m.market.dual_of(m.market.balance)
    m.profit = pyo.Objective(expr=price * m.sold, sense=pyo.maximize)
    return m


answers = {}
for name in table[table["installed"] == "yes"]["solver"]:
    m = model()
    try:
        result = dlmp.solve_bilevel(m, solver=name)
    except dlmp.DlmpError as error:
        print(f"{name:8} refuses: {str(error)[:100]}")
        continue
    answers[name] = result.objective
    print(f"{name:8} {result.status:16} profit {result.objective:.4f}, sells {m.sold.value:.3f} at {m.market.dual[m.market.balance]:.3f}")

# %% [markdown]
# By hand: the price is 2 + (10 - u), the profit (12 - u) u, best at u = 6: 36. And what did the transformation write? Any Pyomo model may be
# looked at, exported, or sent to a solver of your own.

# %%
m = model()
pyo.TransformationFactory("dlmp.single_level").apply_to(m)
m.dlmp_single_level.pprint()

# %%
assert abs(answers["highs"] - 36) < 0.05
assert all(abs(value - 36) < 0.05 for value in answers.values())
