"""Products of duals and upper Vars: exact identity, binary expansion, McCormick, keep."""
