"""Files to networks and back: our table format and the shipped feeders."""

from pyomo_dlmp.io.feeders import list_feeders, load_feeder
from pyomo_dlmp.io.tables import read_tables, write_tables

__all__ = ["list_feeders", "load_feeder", "read_tables", "write_tables"]
