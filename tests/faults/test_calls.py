"""4,000 calls of constructors and functions with values that do not belong there.

Each is right or a `DlmpError` that says where, what and how to cure it; nothing else is raised, and
Pyomo prints nothing.
"""

from __future__ import annotations

import random
from dataclasses import fields

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.blocks import Horizon
from pyomo_dlmp.errors import DlmpError, NetworkError
from pyomo_dlmp.market import build_bilevel
from pyomo_dlmp.market.workload import (
    Interactive,
    Job,
    LlmService,
    Servers,
    Smoothing,
    Training,
    Ups,
)
from pyomo_dlmp.market.workload_checks import check_workload
from pyomo_dlmp.network import find_faults
from pyomo_dlmp.opf import OpfOptions
from pyomo_dlmp.opf.load_scale import load_series
from tests.faults.junk import NOWHERE_RIGHT, check_error, junk

I3 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
CODE = dlmp.LineCode(name="code", r=I3, x=I3, b=I3)
DAY = dlmp.Profile(name="day", values=(0.5, 1.0))
ELEMENTS = [
    dlmp.Bus(name="s", kv=4.8), dlmp.Bus(name="t", kv=4.8, v_min=0.9, v_max=1.1, x=1.0, y=2.0),
    dlmp.Bus(name="u", kv=0.48), dlmp.Bus(name="w", kv=4.8), dlmp.Bus(name="leg", kv=0.24,
                                                                      phases="12"),
    dlmp.Substation(name="grid", bus="s", r=I3, x=I3),
    dlmp.Line(name="l", from_bus="s", to_bus="t", code=CODE, length=1.0, rating_kva=900.0),
    dlmp.Regulator(name="reg", from_bus="t", to_bus="w", taps={"a": 1, "b": 1, "c": 1}, kva=500.0,
                   x_percent=1.0),
    dlmp.Transformer(name="xfm", from_bus="t", to_bus="u", kva=100.0, r_percent=1.0, x_percent=2.0),
    dlmp.CenterTappedTransformer(name="ct", from_bus="t", to_bus="leg", leg="a", kva=25.0,
                                 r_percent=(0.6, 1.2, 1.2), x_percent=(2.0, 2.0, 1.4)),
    dlmp.Load(name="d", bus="t", legs=("a",), kw=(100.0,), kvar=(0.0,), profile="day", kv=2.7),
    dlmp.Generator(name="g", bus="t", kw_max=50.0, cost=20.0, cost2=1.0, kva=60.0),
    dlmp.Storage(name="b", bus="t", kw_max=5.0, kwh_max=10.0, kwh_start=5.0),
    dlmp.Capacitor(name="c", bus="t", legs=("a",), kvar=(5.0,)),
    dlmp.Datacenter(name="dc", bus="t", kw=100.0, ramp_kw=50.0),
    dlmp.StaticVarGenerator(name="svg", bus="t", kvar=50.0),
]
NETWORK = {"name": "n", "elements": ELEMENTS, "description": "d", "source": "s",
           "profiles": [DAY], "frequency": 60.0}
NET = dlmp.Network(**NETWORK)
TINY = dlmp.Network("tiny", [e for e in ELEMENTS if e.name in ("s", "t", "grid", "l", "d", "dc")],
                    profiles=[DAY])
OPTIONS = {
    "periods": 2, "hours": 1.0, "price": [1.0, 2.0], "load_scale": {"d": [1.0, 2.0]},
    "losses": None, "voltage_limits": "soft", "v_min": 0.9, "v_max": 1.1, "penalty": 100.0,
    "thermal_sides": 8, "thermal_penalty": 10.0, "angles": True, "datacenter_kw": {"dc": 50.0},
    "operating_point": None, "unbalance": None, "price_takers": []}
