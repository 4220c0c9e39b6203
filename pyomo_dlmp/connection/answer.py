"""What a connection study answers, from the capacity of each hour."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import ModelError, shown
from pyomo_dlmp.network.series import is_number
from pyomo_dlmp.tolerances import ROUNDING

YEAR = 8760.0


@dataclass(frozen=True)
class Flexible:
    """A connection that is curtailed in some hours.

    Attributes
    ----------
    kw : float
        Contracted power (kW).
    hours : float
        In which it is curtailed (h).
    curtailed_kwh, share : float
        Energy that is not drawn; as a share of what it wants to draw.
    worst_kw : float
        Greatest curtailment of an hour (kW).
    cvar_kw : float
        Mean curtailment of the worst 5 % of the hours (kW), of which the last counts in part.
    gain : float
        Contracted power above the firm one, as a share of it.
    """

    kw: float
    hours: float
    curtailed_kwh: float
    share: float
    worst_kw: float
    cvar_kw: float
    gain: float

    def __str__(self) -> str:
        more = f" ({100 * self.gain:+.0f} % of firm)" if math.isfinite(self.gain) else ""
        return (f"{kw_words(self.kw)} kW{more}, curtailed in {self.hours:g} h, "
                f"{100 * self.share:.3g} % of its energy, at most {self.worst_kw:,.0f} kW, "
                "in the worst 5 % of the hours "
                f"{self.cvar_kw:,.1f} kW on average")


def kw_words(kw: float) -> str:
    """A power in whole kW and not above what it is; a small one with its digits."""
    return f"{math.floor(kw + ROUNDING * (1.0 + kw)):,}" if kw >= 1 or kw == 0 else f"{kw:.2g}"


_WORST = 0.05  # of the hours: those of `cvar_kw`


def flexible_hours(kw: np.ndarray, share: np.ndarray, curtailed: int, length: float) -> Flexible:
    """The greatest contract that is curtailed in no more than some hours.

    Parameters
    ----------
    kw, share : ndarray, shape (hours,)
        Capacity; share of the contract that is wanted.
    curtailed : int
        Hours (periods) in which it may be.
    length : float
        Of an hour (h).

    Returns
    -------
    Flexible
    """
    most = np.sort(contracts(kw, share))
    finite = most[np.isfinite(most)]
    at = float(finite[min(curtailed, len(finite) - 1)])
    return curtailment(kw, share, at, length)


def flexible_energy(kw: np.ndarray, share: np.ndarray, allowed: float,
                    length: float) -> Flexible:
    """The greatest contract of whose energy no more than a share is curtailed.

    The curtailed energy, sum of max(0, share_h x - kw_h), is piecewise linear in the contract x
    with corners at kw_h / share_h, and its share of x sum(share_h) grows with x.

    Parameters
    ----------
    kw, share, length
        As of `flexible_hours`.
    allowed : float
        Share of the energy that is wanted.

    Returns
    -------
    Flexible
    """
    limit = contracts(kw, share)
    order = np.argsort(limit, kind="stable")
    order = order[np.isfinite(limit[order])]
    corners, wanted = limit[order], np.cumsum(share[order])
    least, total = np.cumsum(kw[order]), share.sum()
    # above corner k the first k hours are curtailed: x (wanted_k - allowed total) = least_k
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.where(wanted > allowed * total, least / (wanted - allowed * total), np.inf)
    nexts = np.append(corners[1:], np.inf)
    inside = np.flatnonzero(x <= nexts)
    at = float(max(x[inside[0]], corners[inside[0]])) if len(inside) else float(corners[-1])
    return curtailment(kw, share, at, length)


def contracts(kw: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The contract at which each hour begins to be curtailed (kW); infinite where none is wanted.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(share > 0, kw / share, np.inf)


def curtailment(kw: np.ndarray, share: np.ndarray, contract: float, length: float) -> Flexible:
    """What a contract means.

    Parameters
    ----------
    kw, share, length
        As of `flexible_hours`.
    contract : float
        kW.

    Returns
    -------
    Flexible
    """
    wanted = share * contract
    missing = np.maximum(wanted - kw, 0.0)
    tail = _WORST * len(kw)  # hours, of which the last may count in part
    weights = np.clip(tail - np.arange(len(kw)), 0.0, 1.0)
    worst = float(weights @ np.sort(missing)[::-1]) / tail
    firm = float(contracts(kw, share).min())
    total = wanted.sum()
    return Flexible(
        contract, float((contracts(kw, share) < contract).sum()) * length,
        float(missing.sum()) * length, float(missing.sum() / total) if total else 0.0,
        float(missing.max()), worst,
        contract / firm - 1.0 if firm > 0 else math.inf)


def allowed_hours(per_year: float | None, hours: float | None, count: int, length: float) -> int:
    """Periods in which a contract may be curtailed.

    Parameters
    ----------
    per_year, hours : float or None
        Hours a year, or hours of those that are studied; one of them.
    count : int
        Periods that are studied.
    length : float
        Of each (h).

    Returns
    -------
    int

    Raises
    ------
    ModelError
        If it is not a number of at least 0.
    """
    key, given = ("hours_per_year", per_year) if per_year is not None else ("hours", hours)
    if given is None or not is_number(given) or not 0 <= given < math.inf:
        raise ModelError.at(f"flexible, {key}", f"is {shown(given)}",
                            "Give hours_per_year=22, hours=2 or energy_share=0.001.")
    share = 1.0 if per_year is None else min(1.0, count * length / YEAR)
    return math.floor(given * share / length + ROUNDING)


def hourly_table(kw: np.ndarray, contract: float, share: np.ndarray, limits: list) -> pd.DataFrame:
    """The operating envelope.

    Parameters
    ----------
    kw, share : ndarray, shape (hours,)
    contract : float
        Firm kW.
    limits : list
        The `Limit` that each hour meets first, or a word.

    Returns
    -------
    DataFrame
        Columns hour, kw, firm_kw (what the firm contract draws), what, element, phase.
    """
    words = [(x, "", "") if isinstance(x, str) else (x.what, x.element, x.phase) for x in limits]
    table = pd.DataFrame(words, columns=["what", "element", "phase"])
    table.insert(0, "firm_kw", share * contract)
    table.insert(0, "kw", kw)
    table.insert(0, "hour", np.arange(len(kw)))
    return table
