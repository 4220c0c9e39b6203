"""A device that the package does not know: from a feeder table to a price and a report."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import pandas as pd
import pyomo.environ as pyo
import pytest
from pyomo.core.base.block import declare_custom_block

import pyomo_dlmp as dlmp
from pyomo_dlmp.blocks import BalancedBlockData, DeviceBlockData, unregister_device
from pyomo_dlmp.errors import FeederFileError, StudyFileError
from pyomo_dlmp.network import Column, Device, MultiphaseDevice, Range
from pyomo_dlmp.results import dispatch_table, prices_table
from pyomo_dlmp.study import read_study, run_study
from tests.feeders import engine


@dataclass(frozen=True, kw_only=True)
class HeatPump(MultiphaseDevice):
    """A heat pump that may run below the power that its house would like, at a cost of comfort.

    `kw_wanted`: what the house would like; `comfort`: $ per MW^2 below it and hour.
    """

    word = "heat_pump"
    plural = "heat_pumps"
    draws = True

    kw_max: Annotated[float, Range(0, unit="kW")]
    kw_wanted: Annotated[float, Range(0, unit="kW"), Column("comfortable_kw")]
    comfort: Annotated[float, Range(0, unit="$/MW^2h")] = 2000.0
    power_factor: Annotated[float, Range(0, 1, above=True)] = 0.98

    @property
    def tan_phi(self) -> float:
        return math.tan(math.acos(self.power_factor))

    def findings(self) -> Iterator[tuple[str, str]]:
        if self.kw_wanted > self.kw_max:
            yield (f"kw_wanted {self.kw_wanted:g} exceeds kw_max {self.kw_max:g}",
                   "Give kw_wanted <= kw_max.")
        yield from super().findings()

    def nominal_power(self) -> tuple[float, float]:
        return -self.kw_wanted, -self.kw_wanted * self.tan_phi


@declare_custom_block(name="HeatPumpBlock")
class HeatPumpBlockData(BalancedBlockData):
    """Var `p[t]`: MW drawn in all."""

    def build(self, device, horizon, bus):
        self.p = pyo.Var(horizon.periods, bounds=(0, device.kw_max / 1000), initialize=0.0)
        self.attach(device, horizon, bus)
        self.cost = pyo.Expression(horizon.periods, initialize={
            t: horizon.hours * device.comfort * (device.kw_wanted / 1000 - self.p[t]) ** 2
            for t in horizon.labels})

    def total(self, t):
        return -self.p[t], -self.device.tan_phi * self.p[t]

    def settings(self, t, p, q):
        return [(self.p[t], -sum(p))]


PUMPS = """name,bus,phases,connection,kw_max,comfortable_kw,power_factor
hp1,730,abc,wye,60,50,0.98
hp2,711,abc,delta,40,30,0.95
hp3,744,ab,delta,40,30,0.95
"""


@pytest.fixture
def registered():
    dlmp.extend.register_device(HeatPump, HeatPumpBlock)  # noqa: F821  (made by declare_custom_block)
    yield
    unregister_device("heat_pump")


@pytest.fixture
def folder(tmp_path, registered):
    """The tables of IEEE 37 with a table of heat pumps."""
    path = tmp_path / "feeder"
    dlmp.write_tables(dlmp.load_feeder("ieee37"), path)
    (path / "heat_pumps.csv").write_text(PUMPS, encoding="utf-8")
    return path


@pytest.fixture
def net(folder):
    return dlmp.read_tables(folder)


def test_tables(net, tmp_path):
    assert set(net.devices_of("heat_pump")) == {"hp1", "hp2", "hp3"} == set(net.heat_pumps)
    assert net.heat_pumps["hp1"] == HeatPump(name="hp1", bus="730", kw_max=60, kw_wanted=50)
    again = dlmp.read_tables(dlmp.write_tables(net, tmp_path / "again"))
    assert again == net
    text = (tmp_path / "again" / "heat_pumps.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "name,bus,phases,connection,kw_max,comfortable_kw,power_factor"


def test_from_table_to_price_dispatch_and_power_flow(net):
    m = dlmp.build_opf(net, periods=2, price=[30, 90], hours=0.5)
    dlmp.solve_opf(m)
    prices = prices_table(m).set_index(["bus", "period", "quantity"])["value"]
    for name in ("hp1", "hp2"):  # three equal legs pay the mean of the phases
        pump, block = net.heat_pumps[name], m.heat_pump[name]
        for t in (0, 1):
            active, reactive = (prices[pump.bus, t, q].mean() for q in ("active", "reactive"))
            lost = 2 * pump.comfort * (pump.kw_wanted / 1000 - block.p[t].value)
            assert lost == pytest.approx(active + pump.tan_phi * reactive, rel=1e-6)
    table = dispatch_table(m, net).query("kind == 'heat_pump' and element == 'hp1'")
    assert list(table["bus"].unique()) == ["730"] and len(table) == 4
    drawn = table[table["quantity"] == "active"].set_index("period")["value"]
    assert drawn[0] == pytest.approx(m.heat_pump["hp1"].p[0].value) and drawn[0] > drawn[1] > 0

    engine()
    ac = dlmp.ac_power_flow(net, m, hours=0.5)
    p, q = ac.point.injections["hp2", 0]
    assert -sum(p) == pytest.approx(m.heat_pump["hp2"].p[0].value)
    assert sum(q) / sum(p) == pytest.approx(net.heat_pumps["hp2"].tan_phi)
    by_table = dlmp.ac_power_flow(net, dispatch_table(m, net), hours=0.5)
    assert by_table.losses[0] == pytest.approx(ac.losses[0], abs=1e-9)
    nominal = dlmp.ac_power_flow(net, {"hp1": -50.0, "hp2": (-30.0, -10.0)})
    assert nominal.converged and nominal.point.injections["hp3", 0][0] == (-0.03,)
    exact = dlmp.solve_ac_opf(net, periods=1, price=50)
    assert exact.settled and exact.engine_difference < 1e-6
    table, _ = dlmp.validate_feeder(net)
    assert table.query("form == 'AC'")["max_error"].iloc[0] < 1e-6


def test_leg_of_a_pair_moves_power_as_the_delta_map_says(net):
    m = dlmp.build_opf(net)
    block, bus = m.heat_pump["hp3"], m.bus["744"]
    assert block.conductors == {"ab": ("a", "b")}
    block.p[0].set_value(0.03)
    before = {k: pyo.value(bus.net_p[k, 0]) for k in "ab"}
    block.p[0].set_value(0.0)
    moved = [before[k] - pyo.value(bus.net_p[k, 0]) for k in "ab"]
    turned = 0.03 * block.device.tan_phi / (2 * math.sqrt(3))
    assert moved == pytest.approx([-0.015 - turned, -0.015 + turned])


STUDY = """
feeder = "{feeder}"
[time]
periods = 2
[dso]
price = [30, 60]
[check]
ac = true
[aggregator]
energy_share = 0.5
[[datacenter]]
name = "dc"
bus = "711"
kw = 300
[[heat_pump]]
name = "more"
bus = "720"
kw_max = 80
kw_wanted = 70
"""


def test_study_and_report(folder, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(feeder=folder.as_posix()), encoding="utf-8")
    (result,) = run_study(read_study(path), results=tmp_path / "out")
    assert result.outcome.status == "optimal" and result.tables["audit"]["passed"].all()
    dispatch = pd.read_csv(tmp_path / "out" / "dispatch.csv")
    assert set(dispatch.query("kind == 'heat_pump'")["element"]) == {"hp1", "hp2", "hp3", "more"}
    assert "<html" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_study_names_a_wrong_key(folder, tmp_path):
    path = tmp_path / "study.toml"
    text = STUDY.format(feeder=folder.as_posix())
    path.write_text(text.replace("kw_wanted", "kw_wantd"), encoding="utf-8")
    with pytest.raises(StudyFileError, match=r"heat_pump 'more'.*'kw_wantd'.*'kw_wanted'"):
        read_study(path)


@pytest.mark.parametrize("wrong, message", [
    ({"kw_max": -5}, "heat_pump 'hp': kw_max is -5. It must be at least 0 kW."),
    ({"kw_max": "much"}, "heat_pump 'hp': kw_max is 'much'. It must be a number."),
    ({"kw_wanted": 90}, "heat_pump 'hp': kw_wanted 90 exceeds kw_max 60. Give kw_wanted <="),
    ({"bus": "7300"}, "heat_pump 'hp': bus '7300' is not a bus. Did you mean '730'"),
    ({"phases": "x"}, "heat_pump 'hp': phases is 'x'. Give some of a, b, c"),
])
def test_bad_values_are_named(registered, wrong, message):
    pump = HeatPump(**{"name": "hp", "bus": "730", "kw_max": 60, "kw_wanted": 50, **wrong})
    with pytest.raises(dlmp.errors.NetworkError) as caught:
        dlmp.load_feeder("ieee37").with_devices(pump)
    assert message in str(caught.value)


def test_bad_cells_are_named(folder):
    (folder / "heat_pumps.csv").write_text(PUMPS.replace("60,50", "60,warm"), encoding="utf-8")
    with pytest.raises(FeederFileError, match=r"heat_pumps.csv, row 2, column 'comfortable_kw'"):
        dlmp.read_tables(folder)


def test_a_class_that_is_not_registered():
    pump = HeatPump(name="hp", bus="730", kw_max=60, kw_wanted=50)
    with pytest.raises(dlmp.errors.NetworkError, match="register_device"):
        dlmp.load_feeder("ieee37").with_devices(pump)
    with pytest.raises(dlmp.errors.NetworkError, match="'heat_pump' is not a kind of device"):
        dlmp.load_feeder("ieee37").devices_of("heat_pump")


def test_a_kind_that_was_forgotten_is_never_left_out_silently(net, folder):
    assert dlmp.build_opf(net).heat_pump
    unregister_device("heat_pump")
    with pytest.raises(dlmp.errors.ModelError, match=r"heat_pump 'hp1'.*register_device"):
        dlmp.build_opf(net)
    with pytest.raises(FeederFileError, match=r"heat_pumps\.csv.*register_device"):
        dlmp.read_tables(folder)


@declare_custom_block(name="PlainBlock")
class PlainBlockData(DeviceBlockData):
    """Of nothing."""


@dataclass(frozen=True, kw_only=True)
class Legless(Device):
    """No legs."""

    word = "legless"
    plural = "leglesses"


@dataclass(frozen=True, kw_only=True)
class Usurper(MultiphaseDevice):
    """Takes the word of another."""

    word = "storage"
    plural = "accumulators"


@dataclass(frozen=True, kw_only=True)
class Lines(MultiphaseDevice):
    """Takes the table of another."""

    word = "cable"
    plural = "lines"


@pytest.mark.parametrize("cls, message", [
    (dict, "not a dataclass made from Device"), (MultiphaseDevice, "has word None"),
    (Legless, "has no legs"), (Usurper, "of Storage"), (Lines, "takes the plural 'lines'"),
])
def test_what_cannot_be_registered(cls, message):
    with pytest.raises(dlmp.ModelError, match=message):
        dlmp.extend.register_device(cls, PlainBlock)  # noqa: F821
    with pytest.raises(dlmp.ModelError, match="declare_custom_block"):
        dlmp.extend.register_device(HeatPump, dict)


@dataclass(frozen=True, kw_only=True)
class Charger(MultiphaseDevice):
    """A charging station whose aggregator decides its power."""

    word = "charger"
    plural = "chargers"
    draws = True

    kw_max: Annotated[float, Range(0, unit="kW")]


@declare_custom_block(name="ChargerBlock")
class ChargerBlockData(BalancedBlockData):
    """Var `p[t]`: MW drawn in all."""

    owner = "aggregator"

    def build(self, device, horizon, bus):
        self.p = pyo.Var(horizon.periods, bounds=(0, device.kw_max / 1000), initialize=0.0)
        self.attach(device, horizon, bus)

    def total(self, t):
        return -self.p[t], 0.0

    def decisions(self):
        yield self.p

    def hold(self, t, mw=None):
        self.p[t].fix(0.0 if mw is None else mw)


def test_a_device_that_the_upper_level_decides():
    dlmp.extend.register_device(Charger, ChargerBlock)  # noqa: F821
    try:
        net = dlmp.load_feeder("ieee37").with_devices(Charger(name="ev", bus="730", kw_max=300))
        alone = dlmp.build_opf(net, periods=2, datacenter_kw={"ev": [100, 0]})
        assert [alone.charger["ev"].p[t].value for t in (0, 1)] == [0.1, 0.0]
        m = pyo.ConcreteModel()
        m.dso = dlmp.LowerLevel()
        dlmp.build_opf(net, periods=2, price=[30, 60], into=m.dso)
        p, bus = m.dso.charger["ev"].p, m.dso.bus["730"]
        assert m.dso.is_upper(p[0])
        price = m.dso.dual_of(bus.balance_p)
        m.energy = pyo.Constraint(expr=p[0] + p[1] == 0.4)
        m.pay = pyo.Objective(expr=sum(price[k, t] * p[t] / 3 for k in "abc" for t in (0, 1)))
        result = dlmp.solve_bilevel(m, gap=1e-4)
        assert result.status == "optimal" and p[0].value == pytest.approx(0.3, abs=1e-6)
    finally:
        unregister_device("charger")
