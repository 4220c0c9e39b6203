"""AC three-phase power flow of a network and any dispatch, in the OpenDSS engine."""

from pyomo_dlmp.power_flow.engine_flow import AcPowerFlow, ac_power_flow

__all__ = ["AcPowerFlow", "ac_power_flow"]
