"""Where the Vars of a model stand among the columns (u, x, y, mu) of one lower level."""

from __future__ import annotations

from collections.abc import Container
from itertools import chain

from pyomo_dlmp.lower.kkt_system import KktSystem


def columns_of(kkt: KktSystem, wanted: Container[int] | None = None
               ) -> dict[int, list[tuple[int, float]]]:
    """Where the Vars of a model stand among the columns (u, x, y, mu) of a lower level.

    Parameters
    ----------
    kkt
        The lower level, with m upper Vars, n own ones, e equality rows.
    wanted
        Ids of the Vars that are asked for, few of many thousands; None: all.

    Returns
    -------
    dict
        {id of a Var: [(column, sign)]}: u has columns 0 .. m - 1, then x, y, mu; a dual Var of the
        user is the signed sum of its columns.
    """
    form = kkt.form
    first = len(form.u) + len(form.x)
    ids = map(id, chain(form.u, form.x))
    where = {i: [(j, 1.0)] for j, i in enumerate(ids) if wanted is None or i in wanted}
    for dual in kkt.duals.asked():
        if dual.terms and (wanted is None or id(dual.var) in wanted):
            where[id(dual.var)] = [(first + column, sign) for column, sign in dual.terms]
    return where
