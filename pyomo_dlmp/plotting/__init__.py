"""Pictures and the HTML report of a results folder. Reads tables only, never a model.

``write_report(folder)`` writes ``folder/report.html``. Each picture is also a function of tidy
tables that returns a `matplotlib.figure.Figure`; none touches pyplot.
"""

from .dispatch import datacenter_power, feeder_import, svg_output
from .oneline import feeder_key, price_map, unbalance_map
from .prices import price_by_hour, price_difference, price_heat_map
from .profiles import voltage_by_hour, voltage_profile
from .reading import Results, ResultsFileError, read_results
from .report import report_html, write_report
from .unbalance import unbalance_by_bus

__all__ = [
    "Results",
    "ResultsFileError",
    "datacenter_power",
    "feeder_import",
    "feeder_key",
    "price_by_hour",
    "price_difference",
    "price_heat_map",
    "price_map",
    "read_results",
    "report_html",
    "svg_output",
    "unbalance_by_bus",
    "unbalance_map",
    "voltage_by_hour",
    "voltage_profile",
    "write_report",
]
