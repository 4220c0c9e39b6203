"""`solve_ac_opf`: the OPF in the AC form, solved again at its own AC power flow."""
