"""The GPU datacenter as plain data: large language models that answer, and models in training.

A replica (a group of GPUs with one copy of the model) at batch size b gives T(b) tokens/s and draws
W(b). Many replicas at different batch sizes reach every mixture of these points, so that the least
power of a fleet is the lower convex envelope of {(T(b), W(b))} and of a replica that waits: linear
pieces between points that exist, of which `operating_points` keeps as few as an error allows.
Training under power caps has the concave envelope of (power, throughput) in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.market.llm_models import LLM_MODELS

V100_CAPS = ((0.808, 0.936), (1.0, 1.0))
"""Shares of (power, throughput) of training under a cap: 150 W of 250 W on NVIDIA V100, language
models, 6.8 % more time and 13.7 % less energy (McDonald et al., arXiv:2205.09646, 2022)."""


@dataclass(frozen=True, kw_only=True)
class LlmService:
    """A large language model that answers requests in their own period, at any of its sites.

    Parameters
    ----------
    name : str
    tokens : float or tuple of float
        Tokens/s that it must give, one number or one per period.
    replicas : float or tuple of float
        At each of its sites: one number for all of them, or one for each of `sites`.
    sites : tuple of str
        Datacenters; empty: all of them.
    model : str
        One of `LLM_MODELS`, published measurements; or
    measured : tuple of (float, float, float, float)
        Your own: rows (batch size, tokens/s, W, s between tokens) of one replica.
    latency_s : float or None
        Greatest mean time between the tokens of a request (s): it bounds the batch size of each
        replica; None: free.
    idle_w : float
        Power of a replica that has nothing to do (W); 0: it is switched off.
    host_w : float
        Power of the processors, memory and network beside a replica's GPUs while it works (W).
    pue : float or tuple of float
        Power usage effectiveness (1), one or one per period.
    error : float
        Greatest error of the linear pieces, a share of a replica's greatest power.
    """

    name: str
    tokens: float | tuple[float, ...]
    replicas: float | tuple[float, ...]
    sites: tuple[str, ...] = ()
    model: str = "Llama-3.1-70B"
    measured: tuple[tuple[float, float, float, float], ...] = ()
    latency_s: float | None = None
    idle_w: float = 0.0
    host_w: float = 0.0
    pue: float | tuple[float, ...] = 1.2
    error: float = 0.002


@dataclass(frozen=True, kw_only=True)
class Training:
    """A model in training at one site, which may run slower under a power cap, or pause.

    Parameters
    ----------
    name : str
    site : str
        Name of the datacenter.
    gpus : float
        GPUs that it has from `arrival` to `deadline`.
    gpu_hours : float
        Work until the deadline: hours of a GPU at full power, checkpoints not counted.
    arrival, deadline : int
        As of `Job`: positions of periods, from 0.
    gpu_w : float
        Power of a GPU and its share of the node, without a cap (W). The default is 76 % of an
        8-GPU H100 node's 10.2 kW (Newkirk et al., arXiv:2506.14551).
    caps : tuple of (float, float)
        Shares of (power, throughput) at each cap. The default is published for other hardware, see
        `V100_CAPS`: give your own.
    idle_w : float
        Power of a GPU that pauses (W).
    checkpoint : float
        Share of the time at which it writes checkpoints, and does not train.
    ramp_kw : float or None
        Greatest change of its power from one period to the next (kW), starts and ends within the
        study too; None: free.
    swing : float
        Share of its power that comes and goes within seconds; see `Smoothing`.
    pue : float or tuple of float
        Power usage effectiveness (1), one or one per period.
    """

    name: str
    site: str
    gpus: float
    gpu_hours: float
    arrival: int
    deadline: int
    gpu_w: float = 970.0
    caps: tuple[tuple[float, float], ...] = V100_CAPS
    idle_w: float = 0.0
    checkpoint: float = 0.0
    ramp_kw: float | None = None
    swing: float = 0.0
    pue: float | tuple[float, ...] = 1.2


@dataclass(frozen=True)
class OperatingPoints:
    """Points between which a replica, or a GPU in training, is mixed.

    Attributes
    ----------
    work : ndarray
        (K,): tokens/s, or share of full throughput; increasing from 0.
    watts : ndarray
        (K,): power (W), convex over `work`.
    batch : ndarray
        (K,): batch size; 0 for what waits, nan for training.
    error_w : float
        Greatest distance of the linear pieces from the least power of all mixtures (W); never
        below it.
    """

    work: np.ndarray
    watts: np.ndarray
    batch: np.ndarray
    error_w: float


def replica_table(service: LlmService) -> np.ndarray:
    """The batch sizes at which a replica may work.

    Parameters
    ----------
    service : LlmService

    Returns
    -------
    ndarray
        (B, 4): batch size, tokens/s, W with `host_w`, s; those within `latency_s`.
    """
    rows = np.array(service.measured or LLM_MODELS[service.model].table(), dtype=float)
    rows[:, 2] += service.host_w
    return rows if service.latency_s is None else rows[rows[:, 3] <= service.latency_s]


def operating_points(part: LlmService | Training) -> OperatingPoints:
    """The points of a service's replica, or of a GPU in training; see the module's text.

    Parameters
    ----------
    part : LlmService or Training
        Checked.

    Returns
    -------
    OperatingPoints
    """
    if isinstance(part, LlmService):
        batch, work, watts, _ = replica_table(part).T
        error = part.error * watts.max()
    else:
        share, work = np.array(part.caps, dtype=float).T
        watts, batch, error = part.gpu_w * share, np.full(len(share), np.nan), 0.0
    batch, work, watts = (np.append(first, rest) for first, rest in (
        (0.0, batch), (0.0, work), (part.idle_w, watts)))
    hull = _lower_hull(work, watts)
    kept = _fewest(work[hull], watts[hull], error)
    chord = np.interp(work[hull], work[hull][kept], watts[hull][kept])
    return OperatingPoints(work[hull][kept], watts[hull][kept], batch[hull][kept],
                           float(np.max(chord - watts[hull])))


def _lower_hull(x: np.ndarray, y: np.ndarray) -> list[int]:
    """Positions of the corners of the lower convex hull, up to the greatest x."""
    found: list[int] = []
    for i in np.lexsort((y, x)).tolist():
        if found and x[i] == x[found[-1]]:
            continue
        while len(found) > 1 and _turns_up(x, y, found[-2], found[-1], i) <= 0:
            found.pop()
        found.append(i)
    return found


def _turns_up(x, y, a: int, b: int, c: int) -> float:
    return (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])


def _fewest(x: np.ndarray, y: np.ndarray, error: float) -> list[int]:
    """The fewest corners whose chords stay within an error: each as far as it goes."""
    kept = [0]
    while kept[-1] < len(x) - 1:
        first, last = kept[-1], kept[-1] + 1
        while last + 1 < len(x):
            inner = slice(first, last + 2)
            chord = np.interp(x[inner], x[[first, last + 1]], y[[first, last + 1]])
            if np.max(chord - y[inner]) > error:
                break
            last += 1
        kept.append(last)
    return kept


def replicas_at(service: LlmService, sites: list[str]) -> dict[str, float]:
    """Replicas of a service at each site.

    Parameters
    ----------
    service : LlmService
    sites : list of str
        Where it runs: its own sites in their order, or all.

    Returns
    -------
    dict of str to float
    """
    given = service.replicas
    if isinstance(given, tuple | list):
        return dict(zip(sites, map(float, given), strict=True))
    return dict.fromkeys(sites, float(given))
