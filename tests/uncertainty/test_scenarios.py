"""Scenarios: how they are made, what is read from them, and what is wrong with them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.uncertainty import Scenarios, check_scenarios, without_supply
from tests.series.tiny import DC, LOAD, market
from tests.uncertainty.tables import day_table, history


def said(call, *args, **kwargs):
    """Every fault, one a line."""
    with pytest.raises(ModelError) as err:
        call(*args, **kwargs)
    return "\n".join(map(str, err.value.faults))


def of_arrays(**how):
    return Scenarios.of_arrays(price=[[30.0, 60.0], [20.0, 90.0]], **how)


def same(one, other):
    assert one.names == other.names
    assert np.allclose(one.probabilities, other.probabilities)
    assert list(one.numbers) == list(other.numbers)
    assert all(np.allclose(one.numbers[c], other.numbers[c]) for c in one.numbers)
    assert dict(one.outages) == dict(other.outages)


# ------------------------------------------------------------------------------------ arrays


def test_of_arrays():
    made = of_arrays(energy_mwh=[1.0, 1.2], load_scale=[0.5, 0.7], outages={"s2": ["l"]})
    assert made.names == ("s1", "s2") and made.count == len(made) == 2 and made.periods == 2
    assert made.probabilities.tolist() == [0.5, 0.5]
    assert made.numbers["energy_mwh"].sum(axis=1).tolist() == [1.0, 1.2]  # one a scenario: its sum
    assert made.numbers["load_scale"].tolist() == [[0.5, 0.5], [0.7, 0.7]]
    assert made.of("s2")["price"].tolist() == [20.0, 90.0]
    assert made.outages == {"s2": ("l",)}
    dotted = Scenarios.of_arrays({"load_scale.l": [0.5, 1.0]}, periods=3, names=["low", "high"],
                                 probabilities={"high": 0.25, "low": 0.75})
    assert dotted.numbers["load_scale.l"].shape == (2, 3)
    assert dotted.probability("high") == 0.25
    assert Scenarios.of_arrays(price=np.array([[1, 2]])).numbers["price"].dtype == float


def test_what_is_read_from_them():
    made = of_arrays(probabilities=[0.2, 0.8], outages={"s1": ["l"]}, energy_mwh=[1.0, 2.0])
    mean = made.mean()
    assert mean.numbers["price"].tolist() == [[22.0, 84.0]] and mean.outages == {}
    assert mean.numbers["energy_mwh"].sum() == pytest.approx(1.8)
    one = made.subset(["s2"])
    assert one.probabilities.tolist() == [1.0] and one.outages == {}
    text = repr(made)
    assert "2 of 2 periods" in text and "outages in 1" in text
    assert "energy_mwh  1 to 2, mean 1.8 MWh a scenario" in text
    assert "Did you mean 's1'" in said(made.of, "S_1")
    assert "probability above 0" in said(of_arrays(probabilities=[0.0, 1.0]).subset, ["s1"])


def test_samples_follow_the_probabilities():
    made = of_arrays(probabilities=[0.2, 0.8])
    drawn = made.sample(20_000, seed=3)
    assert drawn.names == made.names
    assert drawn.probabilities == pytest.approx([0.2, 0.8], abs=0.02)
    assert made.sample(20_000, seed=3).probabilities.tolist() == drawn.probabilities.tolist()
    assert len(made.sample(1)) == 1


@pytest.mark.parametrize("how, words", [
    ({"probabilities": [0.5, 0.6]}, "probabilities: add to 1.1, not to 1"),
    ({"probabilities": [50, 50]}, "Divide percent by 100"),
    ({"probabilities": [-0.5, 1.5]}, "is -0.5, below 0, of scenario 's1'"),
    ({"probabilities": [float("nan"), 1.0]}, "no finite number, of scenario 's1'"),
    ({"probabilities": [1.0]}, "has 1 numbers for 2 scenarios"),
    ({"probabilities": "half"}, "is 'half'"),
    ({"probabilities": {"s1": 0.5, "s3": 0.5}}, "lacks 's2'"),
    ({"names": ["a", "a"]}, "holds 'a' twice"),
    ({"names": ["a", "b", "c"]}, "the shape (2, 2), and there are 3 scenarios"),
    ({"load_scale": [[1.0] * 3] * 2}, "has 2 periods in column 'price' and 3 in 'load_scale'"),
    ({"load_scale": [[1.0, float("nan")]] * 2}, "is empty in scenario 's1', period 1 (2 such)"),
    ({"load_scale": [[1.0, float("inf")]] * 2}, "is infinite in scenario 's1', period 1"),
    ({"load_scale": [[1.0, -0.5], [1.0, 1.0]]}, "is -0.5 in scenario 's1', period 1"),
    ({"load_scale": [[50.0, 60.0]] * 2}, "divide percent by 100"),
    ({"energy_mwh": ["much", "more"]}, "column 'energy_mwh': is"),
    ({"pirce": [1.0, 2.0]}, "column 'pirce': is unknown. Did you mean 'price'?"),
    ({"available": [1.0, 2.0]}, "names no generator"),
    ({"outages": {"s3": ["l"]}}, "names 's3', which is no scenario. Known are 's1', 's2'"),
    ({"outages": {"s1": "l"}}, "outages of 's1': is 'l'"),
])
def test_faults_of_arrays(how, words):
    assert words in said(of_arrays, **how)


def test_all_faults_at_once():
    text = said(of_arrays, probabilities=[0.5, 0.4], pirce=[1.0, 1.0], outages={"s9": ["l"]})
    assert "add to 0.9" in text and "'pirce'" in text and "'s9'" in text
    assert "periods is not known" in said(Scenarios.of_arrays, energy_mwh=[1.0, 2.0])


# ------------------------------------------------------------------------------------- tables


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_table_and_back(count, periods, seed, out):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 1.0, count)
    made = Scenarios.of_arrays(
        {"price": rng.normal(50, 20, (count, periods)), "energy_mwh": rng.uniform(0, 2, count),
         "kw.dc": rng.uniform(100, 900, (count, periods))}, periods=periods,
        probabilities=weights / weights.sum(), outages={"s1": ("l", "dc")} if out else None)
    same(Scenarios.from_table(made.to_frame()), made)
    shuffled = made.to_frame().sample(frac=1.0, random_state=seed % 1000)
    read = Scenarios.from_table(shuffled)  # periods are ordered, scenarios as they come
    same(read.subset(made.names), made)


def test_a_file_is_its_table(tmp_path):
    table = day_table()
    table.to_csv(tmp_path / "s.csv", index=False)
    same(Scenarios.from_table(tmp_path / "s.csv"), Scenarios.from_table(table))
    assert "there is no file" in said(Scenarios.from_table, tmp_path / "no.csv")


def test_rows_by_time_by_order_and_by_index():
    table = day_table()
    made = Scenarios.from_table(table)
    same(Scenarios.from_table(table.drop(columns="period")), made)
    same(Scenarios.from_table(table.set_index(["scenario", "period"])), made)
    times = pd.date_range("2025-01-01", periods=3, freq="30min")
    timed = Scenarios.from_table(table.drop(columns="period").assign(time=list(times) * 2))
    same(timed, made)
    assert timed.hours == 0.5
    days = [t + pd.Timedelta(days=k) for k in (0, 1) for t in times]
    same(Scenarios.from_table(table.drop(columns="period").assign(time=days)), made)


def test_a_row_may_be_a_scenario():
    wide = pd.DataFrame({"scenario": ["a", "b"], "price[0]": [1.0, 2.0], "price[1]": [3.0, 4.0],
                         "load_scale": [0.5, 0.6], "energy_mwh": [1.0, 2.0]})
    made = Scenarios.from_table(wide)
    assert made.numbers["price"].tolist() == [[1, 3], [2, 4]]
    assert made.numbers["load_scale"].tolist() == [[0.5, 0.5], [0.6, 0.6]]
    assert made.numbers["energy_mwh"].sum(axis=1).tolist() == [1.0, 2.0]
    assert "lacks 'price[0]'" in said(Scenarios.from_table, wide.drop(columns="price[0]"))
    assert "several rows" in said(Scenarios.from_table, wide.assign(scenario="a"))


def test_a_probability_in_one_row_or_all():
    table = day_table().drop(columns="probability")
    once = table.assign(probability=[0.3, None, None, None, 0.7, None])
    assert Scenarios.from_table(once).probabilities.tolist() == [0.3, 0.7]
    assert Scenarios.from_table(table).probabilities.tolist() == [0.5, 0.5]
    assert Scenarios.from_table(
        table, probabilities={"b": 0.9, "a": 0.1}).probabilities.tolist() == [0.1, 0.9]


@pytest.mark.parametrize("change, words", [
    (lambda t: t.drop(index=4), "scenario 'b': lacks period 1: it has 2 of 3"),
    (lambda t: pd.concat([t, t.iloc[[1]]]), "period 1 of scenario 'a' (rows 2 and 7) twice"),
    (lambda t: t.drop(index=4).drop(columns="period"), "has 2 rows, and others have 3"),
    (lambda t: t.assign(pirce=1.0), "Did you mean 'price'?"),
    (lambda t: t.assign(price=[1, 2, "x", 4, 5, 6]), "holds 'x' in row 3 (scenario 'a')"),
    (lambda t: t.assign(price=[1, None, 3, 4, 5, 6]), "is empty in row 2 (scenario 'a')"),
    (lambda t: t.drop(columns="scenario"), "has no column 'scenario'"),
    (lambda t: t.assign(scenario=["a", None, "a", "b", "b", "b"]), "is empty in row 2"),
    (lambda t: t.iloc[:0], "has no rows"),
    (lambda t: t.assign(probability=[0.5, 0.4, 0.5, 0.5, 0.5, 0.5]),
     "is 0.4 and 0.5 in scenario 'a'"),
    (lambda t: t.assign(probability=0.2), "add to 0.4, not to 1"),
    (lambda t: t.assign(probability="half"), "holds 'half' in row 1"),
    (lambda t: t.assign(time="2025-01-01"), "both a time and a period"),
    (lambda t: t[["scenario", "period"]], "has no column of numbers"),
    (lambda t: t.drop(columns="period").assign(time=["2025-01-01 00:00", "2025-01-01 01:00",
                                                     "2025-01-01 01:00"] * 2), "more than once"),
])
def test_faults_of_tables(change, words):
    assert words in said(Scenarios.from_table, change(day_table()))


def test_all_faults_of_a_table_at_once():
    text = said(Scenarios.from_table, day_table().drop(index=4).assign(pirce=1.0, probability=0.2),
                outages={"c": ["l"]})
    for words in ("lacks period 1", "'pirce'", "add to 0.4", "'c', which is no scenario"):
        assert words in text


# ------------------------------------------------------------------------------------ history


def test_days_are_clustered():
    pytest.importorskip("sklearn")
    table = history(60)
    made = Scenarios.from_history(table, 5)
    assert made.count == 5 and made.periods == 24 and made.hours == 1.0
    assert made.probabilities.sum() == pytest.approx(1.0)
    for column in ("price", "load_scale", "available.pv"):
        expected = float(made.probabilities @ made.numbers[column].mean(axis=1))
        assert expected == pytest.approx(table[column].mean(), rel=1e-9)  # nothing of it is lost
        assert made.numbers[column].min() >= table[column].min() - 1e-9
        assert made.numbers[column].max() <= table[column].max() + 1e-9
    assert not made.numbers["available.pv"][:, 0].any()  # no sun at midnight
    assert "5 groups of 60 days" in made.about and "% of its variance" in made.about
    same(made, Scenarios.from_history(table, 5))
    whole = Scenarios.from_history(table, 5, keep_means=False)
    days = table["price"].to_numpy().reshape(60, 24)
    assert all((row == days).all(axis=1).any() for row in whole.numbers["price"])
    assert whole.names == made.names and whole.names[0].startswith("2025-")


def test_every_day_without_clustering():
    table = history(4).iloc[5:]  # begins within a day
    made = Scenarios.from_history(table, None)
    assert made.names == ("2025-01-02", "2025-01-03", "2025-01-04")
    assert "19 rows at the ends" in made.about
    assert made.numbers["price"][0].tolist() == table["price"].to_numpy()[19:43].tolist()
    short = Scenarios.from_history(table.drop(columns="time"), None, periods=10)
    assert short.count == 9 and short.periods == 10


def test_more_groups_keep_more():
    pytest.importorskip("sklearn")
    table = history(60)
    before = table["price"].to_numpy().reshape(60, 24)

    def spread(count):
        made = Scenarios.from_history(table, count).numbers["price"]
        return ((before[:, None, :] - made[None]) ** 2).mean(axis=2).min(axis=1).mean()

    assert spread(12) < spread(6) < spread(2)
    every = Scenarios.from_history(table, 60)
    assert np.allclose(every.numbers["price"], before)


def test_equal_days_are_one_group():
    pytest.importorskip("sklearn")
    made = Scenarios.from_history({"price": [1.0, 2.0] * 3 + [5.0, 6.0]}, 3, periods=2)
    assert made.count == 2 and made.probabilities.tolist() == [0.75, 0.25]


@pytest.mark.parametrize("how, words", [
    ({"count": 0}, "from_history, count: is 0"), ({"count": 9}, "has 3 days, and 9 scenarios"),
    ({"seed": 0.5}, "seed: is 0.5"), ({"periods": -1}, "periods: is -1"),
])
def test_faults_of_a_history(how, words):
    assert words in said(Scenarios.from_history, history(3), **how)


def test_faults_of_a_historys_table():
    table = history(3)
    assert "Did you mean 'price'" in said(
        Scenarios.from_history, table.rename(columns={"price": "pirce"}), 2)
    assert "lacks '2025-01-01 05:00:00'" in said(Scenarios.from_history, table.drop(index=5), 2)
    assert "at least 0" in said(Scenarios.from_history, table.assign(load_scale=-1.0), 2)
    table.loc[3, "price"] = None
    assert "is empty in row 4" in said(Scenarios.from_history, table, 2)


def test_without_scikit_learn_it_is_said(monkeypatch):
    monkeypatch.setattr("pyomo_dlmp.uncertainty.sampling.find_spec", lambda _: None)
    text = said(Scenarios.from_history, history(3), 2)
    assert "needs scikit-learn" in text and "pyomo-dlmp[scenarios]" in text
    assert Scenarios.from_history(history(3), None).count == 3


# --------------------------------------------------------------------------------- the market


def two(work=0.5, **opf):
    return market(work, periods=2, **opf)


def check(market_, **how):
    check_scenarios(of_arrays(**how), market_)


def test_sound_ones_pass():
    check(two(), energy_mwh=[0.5, 1.7], outages={"s1": ["l"]})
    check(market(0.5, periods=["day", "night"]))


@pytest.mark.parametrize("how, words", [
    ({"numbers": {"kw.dcc": [1.0, 2.0]}}, "names 'dcc', which is no datacenter. Did you mean"),
    ({"numbers": {"available.pv": [1.0, 1.0]}}, "names 'pv', which is no generator"),
    ({"outages": {"s1": ["dcc"]}}, "outages of 's1': names 'dcc', which is no element. Did you"),
    ({"outages": {"s1": ["end"]}}, "names 'end', which is a bus. Name what leads to it: 'l"),
    ({"outages": {"s1": ["grid"]}}, "the only supply of the feeder"),
    ({"energy_mwh": [0.5, 3.0]},
     "'s2': has 3 MWh of work, and its sites can draw 1.8 MWh: 1.2 MWh too much"),
    ({"energy_mwh": [0.1, 0.5]}, "'s1': has 0.1 MWh of work, and its sites must draw 0.18 MWh"),
    ({"numbers": {"kw.dc": [200.0, 900.0]}}, "'s1': has 0.5 MWh of work, and its sites can draw "
     "0.4 MWh: 0.1 MWh too much"),
    ({"outages": {"s2": ["dc"]}}, "'s2': has 0.5 MWh of work, and its sites can draw 0 MWh"),
])
def test_what_does_not_fit_a_market(how, words):
    assert words in said(check, two(), **how)


def test_an_outage_upstream_takes_the_site_with_it():
    network = two().network
    branch = next(iter(network.branches))
    buses, devices = without_supply(network, [branch])
    assert buses == ["end"] and set(devices) == {LOAD.name, DC.name, "gen"}
    assert "can draw 0 MWh" in said(check, two(), outages={"s1": [branch]})
    assert without_supply(network, []) == ([], [])


def test_periods_and_hours_are_the_markets():
    assert "has 2 periods, and the market 3" in said(check, market(0.5, periods=3))
    timed = Scenarios(("a",), np.ones(1), {"price": np.ones((1, 2))}, hours=0.25)
    assert "periods of 0.25 h, and the market of 1 h" in said(check_scenarios, timed, two())


def test_a_price_takers_work_is_checked_too():
    other = dlmp.Datacenter(name="dc2", bus="end", kw=100)
    network = two().network.with_devices(other)
    with_taker = dlmp.Market(network, 0.5, {"periods": 2, "hours": 1.0},
                             takers={"t": (("dc2",), dlmp.Workload(energy_mwh=0.1))})
    check(with_taker)
    assert "the sites of 't' can draw 0.2 MWh" in said(
        check, with_taker, numbers={"energy_mwh.t": [0.1, 0.5]})


def test_a_ragged_array_is_told_by_scenario():
    with pytest.raises(dlmp.ModelError, match="column 'price': has 1 numbers in scenario 2"):
        dlmp.Scenarios.of_arrays(price=[[1, 2], [3], [4, 5]], energy_mwh=[1, 1, 1])
