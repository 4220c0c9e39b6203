"""Runs in distopf's own environment: read, build and solve one feeder; prints seconds as JSON."""

import json
import sys
import time


def main(path: str) -> None:
    clock = time.perf_counter
    start = clock()
    import distopf
    from distopf.pyomo_models import add_constraints
    from pyomo.environ import Objective, SolverFactory

    seconds = {"import": clock() - start}
    start = clock()
    case = distopf.create_case(path)
    seconds["read"] = clock() - start
    case.bus_data["v_min"], case.bus_data["v_max"] = 0.5, 1.5
    start = clock()
    model = case.to_pyomo_model()
    add_constraints(model)
    for objective in model.component_objects(Objective, active=True):
        objective.deactivate()
    model.bench_cost = Objective(expr=sum(
        model.p_flow[k] for k in model.p_flow if k[0] == min(j[0] for j in model.p_flow)))
    seconds["build"] = clock() - start
    start = clock()
    answer = SolverFactory("appsi_highs").solve(model, load_solutions=False)
    seconds["solve"] = clock() - start
    print(json.dumps({"version": distopf.__version__ if hasattr(distopf, "__version__") else "",
                      "status": str(answer.solver.termination_condition), **seconds}))


main(sys.argv[1])
