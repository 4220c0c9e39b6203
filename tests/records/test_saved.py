"""What is saved reads back to the last bit, and can be solved again."""

import zipfile

import numpy as np
import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp import records
from pyomo_dlmp.errors import ModelError, ResultsFileError
from pyomo_dlmp.report import write_report
from pyomo_dlmp.results import dso_tables, outcome_tables, prices_table
from tests.library.small_day import small_day


@pytest.fixture(scope="module")
def day():
    """(the market, its outcomes by name)."""
    market = small_day()
    return market, {name: dlmp.solve_market(name, market) for name in ("strategic", "price taker")}


@pytest.fixture(scope="module")
def saved(day, tmp_path_factory):
    market, outcomes = day
    return records.save_results(tmp_path_factory.mktemp("saved") / "day", outcomes, market,
                             title="A day")


def test_every_number_reads_back_exactly(day, saved):
    market, outcomes = day
    assert saved.name == "day.dlmp"
    read = records.load_results(saved)
    assert read.cases == list(outcomes) and read.study["title"] == "A day"
    for case, outcome in outcomes.items():
        for name, table in outcome_tables(outcome, market).items():
            if name in ("summary", "rounds"):
                continue
            again = getattr(read, name)
            again = again[again["case"] == case].drop(columns="case").reset_index(drop=True)
            for column in table.columns:
                mine, theirs = table[column].to_list(), again[column].to_list()
                assert mine == theirs or np.array_equal(
                    np.array(mine, float), np.array(theirs, float), equal_nan=True), (name, column)
        assert read.only([case]).summary.set_index("quantity")["value"]["status"] == "optimal"


def test_price_parts_add_up_to_the_prices_of_the_file(saved):
    read = records.load_results(saved)
    at = ["case", "bus", "phase", "period", "quantity"]
    parts = read.decomposition.groupby(at, observed=True)["value"].sum()
    prices = read.prices.set_index(at)["value"]
    assert (parts - prices.reindex(parts.index)).abs().max() < 1e-6
    assert len(parts) == len(prices)


def test_the_network_reads_back_and_gives_the_same_prices(day, saved):
    market, outcomes = day
    network = records.load_saved_network(saved)
    assert network == market.network
    again = dlmp.solve_market("strategic", small_day(network))
    assert again.paid == pytest.approx(outcomes["strategic"].paid, rel=1e-6)


def test_an_opf_is_saved(tmp_path):
    network = small_day().network
    m = dlmp.build_opf(network, periods=2, price=[30.0, 60.0])
    dlmp.solve_opf(m)
    read = records.load_results(records.save_results(tmp_path / "opf.dlmp", m, network))
    assert read.prices["value"].to_list() == prices_table(m)["value"].to_list()
    assert read.payments["value"].sum() == dso_tables(m, network)["payments"]["value"].sum()


def test_a_results_folder_becomes_a_file_and_a_file_a_file(day, saved, tmp_path):
    with zipfile.ZipFile(saved) as archive:
        archive.extractall(tmp_path / "folder")
    folder = records.save_results(tmp_path / "folder.dlmp", tmp_path / "folder")
    assert folder.read_bytes() == saved.read_bytes()
    copy = records.save_results(tmp_path / "copy.dlmp", records.load_results(saved))
    assert copy.read_bytes() == saved.read_bytes()
    (tmp_path / "folder" / "feeder").rename(tmp_path / "elsewhere")
    bare = records.save_results(tmp_path / "bare.dlmp", tmp_path / "folder")
    assert records.load_results(bare).cases == records.load_results(saved).cases
    with pytest.raises(ResultsFileError, match="saved without a network"):
        records.load_saved_network(bare)
    whole = records.save_results(tmp_path / "whole.dlmp", bare, day[0].network)
    assert records.load_saved_network(whole) == day[0].network


