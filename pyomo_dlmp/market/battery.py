"""Batteries of a datacenter as plain data: of its power supply, and of its racks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ups:
    """The battery of a site's uninterruptible power supply.

    Parameters
    ----------
    site : str
        Name of the datacenter.
    kw : float
        Greatest power of charging and of discharging (kW).
    kwh : float
        Capacity (kWh).
    kwh_min : float
        Reserve that always remains (kWh).
    kwh_start : float or None
        Stored at first, and at least at last (kWh); None: full.
    kwh_end : float or None
        Stored at least at last (kWh), where that is another amount than at first.
    efficiency : float
        Of charging and of discharging, a share.
    """

    site: str
    kw: float
    kwh: float
    kwh_min: float = 0.0
    kwh_start: float | None = None
    efficiency: float = 0.95
    kwh_end: float | None = None

    @property
    def start(self) -> float:
        """Energy stored at first (kWh)."""
        return self.kwh if self.kwh_start is None else self.kwh_start

    @property
    def end(self) -> float:
        """Energy stored at least at last (kWh)."""
        return self.start if self.kwh_end is None else self.kwh_end


@dataclass(frozen=True, kw_only=True)
class Smoothing(Ups):
    """Rack batteries or power supplies with storage, which smooth what the racks draw.

    Training that runs in step on all GPUs falls and rises within seconds (`Training.swing`). Of
    each such step the battery takes what its power leaves beside what it charges and discharges;
    the rest shows at the meter, and is at most `step_kw`:

        sum over training (swing x power) - (kw - charge - discharge)  <=  step_kw

    The energy of a step (seconds) is small beside an hour's and is not counted.

    Parameters
    ----------
    site, kw, kwh, kwh_min, kwh_start, efficiency, kwh_end
        As of `Ups`.
    step_kw : float or None
        Greatest step within a period at the meter (kW); None: free.
    ramp_kw : float or None
        Greatest change of the battery's power from one period to the next (kW); None: free.
    """

    step_kw: float | None = None
    ramp_kw: float | None = None
