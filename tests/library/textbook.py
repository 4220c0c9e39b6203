"""Textbook problems of `textbook.toml` as Pyomo models."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pyomo.environ as pyo

import pyomo_dlmp as dlmp

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass
class Textbook:
    """One problem; `optimum` None where the bilevel is infeasible. `upper`, `lower`: Var bounds."""

    name: str
    source: str
    upper: dict
    lower: dict
    goal: str
    cost: str
    optimum: float | None = None
    infeasible: bool = False
    rows: list[str] = field(default_factory=list)
    upper_rows: list[str] = field(default_factory=list)

    def model(self) -> pyo.ConcreteModel:
        """Upper Vars on the model, the follower in `m.low`."""
        m = pyo.ConcreteModel()
        m.low = dlmp.LowerLevel()
        names = {}
        for block, bounds in ((m, self.upper), (m.low, self.lower)):
            for name, ends in bounds.items():
                block.add_component(name, pyo.Var(bounds=tuple(ends)))
                names[name] = block.component(name)

        def read(text):
            return eval(text, {"__builtins__": {}}, names)  # our own table

        m.goal = pyo.Objective(expr=read(self.goal))
        m.low.cost = pyo.Objective(expr=read(self.cost))
        for block, texts in ((m, self.upper_rows), (m.low, self.rows)):
            block.rows = pyo.ConstraintList()
            for text in texts:
                block.rows.add(read(text))
        return m


def textbook() -> list[Textbook]:
    """All problems of the table."""
    path = Path(__file__).with_name("textbook.toml")
    return [Textbook(**entry) for entry in tomllib.loads(path.read_text())["problem"]]
