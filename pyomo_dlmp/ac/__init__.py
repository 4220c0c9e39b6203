"""The AC equations of a feeder as arrays (no Pyomo)."""
