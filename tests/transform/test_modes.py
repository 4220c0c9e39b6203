"""A complementarity mode is one object: one from outside the package is as good as its own."""

import ast
import re
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.search.presolve import reduce_program
from pyomo_dlmp.search.start import first_point
from pyomo_dlmp.solvers import solver_table
from pyomo_dlmp.transform.compile import compile_program
from pyomo_dlmp.transform.complementarity import MODES, Mode, modes_of, register_mode
from pyomo_dlmp.transform.record import single_level_data
from tests.library.prices import strategic_consumer
from tests.library.textbook import textbook
from tests.solve.test_small_bilevels import unbounded_price

ROOT = Path(dlmp.__file__).parent


class TwoBinaries(Mode):
    """slack <= S free, mu <= M paid, free + paid <= 1, both binary."""

    name = "two_binaries"
    needs = frozenset({"milp"})

    def needs_bounds(self, capabilities):
        return True

    def add(self, lower, pairs, eps):
        block, labels = lower.block, [lower.kkt.label[p] for p in pairs]
        block.free, block.paid = (pyo.Var(labels, domain=pyo.Binary) for _ in range(2))
        block.either = pyo.ConstraintList()
        for p, label in zip(pairs, labels, strict=True):
            top_slack, top_mu = float(lower.bounds.slack[p]), float(lower.bounds.mu[p])
            block.either.add(block.free[label] + block.paid[label] <= 1)
            block.either.add(lower.slack_expression(
                p, ((-top_slack, block.free[label]),)) <= 0)
            block.either.add(lower.mu[p] <= top_mu * block.paid[label])

    def fill(self, lower, pairs, mu, slack):
        for p in pairs:
            label = lower.kkt.label[p]
            yield lower.block.free[label], float(slack[p] > mu[p])
            yield lower.block.paid[label], float(slack[p] <= mu[p])


@pytest.fixture
def two_binaries(registries):
    register_mode(TwoBinaries())
    return "two_binaries"


def problems():
    return [(p.name, p.model, p.optimum) for p in textbook()]


def test_it_solves_the_textbook_problems(two_binaries):
    agreed = 0
    for name, make, optimum in problems():
        try:
            result = dlmp.solve_bilevel(make(), complementarity=two_binaries, gap=1e-6,
                                        time_limit=20, explain=False)
        except (dlmp.BoundError, dlmp.ModelError):
            continue  # no bound, or no linear lower level: as for big-M
        if result.status == "optimal":
            assert result.objective == pytest.approx(optimum, rel=1e-5, abs=1e-5), name
            agreed += 1
        else:
            assert result.status != "infeasible" or optimum is None, name
    assert agreed >= 25


def test_it_pays_prices_as_big_m_does(two_binaries):
    make = strategic_consumer().model
    mine = dlmp.solve_bilevel(make(), complementarity=two_binaries, gap=1e-6)
    theirs = dlmp.solve_bilevel(make(), complementarity="bigm", gap=1e-6)
    assert mine.objective == pytest.approx(theirs.objective, rel=1e-5)
    assert mine.audit.passed


def test_its_start_values_make_a_first_point(two_binaries):
    m = strategic_consumer().model()
    pyo.TransformationFactory("dlmp.single_level").apply_to(m, complementarity=two_binaries)
    record = single_level_data(m)
    program = compile_program(m)
    small, elimination = reduce_program(program, record.lowers)
    point, _ = first_point(record, program, small, elimination)
    assert point is not None and np.isfinite(small.value(point))


def test_it_is_in_the_options_and_in_the_table_of_solvers(two_binaries):
    assert two_binaries in modes_of({"milp"}) and two_binaries not in modes_of({"sos1"})
    table = solver_table().set_index("solver")
    assert two_binaries in table.loc["highs", "modes"].split()
    m = strategic_consumer().model()
    dlmp.solve_bilevel(m, complementarity="bigm", complementarity_of={"low.row": two_binaries})
    with pytest.raises(dlmp.ModelError, match="Did you mean 'two_binaries'"):
        dlmp.solve_bilevel(m, complementarity="two_binarys")


def test_a_missing_bound_names_the_mode_and_the_way_out(two_binaries):
    with pytest.raises(dlmp.BoundError, match=r"two_binaries needs a bound.*needs no bounds"):
        dlmp.solve_bilevel(unbounded_price(), complementarity=two_binaries, search="single_level")
    result = dlmp.solve_bilevel(unbounded_price(), complementarity=two_binaries)
    assert result.status == "unbounded"
    assert any("branching on pairs" in note and "two_binaries" in note for note in result.notes)


@pytest.mark.parametrize("name", ["bigm", "auto", "explicit"])
def test_a_taken_name_is_refused(name):
    mode = TwoBinaries()
    mode.name = name
    with pytest.raises(dlmp.ModelError, match="already"):
        register_mode(mode)


# words of modes that mean something else where they stand
OTHER_MEANINGS = {
    "sos1": {"transform/rewriting.py", "solvers/interfaces.py",  # a capability of solvers
             "solvers/probes.py"},
    "indicator": {"solvers/interfaces.py", "solvers/probes.py", "transform/products/rewrite.py"},
    "strong_duality": {"transform/options.py", "transform/products/rewrite.py"},  # of `products`
    "binds": {"report/figures/regimes.py", "results/schema.py",  # a column of a table
              "report/live/proofs.py"},
    "product": {"search/product_ranges.py", "transform/products/linearise.py"},  # a block
}
OWN_COMPONENTS = ("active_side", "slack_of", "slack_value", "gap_eps", "duality_gap", "binds")
CLASSES = {type(mode).__name__ for mode in MODES.values()}


def test_no_mode_is_known_by_name_outside_its_room():
    wrong = []
    for file in sorted(ROOT.rglob("*.py")):
        name = str(file.relative_to(ROOT))
        if name.startswith("transform/complementarity/"):
            continue
        text = file.read_text(encoding="utf-8")
        words = {node.value for node in ast.walk(ast.parse(text))
                 if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        for word in (set(MODES) | set(OWN_COMPONENTS)) & words:
            if name not in OTHER_MEANINGS.get(word, set()):
                wrong.append(f"{name}: {word!r}")
        for cls in CLASSES:
            if re.search(rf"\b{cls}\b", text) and (name, cls) != (
                    "transform/single_level.py", "Mpec"):  # dlmp.kkt is that mode
                wrong.append(f"{name}: {cls}")
    assert not wrong, "\n".join(wrong)
