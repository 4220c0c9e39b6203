"""AC truth: the OpenDSS engine's power flow of a network and a dispatch (extra ``opendss``)."""

from pyomo_dlmp.validation.power_flow import AcPowerFlow, ac_power_flow

__all__ = ["AcPowerFlow", "ac_power_flow"]
