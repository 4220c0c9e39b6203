"""What a feeder lets an applicant draw, what that does, and what it costs."""

from pyomo_dlmp.connection.answer import Flexible
from pyomo_dlmp.connection.hosting import HostingMap, applicants, hosting_map
from pyomo_dlmp.connection.prices import PriceImpact, price_impact
from pyomo_dlmp.connection.result import ConnectionStudy
from pyomo_dlmp.connection.study import connection_study

__all__ = ["ConnectionStudy", "Flexible", "HostingMap", "PriceImpact", "applicants",
           "connection_study", "hosting_map", "price_impact"]
