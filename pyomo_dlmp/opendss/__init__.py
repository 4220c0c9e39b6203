"""OpenDSS files to networks and back, through the OpenDSS engine."""

from pyomo_dlmp.opendss.reading.reader import read_opendss
from pyomo_dlmp.opendss.writing.write import write_opendss

__all__ = ["read_opendss", "write_opendss"]
