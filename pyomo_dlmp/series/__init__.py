"""A market along a table of data: years of hours, days of days, rolling horizons."""

from pyomo_dlmp.series.answers import SeriesResult
from pyomo_dlmp.series.columns import DATA
from pyomo_dlmp.series.run import check_series, solve_series
from pyomo_dlmp.series.table import Table, read_table

__all__ = ["DATA", "SeriesResult", "Table", "check_series", "read_table", "solve_series"]
