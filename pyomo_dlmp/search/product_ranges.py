"""How far the factors of a product can reach: their proved ranges, made tight.

A product v Y that no identity removes stands in envelopes whose error is proportional to the range
of Y (a price, say). From the multipliers' bounds alone that range is easily a hundred times too
wide. Here it is proved again: upper rows are left out (a relaxation, so every range stays valid),
what remains decomposes into small problems (a period each, for a power flow), and each Y is
minimised and maximised over its own, complementarity binaries included.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from pyomo.common.gc_manager import PauseGC
from pyomo.environ import Constraint

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.components import component_labels, groups_by_label
from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.search.presolve import reduce_program
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.search.start import first_point
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, INTEGRALITY, MILP_FEASIBILITY, ROUNDING
from pyomo_dlmp.transform.compile import compile_program
from pyomo_dlmp.transform.products.linearise import name_of
from pyomo_dlmp.transform.record import SingleLevel

log = logging.getLogger("pyomo_dlmp")
_ONE, _ALL = 5_000.0, 180_000.0  # units of work for one end of one factor, for all of them
MOST_BITS = 14
_SHARE = 0.3  # of the time limit for all of them
_PRODUCTS = 0.25  # share of the gap that the envelopes of products may take


@dataclass
class Expansion:
    """What is known of the products between attempts.

    Attributes
    ----------
    bits
        Of the next expansion; None: the user's or the transformation's own.
    enough
        Bits that the envelopes' error needs.
    ranges
        Proved ranges of products; None: not computed.
    tried
        Whether branching on pairs was tried and has not ended.
    """

    bits: int | None = None
    enough: int = 5
    ranges: dict | None = None
    tried: bool = False

    def prove(self, settings: Settings, record: SingleLevel) -> None:
        """Prove ranges of the products of a single level, and the bits that they then need."""
        settings.clock.stage("ranges of products")
        self.ranges, missing = ranges_and_rest(settings, record)
        if self.ranges:
            self.enough = int(min(MOST_BITS, max(0, np.ceil(np.log2(max(missing, ROUNDING))))))
            log.info("envelopes may err by %.3g of what they may: %d bits", missing, self.enough)


def ranges_and_rest(settings: Settings, record: SingleLevel) -> tuple[dict, float]:
    """Ranges of the products of a single level, and how large the envelopes' error stays.

    Parameters
    ----------
    settings, record
        The call, and the transformation of its model.

    Returns
    -------
    tuple
        (ranges as of `factor_ranges`, error of plain envelopes with them over the allowed error: a
        share of the relative gap at a first point).
    """
    with PauseGC():
        program = compile_program(settings.model, record)
        small, elimination = reduce_program(program, record.lowers)
    point, low = first_point(record, program, small, elimination)
    scale = abs(low) if point is None else abs(small.value(point))
    error = _PRODUCTS * settings.gap * scale if np.isfinite(scale) and scale else ABSOLUTE_GAP
    with limits.work(_ALL):
        ranges = factor_ranges(program, record, error)
    return ranges, envelope_error(record, ranges) / error


def factor_ranges(program: Program, record: SingleLevel, error: float) -> dict:
    """Proved ranges of the factors Y of the products v * Y on a single level.

    It stops after a share of the time limit, or where the work of the step is used up.

    Parameters
    ----------
    program, record
        The compiled single level and the transformation's record.
    error
        Allowed error of all envelopes together, in the objective's unit; ends of ranges are proved
        as exactly as it needs.

    Returns
    -------
    dict
        {name of the product: (least, greatest) value of Y}, of those that became narrower.
    """
    if not record.products or record.block.component("product") is None:
        return {}
    until = (1.0 - _SHARE) * limits.left()  # the seconds that are left to the search
    factors = {name_of(p): record.block.product[name_of(p)].Y for p in record.products}
    exact = {name_of(p): 2.0 * error / (len(factors) * max(p.v.ub - p.v.lb, ROUNDING))
             for p in record.products}
    small, place = _lower_rows_only(program, record, factors)
    found: dict[str, tuple[float, float]] = {}
    for columns, rows, names in _parts(small, place):
        piece = Highs.of(small.restrict(columns, rows), mip_rel_gap=0.05,
                         mip_feasibility_tolerance=MILP_FEASIBILITY)
        at = {j: k for k, j in enumerate(columns)}
        for name in names:
            limits.check()
            if limits.left() <= until < np.inf or limits.work_left() <= 0.0:
                log.info("ranges of %d products stay as they are", len(factors) - len(found))
                return found
            Y = factors[name]
            seconds = limits.left() - until if np.isfinite(until) else np.inf
            ends = [_end(piece, at[place[name]], sign, exact[name], seconds)
                    for sign in (1.0, -1.0)]
            low = float(Y.lb) if ends[0] is None else max(float(Y.lb), ends[0])
            high = float(Y.ub) if ends[1] is None else min(float(Y.ub), -ends[1])
            margin = INTEGRALITY * (1.0 + abs(low) + abs(high))
            if high - low < 0.9 * (Y.ub - Y.lb):
                found[name] = (low - margin, high + margin)
    log.info("ranges of %d of %d products made tighter", len(found), len(factors))
    return found


def envelope_error(record: SingleLevel, ranges: dict) -> float:
    """Greatest error of plain envelopes of all products together.

    Parameters
    ----------
    record
        The transformation's record.
    ranges
        {name of a product: (least, greatest) value of Y}; others have their own range.

    Returns
    -------
    float
        In the objective's unit.
    """
    total = 0.0
    for p in record.products:
        low, high = ranges.get(name_of(p), (p.lo, p.hi))
        total += (p.v.ub - p.v.lb) * (min(high, p.hi) - max(low, p.lo)) / 4.0
    return total


def _end(piece: Highs, column: int, sign: float, exact: float, seconds: float) -> float | None:
    """Proved least value of sign x a column to within `exact`, None: nothing was proved."""
    cost = np.zeros(piece.columns)
    cost[column] = sign
    piece.set_cost(np.arange(piece.columns), cost)
    piece.set("mip_abs_gap", max(ABSOLUTE_GAP, exact))
    with limits.work(_ONE):
        answer = piece.solve(max(seconds, 0.0) if np.isfinite(seconds) else None)
    return answer.bound


def _lower_rows_only(program: Program, record: SingleLevel,
                     factors: dict) -> tuple[Program, dict[str, int]]:
    """The rows of the lower levels and the definitions of Y, reduced; columns of the factors."""
    wanted = {id(record.block.product[name].Y_definition) for name in factors}
    for lower in record.lowers:
        wanted |= {id(row) for rows in lower.writer.kept() for row in rows.of or ()}
        for block in (lower.block, lower.kkt.form.block):
            wanted |= {id(row) for row in block.component_data_objects(
                Constraint, active=True, descend_into=True)}
    keep = np.array([id(row) in wanted for row in program.rows], dtype=bool)
    sub = Program(
        A=program.A[keep], lo=program.lo[keep], hi=program.hi[keep], lb=program.lb,
        ub=program.ub, integer=program.integer, columns=program.columns,
        rows=[r for r, k in zip(program.rows, keep, strict=True) if k])
    small, _ = reduce_program(sub, record.lowers)
    return small, {name: small.place[Y] for name, Y in factors.items() if Y in small.place}


def _parts(program: Program, place: dict[str, int]):
    """(columns, rows, factors) of each connected part that holds a factor."""
    of_column, of_row = component_labels(program.A)
    columns, rows = groups_by_label(of_column), groups_by_label(of_row)
    for part in dict.fromkeys(of_column[j] for j in place.values()):
        yield (columns[part], rows.get(part, np.empty(0, int)),
               [name for name, j in place.items() if of_column[j] == part])
