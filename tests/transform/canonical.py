"""A model as text that depends on the model alone: sorted, with names, rounded to ten digits.

One line each: the objective; the objectives that are switched off; every active row; pairs; SOS
sets; rows that binaries imply; every Var that one of these uses, with its domain and bounds. Unlike
an .lp file the text does not depend on the order of declaration, on a writer, or on a solver.
"""

import math

import pyomo.environ as pyo
from pyomo.core.expr.visitor import identify_variables
from pyomo.mpec import Complementarity
from pyomo.repn import generate_standard_repn

from pyomo_dlmp.bilevel import guard_of, lower_levels
from pyomo_dlmp.transform.complementarity.indicator import guards_off, implications_of


def canonical_text(model) -> str:
    """The active part of a model as sorted lines; the same model gives the same text."""
    sections: dict[str, list[str]] = {
        "objective": [f"{o.name}: {'min' if o.is_minimizing() else 'max'} {_terms(o.expr)}"
                      for o in _data(model, pyo.Objective)],
        "objectives switched off": [
            o.name for o in model.component_data_objects(pyo.Objective) if not o.active],
        "rows": [_row(con) for con in _data(model, pyo.Constraint)],
        "complementarity": [_pair(pair) for pair in _data(model, Complementarity)],
        "sos sets": [_sos(sos) for sos in _data(model, pyo.SOSConstraint)],
        "vars": [_var(var) for var in _used(model)],
    }
    implied = [f"{binary.name} = {value} implies {_row(row)}"
               for row, binary, value in implications_of(model)]
    if implied:  # of one mode alone
        sections["implied rows"] = implied
    text = []
    for title, lines in sections.items():
        text += [f"[{title}]", *sorted(lines), ""]
    return "\n".join(text)


def _data(model, ctype):
    """Active data of a kind, but the rows that only refuse to be solved untransformed."""
    guards = {id(guard_of(block)) for block in lower_levels(model)}
    with guards_off(model):
        return [data for data in model.component_data_objects(ctype, active=True)
                if id(data) not in guards]


def _used(model):
    """Vars of the active rows, pairs, sets and objective, each once."""
    found = {}
    for o in _data(model, pyo.Objective):
        found |= {v.name: v for v in identify_variables(o.expr, include_fixed=False)}
    for con in _data(model, pyo.Constraint):
        found |= {v.name: v for v in identify_variables(con.body, include_fixed=False)}
    for pair in _data(model, Complementarity):
        for arg in pair._args:
            found |= {v.name: v for v in identify_variables(arg, include_fixed=False)}
    for sos in _data(model, pyo.SOSConstraint):
        found |= {v.name: v for v in sos.variables}
    for row, binary, _ in implications_of(model):
        found |= {v.name: v for v in (binary, *identify_variables(row.body, include_fixed=False))}
    return found.values()


def _number(value) -> str:
    """Ten digits, and no negative zero."""
    return "none" if value is None or math.isinf(value) else f"{value + 0.0:.10g}"


def _terms(expression) -> str:
    """Linear terms, then products, each in order of names; the constant last."""
    repn = generate_standard_repn(expression, compute_values=True, quadratic=True)
    assert repn.nonlinear_expr is None, f"not quadratic: {expression}"
    terms = sorted((var.name, coef) for coef, var in zip(
        repn.linear_coefs, repn.linear_vars, strict=True))
    products = sorted((" * ".join(sorted((one.name, other.name))), coef)
                      for coef, (one, other) in zip(
                          repn.quadratic_coefs, repn.quadratic_vars, strict=True))
    text = [f"{_number(coef)} {name}" for name, coef in [*terms, *products] if coef]
    if repn.constant or not text:
        text.append(_number(repn.constant))
    return " + ".join(text).replace("+ -", "- ")


def _row(con) -> str:
    """Its body against its ends; a constant in the body is moved to them."""
    repn = generate_standard_repn(con.body, compute_values=True, quadratic=True)
    lo, hi = (None if end is None else end - repn.constant for end in (con.lb, con.ub))
    body = _terms(con.body - repn.constant)
    if lo is not None and lo == hi:
        return f"{con.name}: {body} = {_number(lo)}"
    left = "" if lo is None else f"{_number(lo)} <= "
    right = "" if hi is None else f" <= {_number(hi)}"
    return f"{con.name}: {left}{body}{right}"


def _pair(pair) -> str:
    """Both sides of a pair, as relations; see `pyomo.mpec.complements`."""
    def side(arg):
        if not arg.is_relational():
            return _terms(arg)
        ends = [arg.args[0], arg.args[-1]] if len(arg.args) == 2 else list(arg.args)
        return " <= ".join(_terms(end) for end in ends)

    return f"{pair.name}: " + "  _|_  ".join(side(arg) for arg in pair._args)


def _sos(sos) -> str:
    members = sorted((weight, var.name) for var, weight in sos.get_items())
    return f"{sos.name}: SOS{sos.level} " + ", ".join(
        f"{name} ({_number(weight)})" for weight, name in members)


def _var(var) -> str:
    kind = "binary" if var.is_binary() else "integer" if var.is_integer() else "real"
    return f"{var.name}: {kind} [{_number(var.lb)}, {_number(var.ub)}]"
