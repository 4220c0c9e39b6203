"""Every row that a reformulation writes, as committed text: also the rows that do not bind.

The optimum alone does not show a redundant row, a row with a wrong sign that never binds, or a
bound that is wider than need be. After a wanted change: `pytest tests/transform --update-golden`,
and read the difference before it is committed.
"""

import difflib
from pathlib import Path

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.transform.complementarity import MODES
from pyomo_dlmp.transform.options import PRODUCTS
from tests.models import bard, bilinear, price_payer, ranged_maximiser
from tests.transform.canonical import canonical_text

GOLDEN = Path(__file__).with_name("golden")
SMALL = {"bits": 2, "segments": 2}


def linear_payer():
    return price_payer(quadratic=False)


def options_of(mode: str) -> dict:
    """A local solver is assumed for products of pairs, as for big-M a solver of MILPs."""
    return {"capabilities": {"nlp"}} if mode == "product" else {}


CASES = {
    f"{make.__name__}-{mode}": (make, "dlmp.single_level", {
        "complementarity": mode, **SMALL, **options_of(mode)})
    for make in (bard, price_payer, linear_payer, ranged_maximiser)
    for mode in ("bigm", "sos1", "indicator", "strong_duality", "product")
    # u * x in the duality gap of ranged_maximiser would need a lower bound of x
    if (make, mode) != (ranged_maximiser, "strong_duality")
} | {
    f"{make.__name__}-kkt": (make, "dlmp.kkt", {})
    for make in (bard, price_payer, ranged_maximiser)
} | {
    f"{make.__name__}-{mode}-{products}": (make, "dlmp.single_level", {
        "complementarity": mode, "products": products, **SMALL})
    for make, mode in ((price_payer, "bigm"), (linear_payer, "strong_duality"))
    for products in ("binary_expansion", "mccormick", "keep")
} | {
    "price_payer-bigm-strong_duality": (price_payer, "dlmp.single_level", {
        "complementarity": "bigm", "products": "strong_duality"}),
    "price_payer-grid": (price_payer, "dlmp.single_level", {
        "products": "binary_expansion", "bits": 2, "remainder": False}),
    "bilinear-mccormick": (bilinear, "dlmp.mccormick", {"segments": 2}),
    "bilinear-binary_expansion": (bilinear, "dlmp.binary_expansion", {"bits": 2}),
    "bilinear-binary_expansion-remainder": (
        bilinear, "dlmp.binary_expansion", {"bits": 2, "remainder": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_row_as_committed(case, request):
    make, name, options = CASES[case]
    m = make()
    pyo.TransformationFactory(name).apply_to(m, **options)
    text, file = canonical_text(m), GOLDEN / f"{case}.txt"
    if request.config.getoption("--update-golden"):
        file.write_text(text, encoding="utf-8")
    assert file.exists(), f"no {file.name}: run pytest {__file__} --update-golden"
    known = file.read_text(encoding="utf-8")
    difference = "\n".join(difflib.unified_diff(
        known.splitlines(), text.splitlines(), "committed", "written now", lineterm="", n=0))
    assert text == known, difference


def test_every_mode_and_every_treatment_has_a_text():
    modes = {options.get("complementarity") for _, _, options in CASES.values()} | {"mpec"}
    products = {options.get("products", "auto") for _, _, options in CASES.values()}
    assert modes >= set(MODES) and products >= set(PRODUCTS)
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(CASES)


def test_a_clone_has_the_same_text():
    m = price_payer()
    pyo.TransformationFactory("dlmp.single_level").apply_to(m, **SMALL)
    assert canonical_text(m.clone()) == canonical_text(m)


def test_the_text_shows_a_row_that_does_not_bind():
    m = bard()
    before = canonical_text(m)
    m.low.rows.add(m.x + m.low.y <= 1000)
    assert canonical_text(m) != before


def test_the_text_without_the_transformation_is_the_models_own():
    m = bard()
    before = canonical_text(m)
    dlmp.solve_bilevel(m)
    assert canonical_text(m) == before
