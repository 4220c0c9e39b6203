"""Options of `build_opf` and their defaults, checked before a model is begun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from pyomo_dlmp.errors import Fault, ModelError, nearest, shown
from pyomo_dlmp.network import Network, OperatingPoint
from pyomo_dlmp.network.series import items_of
from pyomo_dlmp.opf.load_scale import LoadScale
from pyomo_dlmp.opf.option_checks import OptionFinding, option_findings
from pyomo_dlmp.opf.unbalance import Unbalance


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
        Multiplier of the loads: a number, one per period, a mapping by load to either (``"*"``: all
        others; by a generator: of its `kw_max`), or each load's own profile.
    form : "lindist" or "ac"
        Linear flows at nominal voltage, or the AC equations, linear at the `operating_point`: exact
        there in values and slopes.
    losses : "quadratic" or None
        Of the linear form: in the objective at the substation price, or left out. Those of the AC
        form are exact.
    voltage_limits : "soft", "hard" or None
        Of the line-to-neutral magnitude, within `v_min` .. `v_max` (pu); soft at `penalty` ($ per
        pu^2 of squared voltage and hour).
    voltage_legs : "phase", "line" or "both"
        Of the AC form, what `v_min` .. `v_max` and a bus's own limits are on: magnitudes of phases
        (to the neutral, if it is not at ground), between each two phases (pu of that nominal
        voltage; where a bus has one phase, that), or both.
    neutral_v_max : float or None
        Of the AC form: greatest voltage to ground (pu of the nominal phase voltage) of neutrals
        that are not solidly grounded, inside a polygon of `thermal_sides`.
    neutral_penalty : float or None
        Of that limit ($ per pu beyond it and hour); None: hard.
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
        Where ``form="ac"`` is linear, such as ``ac_power_flow(network, ...).point``.
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
    form: str = "lindist"
    losses: str | None = "quadratic"
    voltage_limits: str | None = "soft"
    v_min: float = 0.95
    v_max: float = 1.05
    penalty: float = 2000.0
    voltage_legs: str = "phase"
    neutral_v_max: float | None = None
    neutral_penalty: float | None = 2000.0
    thermal_sides: int = 12
    thermal_penalty: float | None = 2000.0
    angles: bool = True
    datacenter_kw: Mapping[str, float | Sequence[float]] | None = None
    operating_point: OperatingPoint | None = field(default=None, repr=False)
    unbalance: Unbalance | None = None
    price_takers: Iterable[str] = ()

    @classmethod
    def of(cls, given: Mapping, network: Network | None = None) -> OpfOptions:
        """Options from keywords.

        Parameters
        ----------
        given : mapping
            Keywords and values.
        network : Network, optional
            Whose loads, datacenters and buses the options name; None: names are not judged.

        Returns
        -------
        OpfOptions

        Raises
        ------
        ModelError
            If keywords are unknown, or values are not allowed; it lists all of these.
        """
        known = {entry.name: entry.default for entry in fields(cls)}
        faults = [Fault(f"build_opf, {key}" if isinstance(key, str) else "build_opf",
                        "is not an option" if isinstance(key, str) else
                        f"has the option {shown(key)}", nearest(key, known))
                  for key in given if key not in known]
        kept = {key: _own(key, value) for key, value in given.items() if key in known}
        found = option_findings({**known, **kept}, network)
        faults += [_fault(finding) for finding in found]
        if faults:
            raise ModelError(faults)
        return cls(**kept)

    def __post_init__(self) -> None:
        for entry in fields(self):
            object.__setattr__(self, entry.name, _own(entry.name, getattr(self, entry.name)))
        found = option_findings({entry.name: getattr(self, entry.name) for entry in fields(self)})
        if found:
            raise ModelError([_fault(finding) for finding in found])


def _fault(finding: OptionFinding) -> Fault:
    return Fault(f"build_opf, {finding.key}", finding.what, finding.cure)


def _own(key: str, value: Any) -> Any:
    """A value that can be read more than once, and that the caller does not change later."""
    if key == "datacenter_kw" and isinstance(value, Mapping):
        return {name: _own("price", numbers) for name, numbers in value.items()}
    if key == "load_scale" and isinstance(value, Mapping):
        return {name: _own("price", numbers) for name, numbers in value.items()}
    if key not in ("periods", "price", "load_scale", "price_takers"):
        return value
    items = items_of(value)
    return value if items is None else tuple(items)
