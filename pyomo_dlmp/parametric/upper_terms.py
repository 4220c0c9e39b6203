"""The upper objective as terms of the parts: who multiplies what.

    F = linear upper terms + sum over parts of  sum coef a b,  a, b in {u, dual, x, 1} of that part

The duals of a part may only be used in a way that its critical regions know exactly: where they are
not unique the leader takes the best (optimistic), and the regions hold only the duals of points
nearby. Two cases are covered: the paid duals make up the derivative of the optimal cost (its
subgradients are limits of gradients: Rockafellar, Convex Analysis, 25.6), or the rows that are
tight together are in general position (`regions.general_position`).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.bilevel import upper_data
from pyomo_dlmp.bilevel.quadratics import quadratic_parts
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.columns import columns_of
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.parametric.condensed import CondensedQp, NotExplicit
from pyomo_dlmp.tolerances import RANK

Key = tuple[str, int, int]  # kind (u, x, y, mu), lower level, number there


@dataclass
class UpperTerms:
    """The upper level over plain Vars; all terms are those of the minimisation.

    Attributes
    ----------
    sense
        +1 minimises, -1 maximises.
    linear, constant, var_map
        {id of a Var: coefficient}, a number, {id of a Var: Var}.
    rows
        The upper Constraints.
    terms
        [(coefficient, Key, Key or None)] with at least one Key of a lower level.
    """

    sense: int
    linear: dict[int, float]
    constant: float
    var_map: dict
    rows: list
    terms: list[tuple[float, Key, Key | None]]

    @property
    def pays(self) -> bool:
        """Whether a dual is multiplied by an upper decision."""
        return any({"u"} < {a[0], b[0]} and {"y", "mu"} & {a[0], b[0]}
                   for _, a, b in self.terms if b is not None)

    def paid(self, lower: int) -> set[int]:
        """Equality rows of a lower level whose dual the objective uses."""
        return self._numbers("y", lower)

    def wanted(self, lower: int) -> set[int]:
        """Columns of a lower level that the objective uses."""
        return self._numbers("x", lower)

    def _numbers(self, kind: str, lower: int) -> set[int]:
        return {key[2] for _, *keys in self.terms for key in keys
                if key is not None and key[:2] == (kind, lower)}


def read_upper(model: Any, systems: list[KktSystem], objective: Any) -> UpperTerms:
    """Split the upper objective into linear upper terms and terms of the lower levels.

    Parameters
    ----------
    model
        The bilevel model.
    systems
        Its compiled lower levels.
    objective
        The upper Objective.

    Returns
    -------
    UpperTerms

    Raises
    ------
    NotExplicit
        The objective is not quadratic, multiplies a Var of no lower level, or there are SOS or
        logical constraints.
    """
    refuse_rules(model)
    rows = list(upper_data(model, pyo.Constraint))
    try:
        parts = quadratic_parts(objective.expr, objective.name)
    except ModelError as err:
        raise NotExplicit("the upper objective is not quadratic") from err
    of: dict[int, list[tuple[Key, float]]] = {}
    for number, kkt in enumerate(systems):
        for vid, found in _keys(kkt, number, parts.var_map).items():
            if vid not in of or of[vid][0][0][0] != "u":
                of[vid] = found
    sense = 1 if objective.sense == pyo.minimize else -1
    zero = _always_zero(systems, parts.var_map)
    terms: list[tuple[float, Key, Key | None]] = []
    linear: dict[int, float] = {}
    for vid, coef in parts.linear.items():
        if vid in zero:
            continue
        found = of.get(vid, [])
        if not found or found[0][0][0] == "u":
            linear[vid] = linear.get(vid, 0.0) + sense * coef
        else:
            terms += [(sense * coef * sign, key, None) for key, sign in found]
    for (i, j), coef in parts.quadratic.items():
        if coef == 0 or zero & {i, j}:
            continue
        one, other = of.get(i), of.get(j)
        if one is None or other is None:
            missing = parts.var_map[i if one is None else j]
            raise NotExplicit(
                f"the upper objective multiplies '{missing.name}', which no lower level uses")
        terms += [(sense * coef * s * t, a, b) for a, s in one for b, t in other]
    return UpperTerms(sense, linear, sense * parts.constant, parts.var_map, rows, terms)


def refuse_rules(model: Any) -> None:
    """NotExplicit where the upper level has SOS or logical constraints.

    Parameters
    ----------
    model
        The bilevel model.
    """
    for ctype in (pyo.SOSConstraint, pyo.LogicalConstraint):
        if any(True for _ in upper_data(model, ctype)):
            raise NotExplicit(f"the upper level has a {ctype.__name__}")


def _always_zero(systems: list[KktSystem], used: dict) -> set[int]:
    """Ids of the duals of bounds that do not exist, among the Vars in use.

    The dual of what is not in the lower level at all is left to the single level, which names it.
    """
    empty = [dual for kkt in systems for dual in kkt.duals.asked()
             if not dual.terms and id(dual.var) in used]
    for dual in empty:
        if not dual.known:
            raise NotExplicit(f"the upper objective uses the dual of '{dual.owner.name}', which "
                              "the lower level does not have")
    return {id(dual.var) for dual in empty}


def _keys(kkt: KktSystem, number: int,
          wanted: Container[int]) -> dict[int, list[tuple[Key, float]]]:
    """Where Vars stand: `columns_of`, with a kind for each of u, x, y, mu."""
    m, n, e = len(kkt.form.u), len(kkt.form.x), len(kkt.equality_rows)
    starts = (("u", 0), ("x", m), ("y", m + n), ("mu", m + n + e))
    found: dict[int, list[tuple[Key, float]]] = {}
    for vid, columns in columns_of(kkt, wanted).items():
        found[vid] = []
        for column, sign in columns:
            kind, start = [s for s in starts if s[1] <= column][-1]
            found[vid].append(((kind, number, column - start), sign))
    return found


@dataclass
class RegionObjective:
    """The terms of one part in the upper objective.

    Attributes
    ----------
    part
        The condensed part.
    quantities
        Keys of what its terms use; those of u are numbers of the part's own decisions.
    terms
        [(coefficient, quantity, quantity or -1)].
    complete
        Whether the paid duals make up derivatives of the optimal cost by entries of u, each in
        full, so that any optimal dual with these derivatives gives the same.
    """

    part: CondensedQp
    quantities: list[Key] = field(default_factory=list)
    terms: list[tuple[float, int, int]] = field(default_factory=list)
    complete: bool = False

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`terms` as (coefficients, first quantities, second quantities or -1)."""
        table = np.array(self.terms, dtype=float).reshape(-1, 3)
        return table[:, 0], table[:, 1].astype(int), table[:, 2].astype(int)

    def number(self, key: Key) -> int:
        """Position of a quantity; it is added where it is new."""
        if key not in self.quantities:
            self.quantities.append(key)
        return self.quantities.index(key)

    @property
    def uses_duals(self) -> bool:
        """Whether the terms use a dual of the part."""
        return any(key[0] in ("y", "mu") for key in self.quantities)

    @property
    def uses_x(self) -> bool:
        """Whether the terms use a column of the part."""
        return any(key[0] == "x" for key in self.quantities)


