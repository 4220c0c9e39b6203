"""Pictures and the HTML report of a results folder. Reads tables only, never a model.

``write_report(folder)`` writes ``folder/report.html``. Each picture is also a function of tidy
tables that returns a `matplotlib.figure.Figure`; none touches pyplot.
"""

from pyomo_dlmp.report.figures.certificate import certificate_curves
from pyomo_dlmp.report.figures.compare import market_bars, sweep
from pyomo_dlmp.report.figures.dispatch import datacenter_power, feeder_import, svg_output
from pyomo_dlmp.report.figures.duration import duration_curves
from pyomo_dlmp.report.figures.emissions import emission_heat_map
from pyomo_dlmp.report.figures.loading import unbalance_by_hour
from pyomo_dlmp.report.figures.oneline import feeder_key, price_map, unbalance_map
from pyomo_dlmp.report.figures.parts import parts_by_hour, parts_by_phase
from pyomo_dlmp.report.figures.prices import price_by_hour, price_difference, price_heat_map
from pyomo_dlmp.report.figures.profiles import voltage_by_hour, voltage_profile
from pyomo_dlmp.report.figures.regimes import regime_map
from pyomo_dlmp.report.figures.unbalance import unbalance_by_bus
from pyomo_dlmp.report.reading import Results, ResultsFileError, read_results
from pyomo_dlmp.report.writing import report_html, write_pictures, write_report

__all__ = [
    "Results",
    "ResultsFileError",
    "certificate_curves",
    "datacenter_power",
    "duration_curves",
    "emission_heat_map",
    "feeder_import",
    "feeder_key",
    "market_bars",
    "parts_by_hour",
    "parts_by_phase",
    "price_by_hour",
    "price_difference",
    "price_heat_map",
    "price_map",
    "read_results",
    "regime_map",
    "report_html",
    "svg_output",
    "sweep",
    "unbalance_by_bus",
    "unbalance_by_hour",
    "unbalance_map",
    "voltage_by_hour",
    "voltage_profile",
    "write_pictures",
    "write_report",
]
