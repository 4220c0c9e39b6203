"""What a sample of costs says: intervals for their mean, for a share, for any other statistic.

With probabilities p_s of the sample's points (1/n each, usually) and costs c_s:

    mean       m = sum p c;  m -+ t sqrt(v q / (1 - q)),  v = sum p (c - m)^2,  q = sum p^2,
               t of Student with 1/q - 1 degrees of freedom: the usual interval where all p are 1/n.
               Shapiro, Dentcheva, Ruszczynski, Lectures on Stochastic Programming (2021), 5.6.1;
               Kish, Survey Sampling (1965), for unequal weights.
    share      of scenarios without an answer: Clopper and Pearson (1934), exact for n draws.
    others     such as quantiles and CVaR, which have no simple standard error: percentiles of a
               bootstrap (Efron and Tibshirani 1993, chapter 13), whose draws are always the same.

All of them take the points for independent draws of what may come. Of an exhaustive list of
scenarios the mean is exact, and intervals have no meaning.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import betaincinv, stdtrit

_DRAWS = 2000


def mean_interval(values: np.ndarray, weights: np.ndarray, level: float,
                  ) -> tuple[float, float, float]:
    """(mean, its interval's ends).

    Parameters
    ----------
    values, weights
        Shape (n,); weights add to 1.
    level
        Probability that the interval contains the mean, such as .95.

    Returns
    -------
    (float, float, float)
        Ends are nan where there is one point only.
    """
    mean, q = float(weights @ values), float(weights @ weights)
    if q >= 1.0 - np.finfo(float).eps:
        return mean, np.nan, np.nan
    half = float(stdtrit(1.0 / q - 1.0, 0.5 + 0.5 * level)) * float(np.sqrt(
        weights @ (values - mean) ** 2 * q / (1.0 - q)))
    return mean, mean - half, mean + half


def share_interval(count: float, total: float, level: float) -> tuple[float, float]:
    """The interval of a probability, of which `count` of `total` draws have it."""
    tail = 0.5 * (1.0 - level)
    low = 0.0 if count <= 0 else float(betaincinv(count, total - count + 1, tail))
    high = 1.0 if count >= total else float(betaincinv(count + 1, total - count, 1.0 - tail))
    return low, high


def bootstrap_interval(statistic: Callable[[np.ndarray, np.ndarray], float], values: np.ndarray,
                       weights: np.ndarray, level: float, seed: int = 0) -> tuple[float, float]:
    """Percentiles of a statistic over samples that are drawn again from the sample.

    Parameters
    ----------
    statistic
        (values, weights) -> number.
    values, weights
        Shape (n,).
    level
        As of `mean_interval`.
    seed
        Of the draws.

    Returns
    -------
    (float, float)
        nan where there is one point only.
    """
    n = len(values)
    if n < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    found = [statistic(values, rng.multinomial(n, weights) / n) for _ in range(_DRAWS)]
    low, high = np.quantile(found, [0.5 * (1.0 - level), 0.5 * (1.0 + level)])
    return float(low), float(high)
