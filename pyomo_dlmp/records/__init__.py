"""Results that are kept: saved to one file and read back, and compared with others."""

from pyomo_dlmp.records.comparison import Comparison, compare_results
from pyomo_dlmp.records.saved import load_results, load_saved_network, save_results

__all__ = ["Comparison", "compare_results", "load_results", "load_saved_network", "save_results"]
