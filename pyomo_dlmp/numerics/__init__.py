"""Arrays only: programs, solvers' wrappers, elimination, boxes, polytopes. No Pyomo, no power."""
