"""Pyomo models from arrays, in the mixed ways in which users write rows, bounds and objectives.

The ways are drawn from a seed: a row stands in a ConstraintList, an indexed Constraint or one of
its own, one way round or the other, with u on either side; a bound belongs to the Var, its domain
or a row; a follower minimises or maximises. Where a way turns a sign, the dual of the form is minus
the Var that `dual_of` gives.
"""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo

import pyomo_dlmp as dlmp
from tests.library.families.arrays import INF, Bilevel, Follower


def write_model(drawn: Bilevel, seed: int) -> pyo.ConcreteModel:
    """A fresh model of the arrays, in the ways of a seed."""
    return _Writer(drawn, seed).model


class _Writer:
    def __init__(self, drawn: Bilevel, seed: int):
        self.drawn, self.rng = drawn, np.random.default_rng(1_000_003 + seed)
        forms = [drawn.goal, *(form for form, _, _ in drawn.rows)]
        self.wanted = {label for form in forms for key in form for label in key}
        self.model = m = pyo.ConcreteModel()
        self.at: dict = {}  # label -> expression
        blocks = self._blocks()
        self._upper_vars(blocks)
        for f, (block, data) in enumerate(zip(blocks, drawn.followers, strict=True)):
            _Lower(self, block, f, data)
        self._rows(m)
        sense = pyo.minimize if drawn.sense == 1 else pyo.maximize
        m.goal = pyo.Objective(expr=self.form(drawn.goal), sense=sense)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def one_of(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def total(self, terms: list):
        """A sum in a drawn order, written in one of three ways."""
        terms = [terms[k] for k in self.rng.permutation(len(terms))]
        if self.chance(0.3):
            return pyo.quicksum(terms)
        return sum(terms)

    def form(self, form):
        terms = []
        for key, value in form.items():
            term = value
            for label in key:
                term = term * self.at[label]
            if len(key) == 2 and key[0] == key[1] and self.chance(0.5):
                term = value * self.at[key[0]] ** 2
            terms.append(term)
        return self.total(terms) if terms else 0.0

    def _blocks(self) -> list:
        m, count = self.model, len(self.drawn.followers)
        if count > 1 and self.chance(0.5):
            m.low = dlmp.LowerLevel(range(count))
            return [m.low[f] for f in range(count)]
        for f in range(count):
            m.add_component("low" if count == 1 else f"low{f}", dlmp.LowerLevel())
        return [m.component("low" if count == 1 else f"low{f}") for f in range(count)]

    def _upper_vars(self, blocks: list) -> None:
        drawn, m = self.drawn, self.model
        inside = self.chance(0.15)
        home = blocks[0] if inside else m
        if self.chance(0.6):
            home.u = pyo.Var(range(len(drawn.u_lo)))
            found = [home.u[j] for j in range(len(drawn.u_lo))]
        else:
            found = []
            for j in range(len(drawn.u_lo)):
                home.add_component(f"u{j}", pyo.Var())
                found.append(home.component(f"u{j}"))
        for j, var in enumerate(found):
            lo, hi = drawn.u_lo[j], drawn.u_hi[j]
            if j in drawn.integer:
                var.domain = pyo.Binary if (lo, hi) == (0, 1) else pyo.Integers
            if j in drawn.fixed:
                var.fix(lo)
            elif lo == 0 and hi == INF and self.chance(0.5):
                var.domain = pyo.NonNegativeReals
            else:
                var.setlb(None if lo == -INF else lo)
                var.setub(None if hi == INF else hi)
            if inside:
                blocks[0].declare_upper(var)
            self.at["u", j] = var

    def _rows(self, m) -> None:
        m.upper_rows = pyo.ConstraintList()
        for form, lo, hi in self.drawn.rows:
            body = self.form(form)
            if self.chance(0.3) and lo != hi:
                body, lo, hi = -body, -hi, -lo
            if lo == hi:
                m.upper_rows.add(body == lo)
            elif np.isfinite(lo) and np.isfinite(hi):
                m.upper_rows.add(pyo.inequality(lo, body, hi))
            else:
                m.upper_rows.add(body >= lo if np.isfinite(lo) else body <= hi)


class _Lower:
    """Writes one follower."""

    def __init__(self, writer: _Writer, block, f: int, data: Follower):
        self.w, self.block, self.f, self.data = writer, block, f, data
        self.turn = -1 if writer.chance(0.25) else 1  # minimise c or maximise -c
        self.home = block
        if writer.chance(0.2):
            block.part = pyo.Block()
            self.home = block.part
        self.rows = pyo.ConstraintList()
        self.home.listed = self.rows
        self._vars()
        self._write_rows()
        self._cost()

    def _vars(self) -> None:
        data, w, n = self.data, self.w, len(self.data.c)
        if w.chance(0.6):
            self.home.x = pyo.Var(range(n))
            found = [self.home.x[j] for j in range(n)]
        else:
            for j in range(n):
                self.home.add_component(f"x{j}", pyo.Var())
            found = [self.home.component(f"x{j}") for j in range(n)]
        for j, var in enumerate(found):
            w.at["x", self.f, j] = var
            if j in data.fixed:
                var.fix(data.lb[j])
                continue
            for side, end in (("lower", data.lb[j]), ("upper", data.ub[j])):
                if np.isfinite(end):
                    self._bound(var, j, side, float(end))

    def _bound(self, var, j: int, side: str, end: float) -> None:
        """As a row, by the domain, or as the Var's own."""
        w, label = self.w, (side, self.f, j)
        if label not in w.wanted and w.chance(0.2):
            self.rows.add(var >= end if side == "lower" else var <= end)
        elif (side, end) == ("lower", 0.0) and w.chance(0.5):
            var.domain = pyo.NonNegativeReals
        elif side == "lower":
            var.setlb(end)
        else:
            var.setub(end)
        if label in w.wanted:
            w.at[label] = self.turn * self.block.dual_of(var, bound=side)

    def _write_rows(self) -> None:
        written, signs = {}, {}
        for r in range(len(self.data.lo)):
            written[r], signs[r] = self._row(r)
        style = self.w.one_of("listed", "indexed", "single")
        if style == "indexed":
            self.home.row = pyo.Constraint(list(written), rule=lambda _, r: written[r])
            found = {r: self.home.row[r] for r in written}
        elif style == "listed":
            found = {r: self.rows.add(row) for r, row in written.items()}
        else:
            for r, row in written.items():
                self.home.add_component(f"row{r}", pyo.Constraint(expr=row))
            found = {r: self.home.component(f"row{r}") for r in written}
        for r, row in found.items():
            if ("row", self.f, r) in self.w.wanted:
                sign = signs[r] * self.turn
                self.w.at["row", self.f, r] = sign * self.block.dual_of(row)

    def _row(self, r: int):
        """(the row, sign of its dual against that of A x + B u)."""
        data, w = self.data, self.w
        own = [float(a) * w.at["x", self.f, j] for j, a in enumerate(data.A[r]) if a]
        theirs = [float(b) * w.at["u", j] for j, b in enumerate(data.B[r]) if b]
        lo, hi = float(data.lo[r]), float(data.hi[r])
        if np.isfinite(lo) and np.isfinite(hi) and lo != hi:
            body = w.total(own + theirs)
            return w.one_of(lambda: pyo.inequality(lo, body, hi), lambda: (lo, body, hi))(), 1
        split = bool(own and theirs) and w.chance(0.3)
        left = w.total(own if split else own + theirs)
        taken = w.total(theirs) if split else 0.0
        if lo == hi:
            right = lo - taken
            return (right - left == 0, -1) if w.chance(0.2) else (left == right, 1)
        turned = w.chance(0.3)
        if np.isfinite(lo):
            if split:
                return left >= lo - taken, -1  # Pyomo stores  lo - taken - left <= 0
            return (-left <= -lo, -1) if turned else (left >= lo, 1)
        if split:
            return left <= hi - taken, 1
        return (-left >= -hi, -1) if turned else (hi >= left, 1)

    def _cost(self) -> None:
        data, w, f = self.data, self.w, self.f
        turned = float(self.turn)
        terms = [turned * float(c) * w.at["x", f, j] for j, c in enumerate(data.c) if c]
        terms += [turned * float(d) * w.at["u", k] * w.at["x", f, j]
                  for (j, k), d in np.ndenumerate(data.D) if d]
        for (i, j), q in np.ndenumerate(data.Q):
            if q and i == j:
                terms.append(turned * 0.5 * float(q) * w.at["x", f, j] ** 2)
            elif q and i < j:
                terms.append(turned * float(q) * w.at["x", f, i] * w.at["x", f, j])
        cost = w.total(terms) if terms else 0.0 * w.at["x", f, 0]
        if w.chance(0.3):
            self.home.spent = pyo.Expression(expr=cost)
            cost = self.home.spent
        least = data.sense * self.turn == 1
        self.block.cost = pyo.Objective(expr=cost, sense=pyo.minimize if least else pyo.maximize)
