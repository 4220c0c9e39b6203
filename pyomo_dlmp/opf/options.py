"""Options of `build_opf` and their defaults, checked before a model is begun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from pyomo_dlmp.errors import ModelError, nearest
from pyomo_dlmp.network import OperatingPoint
from pyomo_dlmp.network.series import is_number
from pyomo_dlmp.opf.load_scale import LoadScale
from pyomo_dlmp.opf.unbalance import Unbalance

LOSSES = ("quadratic", "corrected", None)
VOLTAGE_LIMITS = ("soft", "hard", None)


@dataclass(frozen=True, kw_only=True)
class OpfOptions:
    """Options of an OPF.

    Parameters
    ----------
    periods : int or sequence
        Number of periods, or their labels.
    hours : float
        Length of a period (h).
    price : float or sequence of float
        Of energy at the substation ($/MWh), one number or one per period.
    load_scale : float, sequence, mapping or "profiles"
        Multiplier of the loads: a number, one per period, a mapping by load to either, or each
        load's own profile.
    losses : "quadratic", "corrected" or None
        In the objective at the substation price; the same with all rows fitted to the AC
        `operating_point`, where they are then exact; or left out.
    voltage_limits : "soft", "hard" or None
        Of the line-to-neutral magnitude, within `v_min` .. `v_max` (pu); soft at `penalty` ($ per
        pu^2 of squared voltage and hour).
    thermal_sides : int
        Sides of the polygons of rated branches.
    thermal_penalty : float or None
        Of rated branches, front ends and total SVG ratings that the DSO runs ($ per MVA and hour);
        None: hard.
    angles : bool
        Whether buses carry voltage angles.
    datacenter_kw : mapping or None
        Power (kW) of a datacenter by name, a number or one per period, where no upper level
        decides it; capacity for those not named.
    operating_point : OperatingPoint or None
        Goes with ``losses="corrected"``.
    unbalance : Unbalance or None
        Limits or a penalty on voltage unbalance.
    price_takers : iterable of str
        Datacenters that stay free, since their aggregator is part of the same problem.

    Raises
    ------
    ModelError
        If an option has a value that is not allowed.
    """

    periods: int | Sequence = 1
    hours: float = 1.0
    price: float | Sequence[float] = 50.0
    load_scale: LoadScale = 1.0
    losses: str | None = "quadratic"
    voltage_limits: str | None = "soft"
    v_min: float = 0.95
    v_max: float = 1.05
    penalty: float = 2000.0
    thermal_sides: int = 12
    thermal_penalty: float | None = 2000.0
    angles: bool = True
    datacenter_kw: Mapping[str, float | Sequence[float]] | None = None
    operating_point: OperatingPoint | None = field(default=None, repr=False)
    unbalance: Unbalance | None = None
    price_takers: Iterable[str] = ()

    @classmethod
    def of(cls, given: Mapping) -> OpfOptions:
        """Options from keywords.

        Parameters
        ----------
        given : mapping
            Keywords and values.

        Returns
        -------
        OpfOptions

        Raises
        ------
        ModelError
            If a keyword is unknown, or a value is not allowed.
        """
        known = {entry.name for entry in fields(cls)}
        for key in given:
            if key not in known:
                raise ModelError.at(f"build_opf, {key}", "is not an option", nearest(key, known))
        return cls(**given)

    def __post_init__(self) -> None:
        if self.losses not in LOSSES:
            raise ModelError.at("losses", f"is {self.losses!r}",
                                "Use 'quadratic', 'corrected' or None.")
        if (self.losses == "corrected") != (self.operating_point is not None):
            raise ModelError.at(
                "operating_point", "goes with losses='corrected'",
                "Give ac_power_flow(network, ...).point, or let solve_corrected_opf do it.")
        if self.voltage_limits not in VOLTAGE_LIMITS:
            raise ModelError.at("voltage_limits", f"is {self.voltage_limits!r}",
                                "Use 'soft', 'hard' or None.")
        if self.voltage_limits == "soft" and not (is_number(self.penalty) and self.penalty > 0):
            raise ModelError.at("penalty", f"is {self.penalty!r}",
                                "A soft limit costs more than 0.")