WORKLOAD = {
    "servers": (Servers(site="dc", count=1000.0),), "interactive": (
        Interactive(name="web", rate=(1000.0, 500.0), sites=("dc",)),),
    "jobs": (Job(name="j", arrival=0, deadline=2, mwh=0.01, kw_max=20.0),),
    "ups": (Ups(site="dc", kw=5.0, kwh=5.0),),
    "llm": (LlmService(name="chat", tokens=(2e3, 3e3), replicas=2.0, model="Llama-3.1-8B"),),
    "training": (Training(name="tune", site="dc", gpus=10.0, gpu_hours=15.0, arrival=0,
                          deadline=2),),
    "smoothing": (Smoothing(site="dc", kw=5.0, kwh=5.0, step_kw=30.0),)}
MARKET = {"network": TINY, "workload": 0.1, "opf": {"periods": 2}, "pays": "active",
          "tariff": [50.0, 60.0], "takers": {}, "averaged": False, "max_rounds": 3}
SOLVE = {"solver": "highs", "gap": 1e-3, "time_limit": 5.0, "progress": None, "threads": 1,
         "start": True, "mip_options": None, "explain": False, "check_bounds": True,
         "periods": None, "memory_limit": None, "checkpoint": None, "cache": None,
         "search": "auto", "complementarity": "auto", "products": "auto", "bits": 5,
         "segments": 8, "tighten": "auto", "remainder": True, "ranges": None, "bounds": None,
         "cutoff": None}


def pick(rng, values: dict) -> dict:
    """One to three of the values replaced by junk."""
    chosen = rng.sample(list(values), min(len(values), rng.choice([1, 1, 1, 2, 3])))
    return {**values, **{key: rng.choice(junk()) for key in chosen}}


def of(element) -> dict:
    return {field.name: getattr(element, field.name) for field in fields(element)}


def refuse(faults: list) -> None:
    if faults:
        raise NetworkError(faults)


def network_of(rng):
    given = pick(rng, NETWORK)
    return given, lambda: dlmp.Network(**given)


def network_with(rng):
    where = rng.randrange(len(ELEMENTS))
    given = pick(rng, of(ELEMENTS[where]))
    return given, lambda: dlmp.Network(
        "n", [*ELEMENTS[:where], type(ELEMENTS[where])(**given), *ELEMENTS[where + 1:]],
        profiles=[DAY])


def line_code(rng):
    given = pick(rng, of(CODE))
    return given, lambda: dlmp.Network("n", [*ELEMENTS[:6], dlmp.Line(
        name="l", from_bus="s", to_bus="t", length=1.0, code=dlmp.LineCode(**given)),
        *ELEMENTS[7:]], profiles=[DAY])


def element_alone(rng):
    """Junk in the place of an element."""
    given = {"element": rng.choice(junk())}
    return given, rng.choice([
        lambda: dlmp.Network("n", [*ELEMENTS, given["element"]], profiles=[DAY]),
        lambda: NET.with_devices(given["element"]), lambda: NET.without(given["element"]),
        lambda: NET.replacing(given["element"]), lambda: NET.devices_of(given["element"]),
        lambda: NET.kv_ln(given["element"]),
        lambda: refuse(find_faults("n", [*ELEMENTS, given["element"]], ["day"])),
        lambda: dlmp.Network("n", ELEMENTS, profiles=[DAY, given["element"]])])


def profile(rng):
    given = pick(rng, {**of(DAY), "periods": 4, "hours": 1.0})
    shape = {key: given[key] for key in of(DAY)}
    return given, lambda: (dlmp.Network("n", ELEMENTS, profiles=[dlmp.Profile(**shape)]),
                           dlmp.Profile(**shape).series(given["periods"], given["hours"]))


def options(rng):
    given = pick(rng, OPTIONS)
    return given, lambda: OpfOptions(**given)


def opf(rng):
    given = pick(rng, {**OPTIONS, "network": TINY, "into": None})
    return given, lambda: dlmp.build_opf(**given)


