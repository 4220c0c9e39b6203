"""What is flagged in tables: prices that a penalty makes, and prices of anarchy below 1.

Readers of tables need it, so it loads no model and no solver.
"""

from __future__ import annotations

import pandas as pd

from pyomo_dlmp.opf.flagged import CURE, LARGE_SHARE, penalty_share
from pyomo_dlmp.tolerances import SAME_OBJECTIVE

__all__ = ["CURE", "LARGE_SHARE", "below_one", "penalty_share"]


def below_one(markets: pd.DataFrame) -> str:
    """What there is to say of prices of anarchy below 1, in a sentence; "" where there are none.

    Parameters
    ----------
    markets : DataFrame
        A `markets_table`.

    Returns
    -------
    str
    """
    rows = markets[markets["quantity"] == "price_of_anarchy"]
    rows = rows[rows["value"].astype(float) < 1.0 - SAME_OBJECTIVE]
    if not len(rows):
        return ""
    worst = rows.iloc[int(rows["value"].astype(float).argmin())]
    return (f"A price of anarchy is below 1 ({float(worst['value']):.6g}, {worst['market']!r}, "
            f"loading {worst['loading']:g}): no market costs less than the optimum, so the "
            "cooperative market's answer is a local optimum (AC), within its gap, or of limits "
            "that the other one does not keep; it is no measure of what coordination is worth.")
