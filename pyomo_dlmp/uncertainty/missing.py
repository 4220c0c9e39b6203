"""What a decision lacks in a scenario that has no answer at it: where, how much, how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.uncertainty.decision import Decision
from pyomo_dlmp.uncertainty.first_stage import Recourse, recourse_of
from pyomo_dlmp.uncertainty.scenario_models import ScenarioModels, refuse_work

_MOST = 3  # places that are named
_A_START = 1e3  # MWh that a start other than the decided one counts for: the last to be given up


@dataclass(frozen=True)
class Missing:
    """What a decision lacks in a scenario.

    Attributes
    ----------
    what : str
        In words.
    mwh : float
        Least energy beyond what the decision leaves room for (MWh; nan: no schedule at all will
        do).
    kw : float
        The greatest power of it (kW).

    It is false where the decision lacks nothing.
    """

    what: str
    mwh: float = float("nan")
    kw: float = float("nan")

    def __bool__(self) -> bool:
        return bool(self.what)


def missing_of(models: ScenarioModels, name: str, decision: Decision,
               labels: Sequence) -> Missing:
    """What a decision lacks in a scenario, by the least room beyond it that is enough.

    Parameters
    ----------
    models, name
        The scenario.
    decision
        That leaves it without an answer.
    labels
        Of the periods.

    Returns
    -------
    Missing
        False where its own rows have a solution at the decision.
    """
    try:
        one = models.upper_level(name)
    except DlmpError as err:
        return Missing(_words(err.faults))
    recourse = recourse_of(one, decision.first, decision.terms)
    p, unit = _wider(recourse, decision)
    answer = Highs.of(p).solve()
    if answer.z is None:
        return Missing(_words(refuse_work(models, name)))
    many = len(recourse.links)
    apart = answer.z[-2 * many:].reshape(2, many).sum(axis=0)
    if float(apart.max(initial=0.0)) <= ROW_HOLDS:
        return Missing("")
    rows = recourse.B[recourse.links].indices
    found: list[tuple[float, str]] = []
    mwh = kw = 0.0
    met = dict.fromkeys(rows.tolist(), 0)  # rows of a column so far: a capacity's are its periods
    for k, at in enumerate(rows.tolist()):
        label, turn = decision.first.labels[at], met[at]
        met[at] += 1
        if apart[k] <= ROW_HOLDS:
            continue
        if label[0] == "jobs":
            found.append((_A_START, f"another start than {label[1]}"))
            continue
        mwh, kw = mwh + float(unit[k] * apart[k]), max(kw, KILO * float(apart[k]))
        period = labels[turn if label[0] == "capacity" else label[2]]
        found.append((apart[k], f"{KILO * apart[k]:.3g} kW at {label[1]} in {period}"))
    found.sort(key=lambda pair: -pair[0])
    more = f" and {len(found) - _MOST} more such" if len(found) > _MOST else ""
    total = f" ({mwh:.3g} MWh in all)" if mwh else ""
    return Missing("needs, beyond what the decision allows, "
                   + ", ".join(text for _, text in found[:_MOST]) + more + total, mwh, kw)


def _wider(recourse: Recourse, decision: Decision) -> tuple[Program, np.ndarray]:
    """(the scenario's rows with room around the first stage's at a cost, cost of that room)."""
    p, links = recourse.at(decision.x), recourse.links
    many, hours = len(links), recourse.scenario.hours
    kinds = [decision.first.labels[at][0] for at in recourse.B[links].indices]
    cost = np.array([_A_START if kind == "jobs" else hours for kind in kinds])
    room = sp.csr_matrix((np.ones(many), (links, np.arange(many))), shape=(p.A.shape[0], many))
    return Program(
        A=sp.hstack([p.A, room, -room], format="csr"), lo=p.lo, hi=p.hi,
        lb=np.append(p.lb, np.zeros(2 * many)), ub=np.append(p.ub, np.full(2 * many, np.inf)),
        c=np.concatenate([np.zeros(len(p.c)), cost, cost]),
        integer=np.append(p.integer, np.zeros(2 * many, bool))), cost


def _words(faults: Sequence) -> str:
    return "; ".join(f"{fault.where}: {fault.what}" for fault in faults[:_MOST])