def assign_terms(upper: UpperTerms, systems: list[KktSystem],
                 parts: list[CondensedQp]) -> list[RegionObjective]:
    """Assign the terms of the upper objective to the parts.

    Parameters
    ----------
    upper
        The upper level.
    systems
        The compiled lower levels.
    parts
        Their condensed parts.

    Returns
    -------
    list of RegionObjective
        One for each part.

    Raises
    ------
    NotExplicit
        A term joins two parts, or uses a multiplier that no part has.
    """
    worths = [RegionObjective(part) for part in parts]
    home: dict[Key, int] = {}
    by_var: dict[int, set[int]] = {}
    for k, part in enumerate(parts):
        home |= {("y", part.lower, int(r)): k for r in part.paid}
        home |= {("x", part.lower, int(j)): k for j in part.wanted}
        home |= {("mu", part.lower, int(p)): k for p in part.pair}
        home |= {("mu", part.lower, p): k for p in part.gone}
        for j in part.u:
            by_var.setdefault(id(systems[part.lower].form.u[j]), set()).add(k)
    for coef, one, other in upper.terms:
        keys = [one] if other is None else [one, other]
        places = [home.get(key) if key[0] != "u" else None for key in keys]
        fixed = {k for k in places if k is not None}
        if any(k is None and key[0] != "u" for k, key in zip(places, keys, strict=True)):
            raise NotExplicit("the upper objective uses a multiplier that its condensed form "
                                 "does not have")
        mine = [by_var.get(_var(systems, key), set()) for key in keys if key[0] == "u"]
        able = set.intersection(*mine) if mine else fixed
        able = able & fixed if fixed else able
        if len(fixed) > 1 or not able:
            raise NotExplicit("a term of the upper objective joins different parts of it")
        worth = worths[min(able)]
        numbers = [worth.number(_local(worth.part, systems, key)) for key in keys]
        worth.terms.append((coef, numbers[0], numbers[1] if len(numbers) > 1 else -1))
    for worth in worths:
        worth.complete = _is_complete(worth, systems[worth.part.lower])
    return worths


def _var(systems, key: Key) -> int:
    return id(systems[key[1]].form.u[key[2]])


def _local(part: CondensedQp, systems, key: Key) -> Key:
    if key[0] != "u":
        return key
    form = systems[part.lower].form
    wanted = _var(systems, key)
    return ("u", part.lower, next(i for i, j in enumerate(part.u) if id(form.u[j]) == wanted))


def _is_complete(worth: RegionObjective, kkt: KktSystem) -> bool:
    """Whether the dual terms are  sum_j d_j u_j (derivative of the optimal cost by u_j),  d_j > 0.

    That is linear in the subgradient, whose extreme points are limits of gradients; a leader among
    several pays for its own u_j alone.
    """
    part = worth.part
    entries: dict[tuple[int, int], float] = {}
    for coef, a, b in worth.terms:
        kinds = sorted((worth.quantities[i] for i in (a, b) if i >= 0), reverse=True)
        if not {"y", "mu"} & {key[0] for key in kinds}:
            continue
        if [key[0] for key in kinds] != ["y", "u"]:
            return False
        place = (kinds[0][2], kinds[1][2])
        entries[place] = entries.get(place, 0.0) + coef
    if not entries:
        return True
    B = kkt.B_eq[:, part.u].tocoo()
    own, mine = set(part.rows.tolist()), {j for _, j in entries}
    needed = {(int(r), int(j)): float(v) for r, j, v in zip(B.row, B.col, B.data, strict=True)
              if int(r) in own and int(j) in mine}
    if not part.plain or needed.keys() != entries.keys():
        return False
    ratios = {j: np.array([entries[key] / needed[key] for key in needed if key[1] == j])
              for j in mine}
    return all(bool(np.ptp(ratio) <= RANK * np.abs(ratio).max() and -kkt.sigma * ratio[0] > 0)
               for ratio in ratios.values())