def test_a_file_is_there_whole_or_as_it_was(day, saved, tmp_path, monkeypatch):
    path = tmp_path / "day.dlmp"
    path.write_bytes(saved.read_bytes())
    monkeypatch.setattr(zipfile.ZipFile, "writestr", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        records.save_results(path, day[1], day[0])
    assert path.read_bytes() == saved.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["day.dlmp"]


def _interrupted(*_):
    raise KeyboardInterrupt


def test_the_report_of_a_file_lies_beside_it(saved):
    page = write_report(saved, processes=1)
    assert page == saved.with_name("day.html")
    assert "A day" in page.read_text(encoding="utf-8")


def test_damaged_files_are_told(saved, tmp_path):
    data = saved.read_bytes()
    for k, broken in enumerate((data[: len(data) // 2], b"", b"case,value\n", _flipped(data))):
        path = tmp_path / f"{k}.dlmp"
        path.write_bytes(broken)
        with pytest.raises(ResultsFileError, match=path.name):
            records.load_results(path)
    with pytest.raises(ResultsFileError, match="is not there"):
        records.load_results(tmp_path / "none.dlmp")


def _flipped(data: bytes) -> bytes:
    """One byte of the first member changed."""
    at = data.index(b".csv") + 40
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1:]


def test_what_is_no_solution_is_refused(day, tmp_path):
    market, outcomes = day
    for solved, of, words in (
            (outcomes, None, "was not told of what"), ({}, market, "no solved market"),
            (3, market, "was given 3"), (outcomes, market.network, "Market"),
            (outcomes, "ieee37", "Network")):
        with pytest.raises(ModelError, match=words):
            records.save_results(tmp_path / "x.dlmp", solved, of)
    gone = dlmp.solve_market("strategic", market)
    gone.release()
    with pytest.raises(ModelError, match="was released"):
        records.save_results(tmp_path / "x.dlmp", gone, market)
    assert not list(tmp_path.iterdir())


def test_statistics_are_those_of_the_tables(saved):
    read = records.load_results(saved)
    table = read.statistics()
    one = table[(table["table"] == "prices") & (table["case"] == "strategic")
                & (table["bus"] == "end") & (table["phase"] == "b")
                & (table["quantity"] == "active")].iloc[0]
    rows = read.prices[(read.prices["case"] == "strategic") & (read.prices["bus"] == "end")
                       & (read.prices["phase"] == "b") & (read.prices["quantity"] == "active")]
    values = rows["value"]
    assert [one["mean"], one["min"], one["max"], one["median"]] == pytest.approx(
        [values.mean(), values.min(), values.max(), values.median()])
    assert one["at_max"] == rows.loc[values.idxmax(), "period"] and one["hours"] == len(rows)
    total = read.statistics(by=["case"])
    assert set(total["bus"]) == {""} and len(total) == len(
        total.drop_duplicates(["table", "case", "quantity", "unit"]))


def test_hours_beyond_a_limit_are_counted():
    rows = [("x", p, t, "line_to_neutral", v, "pu") for p, day in
            {"a": (0.94, 1.0, 0.93), "b": (1.06, 1.0, 1.0)}.items()
            for t, v in enumerate(day, 1)]
    voltages = pd.DataFrame(rows, columns=["bus", "phase", "period", "quantity", "value", "unit"])
    table = dlmp.results.statistics_table({"voltages": voltages}, hours=0.5, v_min=0.95, v_max=1.05)
    assert table["hours_below"].to_list() == [1.0, 0.0]
    assert table["hours_above"].to_list() == [0.0, 0.5]
    assert table["at_min"].to_list() == [3, 2] and table["hours"].to_list() == [1.5, 1.5]
    both = dlmp.results.statistics_table({"voltages": voltages}, by="bus", v_min=0.93, v_max=1.05)
    assert both[["hours_below", "hours_above", "hours"]].to_numpy().tolist() == [[0.0, 1.0, 3.0]]
    assert np.isnan(dlmp.results.statistics_table({"voltages": voltages})["hours_below"]).all()
    with pytest.raises(ModelError, match=r"'phases'.*Did you mean 'phase'"):
        dlmp.results.statistics_table({"voltages": voltages}, by=["phases"])


def test_an_ac_opf_is_saved_with_its_network(tmp_path):
    network = small_day().network
    answer = dlmp.solve_ac_opf(network, check=False, price=40.0)
    file = records.save_results(tmp_path / "ac", answer)
    read = records.load_results(file)
    assert read.prices["value"].tolist() == prices_table(answer.model)["value"].tolist()
    assert records.load_saved_network(file) == network
