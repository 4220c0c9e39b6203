"""Searches of a single level: first points, branch and bound, decomposition, checkpoints."""

from pyomo_dlmp.search.checkpoint import load_checkpoint

__all__ = ["load_checkpoint"]
