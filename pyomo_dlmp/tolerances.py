"""Every number that decides what counts as zero, as active, as optimal, as enough.

One name for each question, so that two files cannot answer it differently. Unless a line says
otherwise a tolerance is relative: multiply it by ``1 + |size|`` of what is compared. Models are in
MW, Mvar, per unit and $, so sizes are near 1 to 1e4.

The relations that the values must keep are in `RELATIONS`, and tested.

| group | question |
|---|---|
| feasibility | does a point obey its rows, bounds and integrality? |
| activity | is a row at its limit, is a multiplier or a limit worth something? |
| optimality | are two costs the same, is a gap closed, are the optimality conditions solved? |
| numerical zero | is an entry, a pivot, a direction or an eigenvalue zero? |
| data | are two figures of a feeder file the same? |
| search effort | how far does an intermediate step go that proves nothing by itself? |
"""

from __future__ import annotations

# ---------------------------------------------------------------- feasibility

EXACT_FEASIBILITY = 1e-9
"""Asked of a solver whose point or duals are reported (absolute, its scaled rows)."""

MILP_FEASIBILITY = 1e-7
"""Asked of the linear programs inside a MILP (absolute)."""

INTEGRALITY = 1e-6
"""Distance of a binary from 0 or 1 in a MILP (absolute); x a big-M of 1e3 it is 1e-3."""

ROW_HOLDS = 1e-6
"""A row or bound holds at a point that a search may use: violation <= this x (1 + |limit|)."""

PRODUCT_HOLDS = 1e-8
"""A column that stands for a product equals it within this x (1 + the squares of its factors)."""

AUDITED_ROW = 1e-5
"""The same in the audit, where the lower levels have been solved again at the point's upper
decisions, which are as exact as the solver that chose them."""

# ------------------------------------------------------------------- activity

ACTIVE = 1e-6
"""A row is active where its slack is at most this x (1 + |its constant|)."""

MULTIPLIER = 1e-7
"""A multiplier is positive above this x (1 + greatest cost): below, its row costs nothing."""

AT_BOUND = 1e-5
"""A multiplier has reached its bound, which is then suspected, within this share of it."""

NEVER_BINDS = 1e-7
"""A row never binds where its least slack over the whole box stays above this."""

# ----------------------------------------------------------------- optimality

GAP = 1e-4
"""Default relative optimality gap of `solve_bilevel`."""

ABSOLUTE_GAP = 1e-6
"""Two of these ($, unscaled) close a gap whatever the relative one is."""

COST_GAP = 1e-6
"""Audit: cost of a lower level's point above its optimum, and slack x multiplier, relative to
max(1, |optimal cost|)."""

KKT_RESIDUAL = 1e-4
"""Residual of the optimality conditions, relative, above which no price is reported."""

POLISHED = 1e-8
"""Residual at which a QP's active-set equations count as solved."""

SAME_OBJECTIVE = 1e-5
"""Two objectives (or answers) are the same: another solve, a reported against a computed one."""

SAME_MONEY = 1e-6
"""An objective or a price that differs by less is the same; coarser than ABSOLUTE_GAP alone."""

POWER_FLOW = (1e-9, 1e-8, 1e-7)
"""Convergence (relative) of the OpenDSS engine's last solution of a file: the first that it
reaches; floating sections do not reach 1e-9 in double precision."""

NEWTON_STEP = 1e-11
"""The AC equations are solved when a Newton step moves no leg's voltage further (pu)."""

SAME_VOLTAGE = 1e-6
"""The AC OPF is settled when a round moves no leg's voltage further (pu) ..."""

SAME_PRICE = 1e-4
"""... and no node's price ($/MWh)."""

WORSENED = 5e-4
"""A limit that is broken already is made no worse by less than this (absolute: pu of voltage, share
of a rating, |V-| / |V+|)."""

RECOMPUTED = 1e-4
"""Audit: objective from the tables against the solver's."""

# ------------------------------------------------------------- numerical zero

ENTRY = 1e-12
"""A matrix entry smaller than this (absolute) is left out."""

PIVOT = 1e-9
"""A pivot or an entry that something is divided by is zero below this."""

RANK = 1e-9
"""A singular value or the rest of a vector is zero below this share of the greatest."""

CONVEX = 1e-9
"""A least eigenvalue above minus this share of the greatest is no sign of nonconvexity."""

FLAT = 1e-6
"""An eigenvalue below this share of the greatest is meant as zero by a semidefinite program."""

ROUNDING = 1e-9
"""Added to what a proof claims, and allowed where exact arithmetic would give equality."""

SINGULAR = 1e-11
"""A scaled pivot of a critical region's equations below this: no region of its own."""

PROOF_MARGIN = 1e-4
"""Relative room between a proved bound and the big-M that is used, so that a multiplier *at* its
bound means a wrong bound."""

# ----------------------------------------------------------------------- data

PRINTED = 1e-6
"""Data that are printed to six digits may differ by this share: matrices, shares of a whole."""

NOMINAL = 1e-3
"""Two nominal figures (a voltage in kV, a ratio) mean the same within this share."""

IDEAL = 1e-8
"""Voltage (pu) across what stands for an ideal branch at the power of the whole network (absolute);
a smaller impedance takes digits from the admittances beside it."""

# -------------------------------------------------------------- search effort

FIRST_POINT_GAP = 1e-2
"""Gap of the relaxation that suggests first upper decisions."""

HIGH_POINT_GAP = 1e-3
"""Gap of a problem that is solved for a point, or to explain, not for its optimum."""

FACET_STEPS = (1e-7, 1e-6, 1e-5, 1e-4)
"""Steps over a facet of a critical region, shares of the range's width; then none is there."""

WIDENED = 1e-4
"""Share by which the range of regions is widened, so that those that only touch it are met."""

COVERED = 1e-6
"""Share of the range that regions may leave uncovered."""

RELATIONS = {
    "a solver is more exact than the rows it is judged by":
        EXACT_FEASIBILITY < MILP_FEASIBILITY < ROW_HOLDS < AUDITED_ROW,
    "what a solver calls feasible is active where it is at its limit":
        MILP_FEASIBILITY < ACTIVE and EXACT_FEASIBILITY < MULTIPLIER,
    "a row that never binds is further from its limit than a solver's error":
        MILP_FEASIBILITY <= NEVER_BINDS,
    "a row that is active is never one that never binds by proof alone": ACTIVE >= NEVER_BINDS,
    "a multiplier at its bound is told from one in the margin of its proof":
        AT_BOUND < PROOF_MARGIN,
    "a polish is far better than what is reported": POLISHED <= 1e-2 * KKT_RESIDUAL,
    "gaps: what is the same is below what is asked for": SAME_OBJECTIVE < GAP and COST_GAP < GAP,
    "a proof's margin is above rounding, and below feasibility":
        ROUNDING < MILP_FEASIBILITY and ENTRY < ROUNDING,
    "data are told apart more coarsely than computed numbers": ROUNDING < PRINTED < NOMINAL,
    "zero of an entry is below zero of a pivot": ENTRY < SINGULAR < PIVOT,
    "regions cover more than their margin": COVERED < WIDENED,
    "first points are coarser than the search": FIRST_POINT_GAP > HIGH_POINT_GAP > GAP,
}
"""{relation in words: whether it holds}."""
