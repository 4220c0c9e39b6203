"""`tighten`: bound tightening as a separate step, to be read, checked and used again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.bilevel import lower_levels
from pyomo_dlmp.bilevel.components import refuse_statements
from pyomo_dlmp.bounds.labels import Source
from pyomo_dlmp.bounds.pair_bounds import PairBounds
from pyomo_dlmp.bounds.prove import prove_bounds
from pyomo_dlmp.bounds.upper_view import upper_views
from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.tolerances import NEVER_BINDS


@dataclass(repr=False)
class ProvedBounds:
    """What is proved of each lower level's pairs.

    Give it to ``solve_bilevel(m, proved=...)`` or ``dlmp.single_level`` in place of a new proof.

    Attributes
    ----------
    systems, bounds
        The compiled lower levels and the bounds of each.
    cutoff
        Upper objective of the known point that the bounds rely on; None: they hold everywhere.
    """

    systems: list[KktSystem]
    bounds: list[PairBounds]
    cutoff: float | None = None

    def __repr__(self) -> str:
        pairs = sum(kkt.pairs for kkt in self.systems)
        names = ", ".join(kkt.form.block.name for kkt in self.systems)
        return f"<ProvedBounds of {names}, {pairs} pairs; see table() and check()>"

    def table(self) -> pd.DataFrame:
        """One row for each pair.

        Returns
        -------
        pandas.DataFrame
            Columns lower_level, pair, state (open, never binds, always binds, settled), slack_bound
            (unit of the row), slack_source, slack_certificate, multiplier_bound (lower cost per
            unit of the row), multiplier_source, multiplier_certificate. A certificate is "k rows"
            (weights of k rows, see `check`), "propagation" (interval arithmetic along the rows),
            "vertices", "solved" (the lower level alone, at upper decisions that are given) or
            "data".
        """
        frames = []
        for kkt, b in zip(self.systems, self.bounds, strict=True):
            frames.append(pd.DataFrame({
                "lower_level": kkt.form.block.name, "pair": kkt.label, "state": b.state,
                "slack_bound": b.slack, "slack_source": b.slack_source,
                "slack_certificate": _kinds(b, "slack", b.slack_source),
                "multiplier_bound": b.mu, "multiplier_source": b.mu_source,
                "multiplier_certificate": _kinds(b, "mu", b.mu_source)}))
        return pd.concat(frames, ignore_index=True)

    def check(self) -> float:
        """Greatest relative amount by which a bound is below what its certificate proves.

        Returns
        -------
        float
            Computed from the certificates' weights and rows alone; at most rounding (1e-9) where
            all of them hold.
        """
        worst = 0.0
        for b in self.bounds:
            for (kind, p), proof in b.certificates.items():
                claimed = (b.slack if kind == "slack" else b.mu)[p]
                value = proof.value()
                if value > NEVER_BINDS:  # less is taken for zero
                    worst = max(worst, (value - claimed) / (1.0 + abs(value)))
        return float(worst)

    def of(self, kkt: KktSystem) -> PairBounds:
        """The bounds of a lower level that was compiled again.

        Parameters
        ----------
        kkt
            The lower level.

        Returns
        -------
        PairBounds

        Raises
        ------
        ModelError
            The lower level has changed since they were proved.
        """
        for known, bounds in zip(self.systems, self.bounds, strict=True):
            if known.form.block is kkt.form.block and _same(known, kkt):
                return bounds
        raise ModelError.at(
            kkt.form.block.name, "is not the lower level that `proved` was made for",
            "Call dlmp.tighten(model) again after changing the model.")


@renamed_arguments(everything="all_pairs")
def tighten(model: Any, cutoff: float | None = None, all_pairs: bool = True) -> ProvedBounds:
    """Which rows can bind over the upper level's range, and bounds on the others' multipliers.

    Intervals first, then linear programs over the reduced KKT system and the upper rows. The model
    is not changed.

    Parameters
    ----------
    model
        A bilevel model, not transformed.
    cutoff
        The upper objective of a known bilevel-feasible point: bounds then hold for points at least
        as good.
    all_pairs
        Tighten all pairs, not only those without a finite bound.

    Returns
    -------
    ProvedBounds

    Raises
    ------
    ModelError
        The model has no LowerLevel, or one that is not a convex LP or QP.
    """
    blocks = lower_levels(model)
    if not blocks:
        raise ModelError.at(model.name, "has no active LowerLevel",
                            "Add one: m.dso = dlmp.LowerLevel().")
    refuse_statements(model, besides=("sos",))
    with PauseGC():
        systems = [build_kkt(compile_lower(block)) for block in blocks]
        views = upper_views(model, systems, cutoff)
        bounds = [prove_bounds(kkt, {}, "all" if all_pairs else "auto", view)[0]
                  for kkt, view in zip(systems, views, strict=True)]
    if cutoff is not None:
        for b in bounds:
            b.mark_cutoff()
    return ProvedBounds(systems, bounds, cutoff)


_NAMES = {Source.INTERVAL: "propagation", Source.VERTEX: "vertices", Source.USER: "data"}


def _kinds(b: PairBounds, kind: str, sources) -> list[str]:
    found = []
    for p, source in enumerate(sources):
        proof = b.certificates.get((kind, p))
        plain = source.split(",")[0]
        of_rows = proof is not None and plain in (Source.LP, Source.VERTEX)
        found.append(f"{len(proof.at)} rows" if proof is not None and of_rows
                     else _NAMES.get(plain, plain))
    return found


def _same(one: KktSystem, other: KktSystem) -> bool:
    pairs = [(a, b) for name in ("A_eq", "B_eq", "S", "T")
             for a, b in [(getattr(one, name), getattr(other, name))]]
    pairs += [(one.form.Q, other.form.Q), (one.form.D, other.form.D)]
    arrays = [(one.b_eq, other.b_eq), (one.s0, other.s0), (one.form.c, other.form.c)]
    return all(a.shape == b.shape and (a != b).nnz == 0 for a, b in pairs) and all(
        np.array_equal(a, b) for a, b in arrays)