def unbalance(rng):
    given = pick(rng, {"limit": 1.0, "penalty": 2.0, "price": 3.0, "buses": ["t"], "sides": 12})
    return given, lambda: dlmp.build_opf(TINY, unbalance=dlmp.Unbalance(**given))


def scale(rng):
    given = pick(rng, {"scale": 1.0, "hours": 1.0})
    return given, lambda: load_series(NET, given["scale"], [0, 1], given["hours"])


def horizon(rng):
    given = pick(rng, {"periods": 2, "hours": 1.0})
    return given, lambda: Horizon(pyo.ConcreteModel(), **given)


def part(rng):
    group = rng.choice(list(WORKLOAD))
    (one,) = WORKLOAD[group]
    given = pick(rng, of(one))
    return given, lambda: check_workload(dlmp.Workload(**{
        **WORKLOAD, group: (type(one)(**given),)}), ["dc"], [0, 1], "dca")


def workload(rng):
    given = pick(rng, {**WORKLOAD, "energy_mwh": None})
    return given, lambda: check_workload(dlmp.Workload(**given), ["dc"], [0, 1], "dca")


def market(rng):
    given = pick(rng, MARKET)
    return given, lambda: build_bilevel(dlmp.Market(**given))


def taker(rng):
    given = {"takers": {"they": rng.choice([
        rng.choice(junk()), (rng.choice(junk()), 0.05), (("dc",), rng.choice(junk()))])}}
    return given, lambda: build_bilevel(dlmp.Market(**{**MARKET, **given}))


def aggregator(rng):
    given = pick(rng, {"workload": 0.1, "pays": "active", "sites": ["dc"], "tariff": None,
                       "price_taker": False, "value_of_work": 1000.0})

    def call():
        m = pyo.ConcreteModel()
        m.dso = dlmp.LowerLevel()
        dlmp.build_opf(TINY, into=m.dso, periods=2)
        m.dca = dlmp.AggregatorBlock()
        m.dca.build(m.dso, **given)
    return given, call


def solving(rng):
    """Never solved: a wrong gap is among the faults of each call."""
    given = {**pick(rng, SOLVE), "gap": "wide"}
    return given, lambda: dlmp.solve_bilevel(rng.choice([BILEVEL, rng.choice(junk())]), **given)


def solving_markets(rng):
    given = {**pick(rng, SOLVE), "gap": "wide"}
    name = rng.choice(["strategic", "cooperative", rng.choice(junk())])
    return given, lambda: dlmp.solve_market(
        name, rng.choice([dlmp.Market(**MARKET), rng.choice(junk())]), **given)


def files(rng):
    given = {"a": rng.choice(junk())}
    return given, rng.choice([
        lambda: dlmp.load_feeder(given["a"]), lambda: dlmp.read_tables(given["a"]),
        lambda: dlmp.io.find_feeder(given["a"]), lambda: dlmp.study.read_study(given["a"]),
        lambda: dlmp.write_tables(given["a"], "/nowhere/at/all", length_unit="mi"),
        lambda: dlmp.write_tables(TINY, "/nowhere/at/all", code_unit=given["a"], licence=3),
        lambda: dlmp.solve_opf(given["a"]), lambda: dlmp.build_opf(given["a"]),
    ])


BILEVEL = build_bilevel(dlmp.Market(**MARKET))
CALLS = {maker.__name__: (maker, count) for maker, count in (
    (network_of, 300), (network_with, 900), (line_code, 100), (element_alone, 200), (profile, 150),
    (options, 500), (opf, 400), (unbalance, 150), (scale, 150), (horizon, 100), (part, 300),
    (workload, 150), (market, 150), (taker, 50), (aggregator, 100), (solving, 100),
    (solving_markets, 100), (files, 100))}


