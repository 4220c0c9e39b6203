"""AC reference solution: OpenDSS power flow of a network and a dispatch."""

from typing import Any, NoReturn

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.power_flow import AcPowerFlow, ac_power_flow
from pyomo_dlmp.validation.feeder import validate_feeder
from pyomo_dlmp.validation.report import AcReport, ac_report

__all__ = ["AcPowerFlow", "AcReport", "ac_power_flow", "ac_report", "validate_feeder"]


def _solve_corrected_opf(*_args: Any, **_options: Any) -> NoReturn:
    """What the removed `solve_corrected_opf` does now: say what to call."""
    raise ModelError.at(
        "solve_corrected_opf", "solved the corrected form, which is no more",
        "Call dlmp.solve_ac_opf(network, ...): its prices and voltages are those of AC.")


def __getattr__(name: str) -> Any:
    if name == "solve_corrected_opf":
        return _solve_corrected_opf
    if name == "CorrectedOpf":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: the corrected form "
                             "is no more. dlmp.solve_ac_opf gives a dlmp.ac_opf.AcOpf.")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
