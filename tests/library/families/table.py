"""The table of families: a name, and what is drawn from a seed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyomo.environ as pyo

from tests.library.families import edges, general, markets, networks
from tests.library.families.arrays import Bilevel, Units, in_units
from tests.library.families.oracle import Answer, brute_force
from tests.library.families.writing import write_model


@dataclass
class Instance:
    """One model of a family; its optimum is that of `drawn`, times the unit of the goal."""

    family: str
    seed: int
    drawn: Bilevel
    units: Units = field(default_factory=Units)

    def model(self) -> pyo.ConcreteModel:
        """A fresh Pyomo model; one seed is always written in one way."""
        return write_model(in_units(self.drawn, self.units), self.seed)

    def answer(self) -> Answer:
        """By brute force, in the model's units but for `u` and the duals."""
        found = brute_force(self.drawn)
        if found.optimum is not None:
            found.optimum *= self.units.goal
        return found


_DRAWN: dict[str, Callable[[np.random.Generator], Bilevel]] = {
    "lp-lp": general.lp_lp, "lp-qp": general.lp_qp, "qp-lp": general.qp_lp,
    "qp-qp": general.qp_qp, "products above": general.products_above,
    "degenerate": general.degenerate, "redundant": general.redundant,
    "free Vars": general.free_vars, "equations only": general.equality_only,
    "integers": general.integers, "several followers": general.several_followers,
    "fixed and ranged": general.fixed_and_ranged, "tolls": networks.tolls,
    "interdicted flow": networks.interdict_flow, "interdicted path": networks.interdict_path,
    "retailer": networks.retailer, "stackelberg": networks.stackelberg,
    "producer, quantity": markets.producer_quantity, "producer, price": markets.producer_price,
    "price cap": markets.price_cap, "payment, all": markets.payment_of_all,
    "payment, some": markets.payment_of_some, "congestion rent": markets.congestion_rent,
    "large multipliers": edges.large_multipliers, "other units": edges.base_of_scaled,
    "infeasible": edges.infeasible, "unbounded": edges.unbounded,
}


def _family(name: str) -> Callable[[int], Instance]:
    def build(seed: int) -> Instance:
        rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
        drawn = _DRAWN[name](rng)
        return Instance(name, seed, drawn, edges.units(rng) if name == "other units" else Units())

    return build


def described() -> dict[str, str]:
    """{family: what is drawn, in a sentence}."""
    return {name: (make.__doc__ or "").strip().split("\n")[0].rstrip(".")
            for name, make in _DRAWN.items()}


FAMILIES: dict[str, Callable[[int], Instance]] = {name: _family(name) for name in _DRAWN}
