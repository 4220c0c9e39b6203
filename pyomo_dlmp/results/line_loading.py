"""Loading of lines and transformers in percent of their rating, phase by phase.

    linear form   |p + jq| / rating, of the power towards the to-bus
    AC form       |I| / I_rated, I_rated = rating at nominal voltage, at the from-bus (the to-bus of
                  a centre-tapped transformer): what a limit of the model would hold

A transformer's rating is that of its nameplate, whether the model limits it or not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from pyomo.environ import value

from pyomo_dlmp.blocks.parallel import flow_blocks
from pyomo_dlmp.network import Line
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.results.ac_elements import element_blocks
from pyomo_dlmp.results.schema import LINE_LOADING
from pyomo_dlmp.results.voltages import conductor_phasors, exact


def line_loading_table(dso, network) -> pd.DataFrame:
    """Loading of every branch that has a rating.

    Parameters
    ----------
    dso : block
        Filled by `build_opf` and solved.
    network : Network
        The network that the DSO's block was built from.

    Returns
    -------
    DataFrame
        Columns element, phase, period, quantity ("loading"), value (%), unit; no rows where no
        branch has a rating.
    """
    of = _in_ac if exact(dso) else _linear
    periods, rows = list(dso.periods), []
    for name, phase, mva in of(dso, network, periods):
        rated = mega(rating_of(network.branches[name]) or 0.0)
        rows += [(name, phase, t, "loading", float(x), "%")
                 for t, x in zip(periods, 100.0 * mva / rated, strict=True)]
    return LINE_LOADING.frame(rows)


def rating_of(branch: Any) -> float | None:
    """Rating of a branch per phase of its to-bus.

    Parameters
    ----------
    branch : Branch or None

    Returns
    -------
    float or None
        In kVA; None: it has none.
    """
    if isinstance(branch, Line):
        return branch.rating_kva
    if isinstance(branch, Transformer | CenterTappedTransformer):
        return branch.kva / len(branch.to_phases)
    return None


def _linear(dso, network, periods: list[Hashable]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Branch, phase, and MVA by period."""
    for name, block in flow_blocks(dso):
        if rating_of(network.branches.get(name)):
            for phase in dict.fromkeys(phase for phase, _ in block.p):
                yield name, phase, np.array([
                    abs(complex(value(block.p[phase, t]), value(block.q[phase, t])))
                    for t in periods])


def _in_ac(dso, network, periods: list[Hashable]) -> Iterator[tuple[str, str, np.ndarray]]:
    for name, block in element_blocks(dso, ("line", "transformer")):
        branch = network.branches.get(name)
        if not rating_of(branch):
            continue
        end = branch.to_bus if isinstance(branch, CenterTappedTransformer) else (
            block.terminals[0][0])
        volts = np.stack([conductor_phasors(dso.bus[bus], periods, [k])[:, 0]
                          for bus, k in block.terminals])
        for i, (bus, k) in enumerate(block.terminals):
            if bus == end and k in dso.bus[bus].phases:
                yield name, k, np.abs(block.y[i] @ volts)
