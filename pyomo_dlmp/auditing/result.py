"""What `solve_bilevel` returns."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyomo_dlmp.auditing.findings import Audit
from pyomo_dlmp.tolerances import ABSOLUTE_GAP


@dataclass
class BilevelResult:
    """What `solve_bilevel` returns; objective, bound in the upper objective's unit.

    Attributes
    ----------
    status
        One of `pyomo_dlmp.status.Status`.
    objective
        The user's upper objective at the loaded point, None without one.
    bound
        Proven bound of the bilevel optimum (below it when minimising), None where none is known.
    gap
        (objective - bound) / |objective|, at least 0; None where one of them is missing.
    solver
        Name of the solver.
    times
        Seconds by stage.
    size
        Rows, columns and binaries of the single level as written, of the program after
        elimination, and pairs before and after bounds.
    audit
        The checks of the loaded point, None without one.
    notes
        Sentences about restrictions, repeated attempts, what is not known.
    """

    status: str
    objective: float | None
    bound: float | None
    gap: float | None
    solver: str
    times: dict[str, float]
    size: dict[str, int]
    audit: Audit | None = None
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        """One line without seconds, so that it reads the same wherever it is printed."""
        objective, bound = (None if x is None else f"{x:.6g}" for x in (self.objective, self.bound))
        audit = "no audit" if self.audit is None else (
            "audit passed" if self.audit.passed else "audit FAILED")
        return (f"<BilevelResult {self.status}: objective {objective}, bound {bound}, "
                f"{audit}, on {self.solver}>")

    def __str__(self) -> str:
        value = "none" if self.objective is None else f"{self.objective:.6g}"
        gap = "unknown" if self.gap is None else f"{100 * self.gap:.3g} %"
        if self.bound is not None and self.objective is not None and (
                abs(self.objective - self.bound) <= 2 * ABSOLUTE_GAP):
            gap = f"below {2 * ABSOLUTE_GAP:g} absolute"
        return (f"{self.status}: objective {value}, bound {self.bound}, gap {gap}, "
                f"{sum(self.times.values()):.1f} s on {self.solver}")
