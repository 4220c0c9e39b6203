"""What the audit found: one lower level, and a whole model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolution, Residual
from pyomo_dlmp.tolerances import AUDITED_ROW, COST_GAP, KKT_RESIDUAL, RECOMPUTED


@dataclass(repr=False)
class LowerAudit:
    """One lower level at the audited point.

    Attributes
    ----------
    name
        Of the LowerLevel.
    solution
        The independent re-solve at the point's upper decisions.
    cost_gap
        (cost of the point - optimal cost) / max(1, |optimal cost|).
    complementarity
        Greatest slack x multiplier of the point, relative to max(1, |optimal cost|).
    residual
        Of the full KKT system.
    at_bound
        Pairs whose multiplier (slack) has reached the bound that the search assumed.
    price_range
        {row number: (least, greatest)} of duals that are not unique, in the user's sign and in
        lower cost per unit of the row.
    kkt
        The compiled lower level.
    ranges_known
        Whether all of `price_range` was computed (within the time for it).
    unique_answer
        Whether the point and the re-solve are the same solution.
    broken
        [(row or bound, violation relative to 1 + |limit|)] of those that the point violates.
    """

    name: str
    solution: LowerSolution
    cost_gap: float
    complementarity: float
    residual: Residual
    at_bound: list[str] = field(default_factory=list)
    price_range: dict[int, tuple[float, float]] = field(default_factory=dict)
    kkt: KktSystem | None = None  # None once it was released
    ranges_known: bool = True
    unique_answer: bool = True
    broken: list[tuple[str, float]] = field(default_factory=list)
    _named: dict[str, tuple[float, float]] | None = None

    def release(self) -> None:
        """Let go of the compiled lower level, and so of its model; what was found stays."""
        self._named = self.price_ranges()
        self.kkt = None
        self.solution.kkt = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        loose = f", {len(self.price_range)} prices not unique" if self.price_range else ""
        return f"<LowerAudit {self.name}, cost gap {self.cost_gap:.2g}{loose}>"

    def price_ranges(self) -> dict[str, tuple[float, float]]:
        """Ranges of the duals that are not unique, by the name of their row.

        Returns
        -------
        dict
            {name of the row: (least, greatest)}, as `price_range`.
        """
        if self._named is not None:
            return self._named
        assert self.kkt is not None
        return {self.kkt.form.rows[row].name: ends for row, ends in self.price_range.items()}


@dataclass(repr=False)
class Audit:
    """Result of the checks of a bilevel point; `passed` is True where all of them hold.

    Attributes
    ----------
    lowers
        One `LowerAudit` for each LowerLevel.
    objective
        Upper objective as the search reported it, None where nothing was reported.
    recomputed
        Upper objective evaluated at the values on the Vars, the duals of the re-solved lower
        levels included.
    as_found
        Upper objective evaluated at the answers and duals of the search itself, before a better
        answer of a lower level was loaded; None: as `recomputed`.
    beyond_bound
        How far `recomputed` is better than the bound that the search claims, relative to
        max(1, |bound|): more than rounding refutes the bound.
    broken
        [(upper row, violation relative to 1 + |limit|)] of upper rows that do not hold.
    outside
        [(upper Var, distance relative to 1 + |bound|)] of upper Vars beyond their bounds.
    fractional
        [(upper Var, distance)] of integer upper Vars away from whole numbers.
    stale_duals
        [(dual Var, difference)] of `dual_of` Vars whose value is not a dual of their row at the
        point, relative to 1 + the greatest dual.
    optimistic, pessimistic
        Best and worst upper objective over the lower levels' optimal solutions and duals at these
        upper decisions; None: not known.
    notes
        What was not computed, and why.
    """

    lowers: list[LowerAudit]
    objective: float | None = None
    recomputed: float | None = None
    as_found: float | None = None
    beyond_bound: float = 0.0
    broken: list[tuple[str, float]] = field(default_factory=list)
    outside: list[tuple[str, float]] = field(default_factory=list)
    fractional: list[tuple[str, float]] = field(default_factory=list)
    stale_duals: list[tuple[str, float]] = field(default_factory=list)
    optimistic: float | None = None
    pessimistic: float | None = None
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        said = "passed" if self.passed else f"failed: {self.failures()}"
        return f"<Audit {said}; objective {self.recomputed:g}>"

    @property
    def passed(self) -> bool:
        """Whether every row of `table()` holds."""
        return bool(self.table()["passed"].all())

    def table(self) -> pd.DataFrame:
        """One row for each check, worst over the lower levels.

        Returns
        -------
        pandas.DataFrame
            Columns check, value, limit, unit, passed.
        """
        rows = [
            ("cost gap", max((abs(a.cost_gap) for a in self.lowers), default=0.0), COST_GAP),
            ("complementarity", max((a.complementarity for a in self.lowers), default=0.0),
             COST_GAP),
            ("KKT residual", max((a.residual.relative for a in self.lowers), default=0.0),
             KKT_RESIDUAL)]
        table = [(check, value, limit, "relative", value <= limit) for check, value, limit in rows]
        held = sum(len(a.at_bound) for a in self.lowers)
        table.append(("multipliers at their bound", held, 0, "count", held == 0))
        at_hand = self.recomputed if self.as_found is None else self.as_found
        if at_hand is not None and self.objective is not None:
            error = abs(at_hand - self.objective) / max(1.0, abs(self.objective))
            table.append(("objective against prices x quantities", error, RECOMPUTED, "relative",
                          error <= RECOMPUTED))
        table.append(("objective beyond its bound", self.beyond_bound, RECOMPUTED, "relative",
                      self.beyond_bound <= RECOMPUTED))
        table += [self._worst("upper rows broken", self.broken, AUDITED_ROW, "relative"),
                  self._worst("upper Vars beyond their bounds", self.outside, AUDITED_ROW,
                              "relative"),
                  self._worst("integer Vars off whole numbers", self.fractional, AUDITED_ROW, "1"),
                  self._worst("dual Vars against duals", self.stale_duals, KKT_RESIDUAL,
                              "relative")]
        loose = sum(len(a.price_range) for a in self.lowers)
        table.append(("prices that are not unique", loose, np.inf, "count", True))
        for name, value in (("optimistic", self.optimistic), ("pessimistic", self.pessimistic)):
            if value is not None:
                table.append((f"upper objective, {name}", value, np.nan, "upper cost", True))
        return pd.DataFrame(table, columns=["check", "value", "limit", "unit", "passed"])

    def failures(self) -> str:
        """The checks that do not hold, with the element that fails each; empty where all hold."""
        found = []
        lower_rows = [item for a in self.lowers for item in a.broken]
        named = {"cost gap": lower_rows, "complementarity": lower_rows, "KKT residual": lower_rows,
                 "multipliers at their bound": [(n, 0.0) for a in self.lowers for n in a.at_bound],
                 "upper rows broken": self.broken,
                 "upper Vars beyond their bounds": self.outside,
                 "integer Vars off whole numbers": self.fractional,
                 "dual Vars against duals": self.stale_duals}
        for row in self.table().query("not passed").itertuples():
            names = [name for name, _ in named.get(str(row.check), [])]
            at = f" at {names[0]}" if names else ""
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            found.append(f"{row.check} {row.value:.3g} (limit {row.limit:g}){at}{more}")
        return "; ".join(found)

    @staticmethod
    def _worst(check: str, found: list[tuple[str, float]], limit: float, unit: str):
        value = max((v for _, v in found), default=0.0)
        return check, value, limit, unit, value <= limit
