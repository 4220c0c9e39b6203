"""Two results side by side: what differs is found, with its place, and nothing else."""

import shutil
from dataclasses import replace

import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp import records
from pyomo_dlmp.cli import main
from pyomo_dlmp.errors import ModelError, ResultsFileError
from tests.library.small_day import small_day
from tests.report.synthetic import write_synthetic


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("results") / "one", buses=9, periods=3)


def changed(folder, tmp_path, table, row, value):
    """A copy of a folder with one value changed; returns it and the row as it was."""
    copy = shutil.copytree(folder, tmp_path / "other")
    rows = pd.read_csv(copy / f"{table}.csv", dtype=str, keep_default_na=False)
    before = rows.iloc[row].copy()
    rows.loc[row, "value"] = value
    rows.to_csv(copy / f"{table}.csv", index=False)
    return copy, before


def test_the_same_are_the_same(folder, tmp_path, capsys):
    found = records.compare_results(folder, folder)
    assert found.same and found.pairs == {"no SVG": "no SVG", "SVG": "SVG"}
    assert len(found.differing()) == len(found.data) == 0 and "the same" in repr(found)
    assert found.values["of"].sum() > 500
    kept = records.save_results(tmp_path / "kept", folder)
    assert main(["compare", str(folder), str(kept)]) == 0
    assert "The same" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("table", ["prices", "voltages", "unbalance", "dispatch", "payments"])
def test_one_value_that_differs_is_named(folder, tmp_path, table, capsys):
    copy, before = changed(folder, tmp_path, table, 5, "1234.5")
    found = records.compare_results(folder, copy)
    values = found.values[found.values["differ"] > 0]
    assert not found.same and len(values) == 1
    only = values.iloc[0]
    assert (only["table"], only["differ"], only["case"]) == (table, 1, before["case"])
    assert only["quantity"] == before["quantity"]
    assert only["greatest"] == pytest.approx(1234.5 - float(before["value"]))
    for key in ("element", "bus", "phase", "period"):
        if before.get(key):
            assert f"{key} {before[key]}" in only["where"]
    assert main(["compare", str(folder), str(copy)]) == 3
    said = capsys.readouterr().out
    assert "value by value" in said and "1 of" in said and "in a few numbers" not in said


def test_rounding_is_no_difference(folder, tmp_path):
    values = pd.read_csv(folder / "prices.csv")["value"]
    row = int(values.idxmax())
    copy, _ = changed(folder, tmp_path, "prices", row, repr(float(values[row]) * (1 + 1e-9)))
    assert records.compare_results(folder, copy).same
    assert not records.compare_results(folder, copy, tolerance=1e-12).same


def test_numbers_data_and_cases_that_one_has_alone(folder, tmp_path, capsys):
    other = write_synthetic(tmp_path / "other", buses=9, periods=3, cases=("no SVG", "battery"),
                            seed=8)
    study = (other / "study.csv").read_text().replace("0.95", "0.94")
    (other / "study.csv").write_text(study)
    found = records.compare_results(folder, other)
    assert (found.only_first, found.only_second) == (["SVG"], ["battery"])
    assert found.data.to_numpy().tolist() == [["v_min", "0.95", "0.94"]]
    row = found.differing().iloc[0]
    assert row["difference"] == pytest.approx(row["second"] - row["first"])
    assert row["relative"] == pytest.approx(row["difference"] / abs(row["first"]))
    assert main(["compare", str(folder), str(other), "--csv", str(tmp_path / "n.csv")]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "has: SVG" in said and "has: battery" in said and "v_min" in said
    assert len(pd.read_csv(tmp_path / "n.csv")) == len(found.numbers)


def test_two_cases_of_one_study(folder, capsys):
    found = records.compare_results(folder, folder, cases={"no SVG": "SVG"})
    assert not found.same and set(found.numbers["case"]) == {"no SVG / SVG"}
    alone = found.values.set_index(["table", "quantity"])["only_second"]
    assert alone.max() > 0  # what the SVG makes
    assert main(["compare", str(folder), str(folder), "--case", "no SVG=SVG"]) == 3
    assert "no SVG / SVG" in " ".join(capsys.readouterr().out.split())


def test_payments_of_two_days_are_those_of_the_solves(tmp_path):
    paths, paid = [], []
    for work in (0.4, 0.5):
        market = small_day(work=work)
        outcome = dlmp.solve_market("strategic", market)
        paid.append(outcome.paid)
        paths.append(records.save_results(tmp_path / f"{work}.dlmp", outcome, market))
    found = records.compare_results(*paths)
    row = found.numbers.set_index("quantity").loc["datacenters_pay"]
    assert [row["first"], row["second"]] == pytest.approx(paid, rel=1e-6)
    dispatch = found.values.set_index(["table", "quantity"]).loc[("dispatch", "active")]
    assert dispatch["differ"] > 0 and dispatch["only_first"] == 0


def test_what_cannot_be_compared_is_told(folder, tmp_path, capsys):
    other = write_synthetic(tmp_path / "other", buses=9, periods=3, cases=("no SVGs", "b"))
    with pytest.raises(ResultsFileError, match="no case of the same name"):
        records.compare_results(folder, other)
    with pytest.raises(ResultsFileError, match="has no case 'x'"):
        records.compare_results(folder, folder, cases={"SVG": "x"})
    for tolerance in (-1.0, float("nan"), "a lot"):
        with pytest.raises(ModelError, match="tolerance"):
            records.compare_results(folder, folder, tolerance=tolerance)
    assert main(["compare", str(folder), str(tmp_path / "none")]) == 1
    assert main(["compare", str(folder), str(folder), "--case", "SVG"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "is not there" in said and "--case 'A=B'" in said


def test_the_network_s_change_is_the_first_that_is_told(tmp_path, capsys):
    paths = []
    market = small_day(work=0.4)
    network = market.network
    bus = next(iter(network.datacenters.values())).bus
    load = next(iter(network.loads.values()))
    other = dlmp.Network("other", [
        replace(each, kw=tuple(2 * kw for kw in each.kw)) if each is load else each
        for each in network.elements
    ] + [dlmp.StaticVarGenerator(name="svg", bus=bus, kvar=30)])
    for name, given in (("one", network), ("two", other)):
        dso = dlmp.build_opf(given, periods=1, price=50.0)
        dlmp.solve_opf(dso)
        paths.append(records.save_results(tmp_path / name, dso, given))
    found = records.compare_results(*paths).data
    rows = {row[0]: row[1:] for row in found.itertuples(index=False)}
    assert rows["svg 'svg'"] == ("-", f"at bus {bus}")
    assert rows[f"load '{load.name}', kw"] == (str(load.kw), str(tuple(2 * x for x in load.kw)))
    assert list(rows)[2:] == ["title", "feeder"]  # the cause stands before these
    assert main(["compare", *map(str, paths)]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert said.index("'svg'") < said.index("title")


def test_devices_of_folders_are_those_of_the_dispatch(folder):
    found = records.compare_results(folder, folder, cases={"no SVG": "SVG"}).data
    assert found["first"].tolist() == ["-"] and "svg" in found["key"].iloc[0].lower()
