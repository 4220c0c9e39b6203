"""AC reference solution: OpenDSS power flow of a network and a dispatch (extra ``opendss``)."""

from pyomo_dlmp.power_flow import AcPowerFlow, ac_power_flow
from pyomo_dlmp.validation.corrected import CorrectedOpf, solve_corrected_opf
from pyomo_dlmp.validation.feeder import validate_feeder
from pyomo_dlmp.validation.report import AcReport, ac_report

__all__ = ["AcPowerFlow", "AcReport", "CorrectedOpf", "ac_power_flow", "ac_report",
           "solve_corrected_opf", "validate_feeder"]
