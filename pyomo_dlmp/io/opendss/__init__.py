"""OpenDSS files to networks and back, through the OpenDSS engine (extra ``opendss``)."""

from pyomo_dlmp.io.opendss.reader import read_opendss
from pyomo_dlmp.io.opendss.write import write_opendss

__all__ = ["read_opendss", "write_opendss"]
