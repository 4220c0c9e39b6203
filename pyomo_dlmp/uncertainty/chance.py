"""A chance limit on AC voltage: it may be broken in at most a share of the scenarios.

The count is soft: the DSO's problem is convex in each scenario and its prices are duals of it, so
which scenarios break a limit is no decision of it. A decision is found in the linear form, each
scenario is checked in AC (`ac_check.check_ac`), and where too many break a limit the linear limits
are drawn together by what the allowed share leaves over, and the problem is solved again. What is
returned keeps the chance limit in AC on these scenarios, by their count; that it costs the least of
all such decisions is not proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, ModelError
from pyomo_dlmp.market import Market
from pyomo_dlmp.market.ac_checks import BEYOND
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.opf import OpfOptions
from pyomo_dlmp.tolerances import ROUNDING
from pyomo_dlmp.uncertainty.ac_check import check_ac
from pyomo_dlmp.uncertainty.result import StochasticResult
from pyomo_dlmp.uncertainty.scenarios import Scenarios
from pyomo_dlmp.uncertainty.solve import solve_stochastic

ROUNDS = ["round", "v_min", "v_max", "objective", "bound", "share", "shortfall"]
_SHARE, _COUNT = Range(0, 1), Range(1, unit="round")
_ROUNDS = 4


@dataclass(repr=False)
class ChanceResult:
    """A decision under a chance limit.

    Attributes
    ----------
    result : StochasticResult
        The cheapest decision that keeps the chance limit; where none was found, the one that comes
        nearest.
    kept : bool
        Whether it keeps it.
    share : float
        Probability of the scenarios in which it breaks a voltage limit in AC.
    scenarios : DataFrame
        As of `AcCheck.table`, with shortfall (pu beyond a limit, the worst voltage of the
        scenario; below 0: room) and broken.
    rounds : DataFrame
        Columns `ROUNDS`: the limits of the linear form (pu), objective and its bound at these ($),
        the share and the shortfall (pu) that the allowed share leaves over.
    """

    result: StochasticResult
    kept: bool
    share: float
    scenarios: pd.DataFrame
    rounds: pd.DataFrame

    def __repr__(self) -> str:
        return (f"<ChanceResult {'kept' if self.kept else 'NOT kept'}: voltage limits are broken "
                f"in {100 * self.share:.4g} % of the scenarios, objective "
                f"{self.result.objective:.6g} $, {len(self.rounds)} rounds>")


def voltage_chance(result: StochasticResult, market: Market | None = None,
                   engine: bool = False) -> pd.DataFrame:
    """Which scenarios of a decision break a voltage limit in AC.

    Parameters
    ----------
    result : StochasticResult
        With a decision.
    market : Market, optional
        Whose limits are meant, and kept by its DSO as far as they can be; None: that of the
        decision.
    engine : bool
        Whether the OpenDSS engine confirms each power flow.

    Returns
    -------
    DataFrame
        As `ChanceResult.scenarios`. A scenario without an answer in AC is broken, and its shortfall
        infinite.
    """
    decided = result.decided
    own = decided.market if market is None else market
    table = check_ac(SimpleNamespace(decided=replace(decided, market=own)), engine=engine).table
    low, high = _limits(own)
    room = np.minimum(np.maximum(low - table["v_min"], table["v_max"] - high), 0.0)
    there = table["v_min"].notna()
    table["broken"] = ~there | (table["limits_broken"] > 0)
    table["shortfall"] = np.where(there, np.where(table["broken"], table["beyond_pu"], room),
                                  np.inf)
    return table


def solve_chance(market: Market, scenarios: Scenarios, *, share: float = 0.05,
                 max_rounds: int = _ROUNDS, engine: bool = False,
                 progress: Callable[[str, float, float], None] | None = None,
                 **options: Any) -> ChanceResult:
    """Decide so that voltage limits are broken in AC in at most a share of the scenarios.

    Parameters
    ----------
    market, scenarios
        As of `solve_stochastic`; its `v_min` and `v_max` are the limits in AC.
    share : float
        Greatest probability of scenarios in which a voltage limit is broken.
    max_rounds : int
        Most problems that are solved.
    engine : bool
        As of `voltage_chance`.
    progress : callable, optional
        As of `solve_stochastic`.
    **options
        Further keywords of `solve_stochastic`.

    Returns
    -------
    ChanceResult

    Raises
    ------
    ModelError
        As of `solve_stochastic`; the share is not one, or there is no decision at all.
    """
    faults = [Fault(f"solve_chance, {word}", *finding) for word, finding in (
        ("share", _SHARE.finding(share)),
        ("max_rounds", _COUNT.finding(max_rounds, whole=True))) if finding]
    if faults:
        raise ModelError(faults)
    low, high = limits = _limits(market)
    rows, best = [], None
    for number in range(1, max_rounds + 1):
        tight = replace(market, opf={**market.opf, "v_min": low, "v_max": high})
        result = solve_stochastic(tight, scenarios, progress=progress, **options)
        if result.problem is None:
            break
        table = voltage_chance(result, market, engine)
        broken = float(table.loc[table["broken"], "probability"].sum())
        left = _left_over(table, share)
        rows.append((number, low, high, result.objective, result.bound, broken, left))
        found = ChanceResult(result, broken <= share + ROUNDING, broken, table, pd.DataFrame())
        if best is None or (found.kept, -found.share) > (best.kept, -best.share):
            best = found
        stuck = len(rows) > 1 and left >= rows[-2][-1] - BEYOND
        if found.kept or stuck or not np.isfinite(left):
            break
        rest = table[table["shortfall"] <= left]  # what has to keep its limits
        above = (rest["v_max"] > limits[1] + BEYOND).any()
        below = (rest["v_min"] < limits[0] - BEYOND).any()
        low, high = low + left * (below or not above), high - left * above
        if low >= high:
            break
    if best is None:
        raise ModelError.at("solve_chance", f"found no decision ({result.status})",
                            "Give a longer time limit.")
    best.rounds = pd.DataFrame(rows, columns=ROUNDS)
    return best


def _limits(market: Market) -> tuple[float, float]:
    """Voltage limits of a market (pu)."""
    given = OpfOptions.of({key: x for key, x in market.opf.items() if key in ("v_min", "v_max")},
                          None)
    return float(given.v_min), float(given.v_max)


def _left_over(table: pd.DataFrame, share: float) -> float:
    """The worst shortfall (pu) of the scenarios that are left when the worst ones, as many as the
    share allows, are left out.
    """
    used = 0.0
    worst = table.sort_values("shortfall", ascending=False)
    for probability, shortfall in worst[["probability", "shortfall"]].to_numpy(float):
        used += probability
        if used > share + ROUNDING:
            return float(shortfall)
    return -np.inf
