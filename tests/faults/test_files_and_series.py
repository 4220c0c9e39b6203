"""Paths, names and numbers of calls about files and series that are none: refused by name."""

import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import DlmpError, path_of
from pyomo_dlmp.records import compare_results, load_results, load_saved_network, save_results
from pyomo_dlmp.report import read_results
from tests.faults.junk import check_error, junk
from tests.faults.test_calls import MARKET, TINY

PATHS = [value for value in junk() if not isinstance(value, str)] + ["", " ", "7\x00", "x" * 5000]


def solved_dso(network):
    m = dlmp.build_opf(network, periods=1)
    dlmp.solve_opf(m)
    return m


def table():
    return pd.DataFrame({"price": [30.0, 60.0]})


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return save_results(tmp_path_factory.mktemp("kept") / "a.dlmp", solved_dso(TINY), TINY)


@pytest.mark.parametrize("call", [
    lambda path: path_of(path, "file"), load_results, load_saved_network, read_results,
    lambda path: save_results(path, None, TINY),
    lambda path: dlmp.solve_series(dlmp.Market(**MARKET), table(), folder=path)])
def test_what_is_no_path(call):
    for path in PATHS:
        if path is None:
            continue
        with pytest.raises(DlmpError) as caught:
            call(path)
        check_error(caught.value)


@pytest.mark.parametrize("wrong", [
    {"columns": 3.0}, {"columns": {"price": 3.0}}, {"step": None}, {"horizon": 2.5},
    {"workers": True}, {"judge": float("nan")}, {"buses": "t"}, {"name": None}])
def test_arguments_of_a_series(wrong):
    with pytest.raises(DlmpError) as caught:
        dlmp.solve_series(dlmp.Market(**MARKET), table(), **wrong)
    check_error(caught.value)
    assert next(iter(wrong)) in str(caught.value)


@pytest.mark.parametrize("wrong", [
    {"tolerance": 10**400}, {"tolerance": True}, {"cases": 5}, {"cases": {"OPF": None}},
    {"cases": {}}])
def test_arguments_of_a_comparison(kept, wrong):
    with pytest.raises(DlmpError) as caught:
        compare_results(kept, kept, **wrong)
    check_error(caught.value)


@pytest.mark.parametrize("wrong", [{"title": 3}, {"parts": ...}, {"of": None}, {"of": 5}])
def test_arguments_of_what_is_saved(kept, wrong):
    with pytest.raises(DlmpError) as caught:
        save_results(kept, kept if "of" not in wrong else solved_dso(TINY),
                     **{"of": TINY, **wrong})
    check_error(caught.value)
