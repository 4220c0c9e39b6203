"""Bounds of slacks and multipliers, proved; each with its provenance and certificate."""
