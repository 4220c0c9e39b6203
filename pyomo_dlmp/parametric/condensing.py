"""From a lower level to its condensed parts, and again where only numbers have changed.

A part is x = Kw w + Kp p + k0. The maps Kw, Kp and all products of them with matrices are found by
one elimination of the power flow; limits, costs and right-hand sides only enter vectors. Parts
with the same matrices (the hours of a linear feeder) therefore share one `Maps`, and new numbers
cost a few products with vectors. Nothing here is n x n.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.components import component_labels, groups_by_label
from pyomo_dlmp.numerics.sparse import block
from pyomo_dlmp.parametric.condensed import CondensedQp, NotExplicit, Shape, screen
from pyomo_dlmp.parametric.flows import Flows, flows_of
from pyomo_dlmp.parametric.moved import Moved, same_places

_UNNAMED = "unknown"  # what Pyomo calls a model without a name


@dataclass(eq=False)
class Maps:
    """What the numbers of a part do not change; local numbers of columns, rows and pairs.

    Attributes
    ----------
    key, pattern
        Fingerprints of the matrices it was made of, and of the places of their entries.
    shape
        Which rows the part has whatever their numbers.
    u
        Columns of its upper decisions among the form's.
    flows
        The maps of all its columns.
    rest, rest_rows
        The other equality rows, and their entries.
    own
        Mask of the pairs that are rows of A: all but the bounds of penalty columns.
    penalty, row_of, coef
        Penalty columns, the pair that each relaxes, its coefficient there.
    S
        Slacks of the pairs in the part's columns.
    A, T, C, F
        As of `CondensedQp`, before rows are left out.
    wanted
        Columns whose value is wanted.
    plain
        As of `CondensedQp`.
    """

    key: bytes
    pattern: bytes
    shape: Shape
    u: np.ndarray
    flows: Flows
    rest: np.ndarray
    rest_rows: sp.csr_matrix
    own: np.ndarray
    penalty: np.ndarray
    row_of: np.ndarray
    coef: np.ndarray
    S: sp.csr_matrix
    A: np.ndarray
    T: np.ndarray
    C: np.ndarray
    F: np.ndarray
    wanted: np.ndarray
    plain: bool


@dataclass(eq=False)
class Curvature:
    """What the quadratic terms of a part make of its maps.

    Q, D are those of the minimisation in the part's columns; H, E, R as of `CondensedQp`.
    """

    Q: sp.csr_matrix
    D: sp.csr_matrix
    H: np.ndarray
    E: np.ndarray
    R: np.ndarray


@dataclass(eq=False)
class Members:
    """What belongs to a part: columns of the form, equality rows, pairs, paid rows, wanted."""

    columns: np.ndarray
    rows: np.ndarray
    pairs: np.ndarray
    paid: np.ndarray
    wanted: np.ndarray


class Parts(Sequence[CondensedQp]):
    """The condensed parts of a lower level, and what finding them again would cost.

    Parameters
    ----------
    parts, members, maps, curvatures
        The parts, what belongs to each, and what its numbers do not change.
    made_of
        The lower level, the paid rows and wanted columns that they are of.
    """

    def __init__(self, parts: list[CondensedQp], members: list[Members], maps: list[Maps],
                 curvatures: list[Curvature], made_of: tuple[KktSystem, np.ndarray, np.ndarray]):
        self.parts, self.members, self.maps = parts, members, maps
        self.curvatures, self.made_of = curvatures, made_of

    def __getitem__(self, k):
        return self.parts[k]

    def __len__(self) -> int:
        return len(self.parts)


def condense(kkt: KktSystem, paid: Iterable[int], wanted: Iterable[int],
             box: tuple[np.ndarray, np.ndarray], number: int = 0,
             previous: Parts | None = None) -> Parts:
    """The parts of a lower level that contain an upper decision, a paid row or a wanted column.

    Parameters
    ----------
    kkt
        The lower level.
    paid
        Numbers (among the equality rows) of the rows whose dual is wanted.
    wanted
        Numbers of the columns whose value is wanted.
    box
        (lo, hi) of the form's upper Vars, shapes (m,).
    number
        Of the lower level in the model.
    previous
        What an earlier call returned: of this or of another lower level with other numbers. What
        is the same in it is taken, and compared before.

    Returns
    -------
    Parts
        A sequence of CondensedQp; the same objects as before where nothing of a part differs.

    Raises
    ------
    NotExplicit
        A part is too large to condense, or the violation of a soft limit is wanted.
    """
    paid, wanted = np.asarray(sorted(paid), int), np.asarray(sorted(wanted), int)
    made_of = (kkt, paid, wanted)
    relaxing = _relaxing(kkt)
    moved: Moved | None = None
    if previous is not None and same_places(previous.made_of, made_of):
        members, old = previous.members, previous.made_of[0]
        before, moved = relaxing if old is kkt else _relaxing(old), Moved(old, kkt)
        alike: list = [None if moved.turned(mine) or not _same_roles(
            old, kkt, before, relaxing, mine.columns) else maps
            for maps, mine in zip(previous.maps, members, strict=True)]
    else:
        members = _members(kkt, paid, wanted)
        alike = [None] * len(members)
    known = {} if previous is None else {
        key: maps for maps in previous.maps for key in (maps.key, maps.pattern)}
    shared: dict = {}
    parts, curvatures = [], []
    for k, mine in enumerate(members):
        held = None if alike[k] is None else previous
        if alike[k] is None:
            alike[k] = _maps(kkt, mine, relaxing, known)
        if held is None or moved is None or moved.bent(mine):
            curvatures.append(_curvature(kkt, mine, alike[k], shared))
        else:
            curvatures.append(held.curvatures[k])
            if not moved.shifted(mine, held[k], box, number):
                parts.append(held[k])
                continue
        parts.append(_numbers(kkt, mine, alike[k], curvatures[k], box, number))
    return Parts(parts, members, alike, curvatures, made_of)


def _members(kkt: KktSystem, paid: np.ndarray, wanted: np.ndarray) -> list[Members]:
    """The connected parts that matter."""
    form = kkt.form
    label, row_label = component_labels(form.A, form.Q)
    is_row = kkt.is_row
    touches = np.zeros(label.max(initial=-1) + 1, dtype=bool)
    eq_label = row_label[kkt.equality_rows]
    used = np.flatnonzero(np.diff(form.B.indptr) > 0)
    used = used[np.diff(form.A[used].indptr) > 0]
    touches[row_label[used]] = True
    touches[label[np.flatnonzero(np.diff(form.D.indptr))]] = True
    touches[eq_label[paid]] = True
    touches[label[wanted]] = True
    pair_label = np.empty(kkt.pairs, dtype=int)
    pair_label[is_row] = row_label[kkt.index[is_row]]
    pair_label[~is_row] = label[kkt.index[~is_row]]
    columns, rows, pairs = map(groups_by_label, (label, eq_label, pair_label))
    none = np.empty(0, int)
    return [Members(columns.get(k, none), rows.get(k, none), pairs.get(k, none),
                    paid[eq_label[paid] == k], wanted[label[wanted] == k])
            for k in np.flatnonzero(touches).tolist()]


def _relaxing(kkt: KktSystem) -> np.ndarray:
    """Mask of the columns that may relax a row at a cost: from 0 up, with a positive cost."""
    form = kkt.form
    return (form.lb == 0) & np.isinf(form.ub) & (kkt.sigma * form.c > 0)


def _same_roles(old: KktSystem, new: KktSystem, before: np.ndarray, relaxing: np.ndarray,
                columns: np.ndarray) -> bool:
    """Whether the same columns are free, and the same may be penalties."""
    return old is new or (
        np.array_equal(relaxing[columns], before[columns])
        and np.array_equal(_bounded(new, columns), _bounded(old, columns)))


def _bounded(kkt: KktSystem, columns: np.ndarray) -> np.ndarray:
    return np.isfinite(kkt.form.lb[columns]) | np.isfinite(kkt.form.ub[columns])


def _maps(kkt: KktSystem, part: Members, relaxing: np.ndarray, known: dict) -> Maps:
    """The maps of a part; those of a part with the same matrices where there is one."""
    form = kkt.form
    columns, rows, pairs = part.columns, part.rows, part.pairs
    S, A_eq = block(kkt.S, pairs, columns), block(kkt.A_eq, rows, columns)
    every = np.arange(len(form.u))
    T, B_eq = block(kkt.T, pairs, every), block(kkt.B_eq, rows, every)
    D = block(form.D, columns, every)
    plain_cost = (np.diff(form.Q.indptr)[columns] == 0) & (np.diff(D.indptr) == 0)
    u = np.unique(np.concatenate([B_eq.indices, T.indices, D.indices]))
    B_eq, T = block(kkt.B_eq, rows, u), block(kkt.T, pairs, u)
    paid, wanted = np.searchsorted(rows, part.paid), np.searchsorted(columns, part.wanted)
    key = _digest([paid, kkt.is_row[pairs], kkt.is_lower[pairs], wanted, relaxing[columns],
                   _bounded(kkt, columns), plain_cost, np.array([D.nnz]), S, T, A_eq, B_eq])
    if key in known:
        return known[key] if np.array_equal(known[key].u, u) else replace(known[key], u=u)
    places = [a for M in (A_eq, B_eq, S, T) for a in (M.indptr, M.indices)]
    n, m, k = len(columns), len(u), len(paid)
    shift = sp.csr_matrix((np.ones(k), (paid, np.arange(k))), shape=(len(rows), k))
    E = sp.hstack([A_eq, B_eq, shift], format="csr")
    penalty, row_of, coef = _penalties(kkt, part, relaxing[columns] & plain_cost, A_eq, S)
    if np.isin(wanted, penalty).any():
        raise NotExplicit("the upper level uses the violation of a soft limit")
    pattern = _digest([paid, wanted, penalty, _bounded(kkt, columns), *places])
    like = known.get(pattern)
    flows = flows_of(E, ~_bounded(kkt, columns), penalty, len(pairs),
                     None if like is None else like.flows)
    Kw, Kp = flows.Kw, flows.Kp
    Tp = np.zeros((len(pairs), m + k))
    Tp[:, :m] = T.toarray()
    rest = np.setdiff1d(np.arange(len(rows)), flows.used)
    own = kkt.is_row[pairs] | ~np.isin(kkt.index[pairs], columns[penalty])
    found = Maps(
        key=key, pattern=pattern, shape=_shape(kkt, part, u, own, places), u=u, flows=flows,
        rest=rest, rest_rows=A_eq[rest], own=own, penalty=penalty, row_of=row_of, coef=coef,
        S=S, A=(S @ Kw)[own], T=(S @ Kp + Tp)[own],
        C=A_eq[rest] @ Kw, F=A_eq[rest] @ Kp + E[rest][:, n:].toarray(), wanted=wanted,
        plain=not (T.nnz or D.nnz))
    known[key] = known[pattern] = found
    return found


def _curvature(kkt: KktSystem, part: Members, maps: Maps, shared: dict) -> Curvature:
    """Products of the maps with the quadratic terms; the same for parts that share both."""
    columns = part.columns
    Q = kkt.sigma * block(kkt.form.Q, columns, columns)
    D = kkt.sigma * block(kkt.form.D, columns, maps.u)
    key = maps.key, _digest([Q, D])
    if key not in shared:
        Kw, Kp = maps.flows.Kw, maps.flows.Kp
        Dp = np.zeros(Kp.shape)
        Dp[:, :len(maps.u)] = D.toarray()
        QKp, cross = Q @ Kp, Kp.T @ Dp
        shared[key] = Curvature(Q, D, Kw.T @ (Q @ Kw), Kw.T @ (QKp + Dp),
                                Kp.T @ QKp + cross + cross.T)
    return shared[key]


def _shape(kkt: KktSystem, part: Members, decisions: np.ndarray, own: np.ndarray,
           places: list) -> Shape:
    """What the part has in common with those of other numbers: no entry, no period, no name."""
    pairs, form = part.pairs, kkt.form
    rank = np.unique(kkt.index[pairs] + np.where(kkt.is_row[pairs], 0, len(form.rows)),
                     return_inverse=True)[1]
    rows = _digest([np.array([len(part.columns), len(part.rows), len(decisions)]),
                    np.searchsorted(part.rows, part.paid), own, kkt.is_row[pairs],
                    kkt.is_lower[pairs], rank])
    entries = _digest([rows, *places])
    names = [form.u[j].name.rpartition("[")[0] or form.u[j].name for j in decisions[:3]]
    more = " ..." if len(decisions) > len(names) else ""
    model = form.block.model().name
    title = ("" if model == _UNNAMED else f"{model}: ") + (
        f"{own.sum()} limits of {form.block.name} over {', '.join(names)}{more}")
    return Shape(rows, entries, int(own.sum()), title)


def _digest(items: list) -> bytes:
    text = hashlib.sha256()
    for item in items:
        if isinstance(item, bytes):
            text.update(item)
            continue
        arrays = (item.indptr, item.indices, item.data) if sp.issparse(item) else (item,)
        for array in arrays:
            text.update(f"{array.dtype.kind}{array.shape}".encode())
            text.update(array.tobytes())
    return text.digest()


def _numbers(kkt: KktSystem, part: Members, maps: Maps, curved: Curvature, box,
             number: int) -> CondensedQp:
    """A part at the present right-hand sides, limits and costs."""
    form = kkt.form
    columns, rows, pairs = part.columns, part.rows, part.pairs
    right = kkt.b_eq[rows]
    k0 = maps.flows.start(right)
    Kw, Kp = maps.flows.Kw, maps.flows.Kp
    c, r = kkt.sigma * form.c[columns] + curved.Q @ k0, np.zeros(Kp.shape[1])
    r[:len(maps.u)] = curved.D.T @ k0
    cap = np.full(len(pairs), np.inf)
    cap[maps.row_of] = kkt.sigma * form.c[columns[maps.penalty]] / maps.coef
    own = maps.own
    condensed = CondensedQp(
        lower=number, rows=rows, w=columns[maps.flows.w], u=maps.u, paid=part.paid,
        H=curved.H, g=Kw.T @ c, E=curved.E, R=curved.R, r=Kp.T @ c + r,
        pair=pairs[own], A=maps.A, T=maps.T, s=(maps.S @ k0 + kkt.s0[pairs])[own], cap=cap[own],
        C=maps.C, F=maps.F, f=right[maps.rest] - maps.rest_rows @ k0,
        wanted=part.wanted, Xw=Kw[maps.wanted], Xp=Kp[maps.wanted],
        x0=k0[maps.wanted], gone={}, rest=rows[maps.rest], soft_pair=pairs[maps.row_of],
        soft_column=columns[maps.penalty], soft_coef=maps.coef, lo=box[0][maps.u],
        hi=box[1][maps.u], plain=maps.plain, place=np.arange(int(own.sum())),
        always=np.empty(0, int), shape=maps.shape)
    return screen(condensed, form.lb, form.ub)


def _penalties(kkt: KktSystem, part: Members, able: np.ndarray, A_eq, S):
    """(columns that only relax one row at a cost, that row among the pairs, coefficient).

    Such a column is able to (`_relaxing`, no quadratic or upper term), and stands in one row pair
    with a positive coefficient (and in its own bound).
    """
    simple = able & (A_eq.getnnz(axis=0) == 0)
    of_rows = np.flatnonzero(kkt.is_row[part.pairs])
    rows = S[of_rows].tocsc()
    simple &= np.diff(rows.indptr) == 1
    found = np.flatnonzero(simple)
    first = rows.indptr[found]
    row, coef = of_rows[rows.indices[first]], rows.data[first]
    _, which, count = np.unique(row, return_inverse=True, return_counts=True)
    good = (count[which] == 1) & (coef > 0)  # two penalties in one row: neither is taken
    return found[good], row[good], coef[good]
