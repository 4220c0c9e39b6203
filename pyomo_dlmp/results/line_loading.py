"""Loading of lines and transformers in percent of their rating, phase by phase.

    linear form   |p + jq| / rating, of the power towards the to-bus
    AC form       |I| / I_rated, I_rated = rating at nominal voltage: where the model has a limit
                  that limit's, else at the end that `network.ratings` looks at

A rating that is known counts, whether the model limits it or not: of a transformer or regulator
that of its nameplate.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from pyomo.environ import value

from pyomo_dlmp.blocks.parallel import flow_blocks
from pyomo_dlmp.network.ratings import Rating, known_rating, limit_kva
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
    for name, phase, share in of(dso, network, periods):
        rows += [(name, phase, t, "loading", float(x), "%")
                 for t, x in zip(periods, 100.0 * share, strict=True)]
    return LINE_LOADING.frame(rows)


def _linear(dso, network, periods: list[Hashable]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Branch, phase, and share of its rating by period."""
    for name, block in flow_blocks(dso):
        branch = network.branches.get(name)
        if branch is None or (known := known_rating(branch, network.buses)) is None:
            continue
        if isinstance(branch, Transformer | CenterTappedTransformer):
            of = dict.fromkeys(branch.to_phases, branch.kva / len(branch.to_phases))
        else:  # the same phases at both ends, or others in the same order
            of = {there: known.kva[k] for k, there in zip(
                branch.from_phases, branch.to_phases, strict=False) if k in known.kva}
        for phase in dict.fromkeys(phase for phase, _ in block.p):
            if kva := of.get(phase):
                yield name, phase, np.array([
                    abs(complex(value(block.p[phase, t]), value(block.q[phase, t])))
                    for t in periods]) / mega(kva)


def _in_ac(dso, network, periods: list[Hashable]) -> Iterator[tuple[str, str, np.ndarray]]:
    for name, block in element_blocks(dso, ("line", "regulator", "transformer", "admittance")):
        branch = network.branches.get(name)
        rating = _of_limit(branch, network.buses) or known_rating(branch, network.buses)
        if rating is None:
            continue
        volts = np.stack([conductor_phasors(dso.bus[bus], periods, [k])[:, 0]
                          for bus, k in block.terminals])
        for i, (bus, k) in enumerate(block.terminals):
            if bus == rating.bus and k in rating.kva:
                yield name, k, np.abs(block.y[i] @ volts) / mega(rating.kva[k])


def _of_limit(branch: Any, buses) -> Rating | None:
    """What the AC form limits: the from-bus, of a centre-tapped transformer the to-bus."""
    if (kva := limit_kva(branch)) is None:
        return None
    to = isinstance(branch, CenterTappedTransformer)
    bus = branch.to_bus if to else branch.from_bus
    return Rating(bus, {k: kva for k in (branch.to_phases if to else branch.from_phases)
                        if k in buses[bus].phases})
