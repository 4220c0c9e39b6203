"""Files to networks and back: our table format, the shipped feeders, OpenDSS."""

from pyomo_dlmp.io.feeders import find_feeder, list_feeders, load_feeder
from pyomo_dlmp.io.tables import read_tables, write_tables
from pyomo_dlmp.opendss import read_opendss, write_opendss

__all__ = ["find_feeder", "list_feeders", "load_feeder", "read_opendss", "read_tables",
           "write_opendss", "write_tables"]
