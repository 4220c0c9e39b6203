"""The README's datacenter pays as little as it can: brute force over its two hours."""

import re

import numpy as np
import pytest
from pyomo.common.collections import ComponentMap

from pyomo_dlmp.testing import assert_bilevel_optimal
from tests.test_docs import ROOT, examples_of


def test_the_example_is_optimal():
    ((code, _),) = examples_of(ROOT / "README.md")
    names: dict = {}
    exec(code, names)
    m, result, p = names["m"], names["result"], names["dso"].dc.p
    splits = np.linspace(0.1, 0.9, 41)  # MWh of the first hour, of 1 MWh in all
    best = assert_bilevel_optimal(m, result, decisions=lambda: (
        ComponentMap([(p[0], first), (p[1], 1.0 - first)]) for first in splits))
    assert result.objective == pytest.approx(best, rel=0.02)


def test_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / target).exists(), target
