"""Tables of a series: what is wrong with them is told at once and by name."""

import numpy as np
import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.series import read_table
from tests.series.tiny import hours, market


def faults(table, work=0.5, columns=None, **opf):
    with pytest.raises(ModelError) as err:
        read_table(table, market(work, **opf), columns)
    return "\n".join(map(str, err.value.faults))


def test_a_table_is_its_numbers():
    table = hours(4, load_scale=[0.5, 0.6, 0.7, 0.8])
    read = read_table(table, market())
    assert read.hours == 1.0
    assert read.numbers["load_scale"].tolist() == [0.5, 0.6, 0.7, 0.8]
    assert list(read.stamps) == list(table["time"])
    by_index = read_table(table.set_index("time"), market())
    assert by_index.content() == read.content()


def test_a_file_is_its_table(tmp_path):
    table = hours(3)
    table.to_csv(tmp_path / "year.csv", index=False)
    assert read_table(tmp_path / "year.csv", market()).content() == read_table(
        table, market()).content()
    assert "there is no file" in faults(tmp_path / "no.csv")
    (tmp_path / "empty.csv").write_text("")
    assert "cannot be read" in faults(tmp_path / "empty.csv")


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_file_without_commas_is_named_as_such(tmp_path, mark):
    hours(3).to_csv(tmp_path / "a.csv", index=False, sep=mark, decimal=",")
    said = faults(tmp_path / "a.csv")
    assert f"is separated by {mark!r}, not by commas" in said and "unknown" not in said


def test_a_share_has_no_unit():
    assert "column 'load_scale': is 60 in row 1" in faults(hours(2, load_scale=60.0))


def test_all_faults_at_once():
    table = hours(6, pirce=1.0, **{"kw.dcc": 5.0})
    table["price"] = table["price"].astype(object)
    table.loc[1, "price"] = None
    table.loc[2, "price"] = "forty"
    table = table.drop(index=4)
    said = faults(table)
    assert "lacks '2025-01-01 04:00:00'" in said
    assert "column 'pirce': is unknown. Did you mean 'price'?" in said
    assert "column 'price': is empty in row 2 (2025-01-01 01:00:00)" in said
    assert "column 'price': holds 'forty' in row 3 (2025-01-01 02:00:00)" in said
    assert "names 'dcc', which is no datacenter. Did you mean 'dc'?" in said


@pytest.mark.parametrize("rows, words", [
    ([0, 1, 1, 2], "more than once"),
    ([0, 2, 1, 3], "goes back from 2025-06-01 02:00:00"),
    ([0, 1, 2, 5, 6], "(2 of 7 steps of 1 h)"),
    ([0, 1, 1.5, 2, 3, 4, 5], "not a whole number of steps"),
])
def test_stamps(rows, words):
    table = hours(len(rows))
    table["time"] = pd.Timestamp("2025-06-01") + pd.to_timedelta(rows, unit="h")
    assert words in faults(table)


def test_daylight_saving_is_named():
    local = pd.date_range("2025-03-29", "2025-03-31", freq="h", tz="Europe/Berlin")
    table = hours(len(local), time=local.tz_localize(None))
    said = faults(table)
    assert "set forward by daylight saving: '2025-03-30 02:00:00' is missing" in said
    assert "UTC" in said
    local = pd.date_range("2025-10-25", "2025-10-27", freq="h", tz="Europe/Berlin")
    said = faults(hours(len(local), time=local.tz_localize(None)))
    assert "set back by daylight saving: '2025-10-26 02:00:00' is there twice" in said
    assert "goes back" not in said
    # with their zone, or their offset, both are whole
    assert read_table(hours(len(local), time=local), market()).hours == 1.0
    texts = [t.isoformat() for t in local]
    assert read_table(hours(len(local), time=texts), market()).rows == len(local)
    # an hour that is missing in June is no daylight saving
    plain = pd.date_range("2025-06-01", periods=30, freq="h").delete(5)
    assert "lacks '2025-06-01 05:00:00'" in faults(hours(29, time=plain))


@pytest.mark.parametrize("end, words", [
    ("2025-12-31", "has 8,737 rows and ends at 2025-12-31 00:00:00; the year 2025 has 8,760"),
    ("2026-01-01", "has 8,761 rows and ends at 2026-01-01 00:00:00"),
    ("2024-12-31", "has 8,761 rows and ends at 2024-12-31 00:00:00; the year 2024 has 8,784"),
])
def test_a_year_that_is_nearly_one(end, words):
    times = pd.date_range(f"{'2024' if '2024' in end else '2025'}-01-01", end, freq="h")
    assert words in faults(hours(len(times), time=times))


def test_a_whole_year_and_one_without_times():
    for year, count in ((2025, 8760), (2024, 8784)):
        assert read_table(hours(count, start=f"{year}-01-01"), market()).rows == count
    assert "without times; a year has 8,760" in faults(hours(8737).drop(columns="time"))


def test_units_are_hinted_at():
    assert "divide percent by 100" in faults(hours(2, load_scale=[50.0, 60.0]))
    assert "divide percent by 100" in faults(hours(2, **{"available.gen": [100.0, 0.0]}))
    assert "at least 0" in faults(hours(2, load_scale=[0.5, -0.1]))
    assert "Call it 'price' ($/MWh)" in faults(hours(2, price_eur_mwh=40.0))
    assert "decimal sign" in faults(hours(2, load_scale=["0,5", "0,6"]))
    assert "is infinite" in faults(hours(2, load_scale=[1.0, np.inf]))


def test_columns_are_renamed_or_left_out():
    table = hours(2).rename(columns={"price": "EPEX", "time": "Date"}).assign(note="x")
    read = read_table(table, market(), {"EPEX": "price", "Date": "time", "note": None})
    assert list(read.numbers) == ["price"]
    assert "'Epex'" in faults(table, columns={"Epex": "price"})


def test_rows_that_are_whole_days():
    days = hours(2, freq="D", energy_mwh=[4.8, 2.4])
    read = read_table(days, market(periods=24))
    assert read.rows == 48 and read.hours == 1.0
    assert read.numbers["price"].tolist() == [days["price"][0]] * 24 + [days["price"][1]] * 24
    assert read.numbers["energy_mwh"].tolist() == pytest.approx([0.2] * 24 + [0.1] * 24)
    assert read.stamps[25] == pd.Timestamp("2025-01-02 01:00")
    wide = hours(2, freq="2h").drop(columns="price").assign(**{
        "price[0]": [1.0, 3.0], "price[1]": [2.0, 4.0]})
    assert read_table(wide, market(periods=2)).numbers["price"].tolist() == [1, 2, 3, 4]
    assert "lacks 'price[1]'" in faults(wide.drop(columns="price[1]"), periods=2)


def test_rows_of_another_length():
    assert "has a row every 0.25 h, and the market's periods last 1 h" in faults(
        hours(4, freq="15min"))
    with pytest.raises(ModelError, match="not a whole number of problems of 24 periods"):
        dlmp.solve_series(market(periods=24), hours(25))


def test_texts_of_times():
    assert "cannot be read in row 2: '31/01/2025'" in faults(
        hours(2, time=["2025-01-01", "31/01/2025"]))
    assert "is empty in row 2" in faults(hours(2, time=["2025-01-01", None]))
    assert "an offset in some rows" in faults(
        hours(2, time=["2025-01-01T00:00+01:00", "2025-01-01T01:00"]))
