"""The feeder without its datacenters: what the others see of prices and voltages before them."""

from __future__ import annotations

from pyomo_dlmp.market.ac_market import ac_of, said
from pyomo_dlmp.market.ac_optima import cleared
from pyomo_dlmp.market.data import Market, MarketResult
from pyomo_dlmp.market.dso import dso_of
from pyomo_dlmp.status import Status


def clear_alone(market: Market) -> MarketResult:
    """The DSO's problem of a market whose network has no datacenters.

    Parameters
    ----------
    market : Market
        Its workload, owners and takers are not read.

    Returns
    -------
    MarketResult
        In which nothing is paid.

    Raises
    ------
    ModelError, SolverError
        As of `build_opf` and `solve_opf`.
    """
    dso = dso_of(market)
    answer = cleared(dso, market.ac_starts)
    nothing = float("nan")
    return MarketResult("uncoordinated", dso.model, nothing, Status.OPTIMAL, said("", dso),
                        model=dso.model, residual=answer.residual.relative, form=answer.kkt.form,
                        ac=ac_of(dso, nothing))