def test_there_are_four_thousand_calls():
    assert sum(count for _, count in CALLS.values()) == 4000


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_right_or_refused(name, caplog, capsys):
    maker, count = CALLS[name]
    refused = 0
    for seed in range(count):
        rng = random.Random(f"{name} {seed}")
        given, call = maker(rng)
        try:
            call()
        except DlmpError as error:
            check_error(error)
            refused += 1
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}") from error
        else:
            wrong = [key for key, value in given.items() if isinstance(value, NOWHERE_RIGHT)]
            assert not wrong, f"{name}, seed {seed}: accepts {wrong}"
    assert refused > count // 3
    assert not [r for r in caplog.records if r.name.startswith("pyomo.")]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("call, words", [
    (lambda: dlmp.build_opf(TINY, periods="ab"), "periods: is 'ab'"),
    (lambda: dlmp.build_opf(TINY, price="5"), "price: is '5'"),
    (lambda: dlmp.build_opf(TINY, periods=2, price={1.0, 2.0}), "price: is {1.0, 2.0}"),
    (lambda: dlmp.build_opf(TINY, price_takers="dc"), "price_takers: is 'dc'"),
    (lambda: dlmp.build_opf(TINY, unbalance=dlmp.Unbalance(limit=1, buses="t")), "buses: is 't'"),
    (lambda: dlmp.build_opf(TINY, thermal_sides=True), "thermal_sides: is True"),
    (lambda: dlmp.build_opf(TINY, load_scale=-1), "load_scale: is -1"),
    (lambda: dlmp.Network("n", "ab"), "its elements are 'ab'"),
    (lambda: dlmp.Network("n", ELEMENTS, profiles=DAY), "its profiles are Profile("),
    (lambda: dlmp.solve_market("strategic", dlmp.Market(**MARKET), gapp=1), "Did you mean 'gap'"),
])
def test_one_wrong_value_is_named(call, words):
    with pytest.raises(DlmpError) as caught:
        call()
    assert any(words in str(fault) for fault in caught.value.faults), str(caught.value)


def test_numbers_of_numpy_are_numbers_and_arrays_are_lists():
    m = dlmp.build_opf(TINY, periods=np.int64(2), hours=np.float64(0.5),
                       price=np.array([1.0, 2.0]), load_scale=np.array(1.0), v_min=np.float32(0.9))
    assert [pyo.value(p) for p in m.substation["grid"].price.values()] == [1.0, 2.0]
    load = dlmp.Load(
        name="d", bus="t", legs=np.array(["a"]), kw=np.array([3.0]), kvar=[np.int64(1)])
    net = dlmp.Network("n", [ELEMENTS[0], ELEMENTS[1], *ELEMENTS[5:7], load])
    assert net.loads["d"].kw == (3.0,) and net.total_kvar == 1


def test_a_network_does_not_change_with_the_lists_it_was_made_of():
    kw, taps = [3.0], {"a": 1, "b": 1, "c": 1}
    load = dlmp.Load(name="d", bus="t", legs=["a"], kw=kw, kvar=[1.0])
    regulator = dlmp.Regulator(name="reg", from_bus="t", to_bus="w", taps=taps)
    net = dlmp.Network("n", [*ELEMENTS[:2], ELEMENTS[3], *ELEMENTS[5:7], load, regulator])
    kw[0], taps["a"] = 99.0, 9
    assert net.total_kw == 3.0 and net.regulators["reg"].taps["a"] == 1


def test_a_model_is_not_begun_with_a_wrong_option():
    m = pyo.ConcreteModel()
    m.dso = dlmp.LowerLevel()
    before = list(m.dso.component_map())
    with pytest.raises(dlmp.ModelError) as caught:
        dlmp.build_opf(TINY, into=m.dso, periods=2, price=[1.0], v_min=2.0, losses="n",
                       datacenter_kw={"cd": 1.0}, unbalance=dlmp.Unbalance(limit=1, buses=["tt"]))
    assert len(caught.value.faults) == 5 and list(m.dso.component_map()) == before
