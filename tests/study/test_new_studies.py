"""`pyomo-dlmp buses` and `pyomo-dlmp init`: from a feeder to a study file that can be read."""

import pytest

from pyomo_dlmp.cli import main
from pyomo_dlmp.errors import NetworkError
from pyomo_dlmp.io import load_feeder
from pyomo_dlmp.results.buses import list_buses
from pyomo_dlmp.study import read_study
from pyomo_dlmp.study.template import study_text


def test_buses_know_phases_voltage_load_and_distance():
    network = load_feeder("ieee123")
    table = list_buses(network).set_index("bus")
    assert set(table.index) == set(network.buses)
    assert table["load_kw"].sum() == pytest.approx(network.total_kw)
    assert table.loc["76", "phases"] == "abc" and table.loc["76", "kv"] == 4.16
    assert table["distance_km"].is_monotonic_increasing
    three = list_buses(network, phases=3, min_kv=1.0)
    assert set(three["bus"]) == {name for name, bus in network.buses.items()
                                 if len(bus.phases) == 3 and bus.kv >= 1.0}


def test_buses_are_found_by_a_part_of_their_name(capsys, tmp_path):
    assert main(["buses", "ieee37", "73", "--csv", str(tmp_path / "b.csv")]) == 0
    shown = capsys.readouterr().out
    assert " 730 " in shown and " 701 " not in shown
    assert "730,abc,4.8" in (tmp_path / "b.csv").read_text()


@pytest.mark.parametrize(("arguments", "said"), [
    (["zz9"], "Known are"), (["73O"], "Did you mean"),
    (["--min-kv", "70"], "highest nominal voltage is 4.8 kV")])
def test_buses_that_are_not_there(arguments, said, capsys):
    assert main(["buses", "ieee37", *arguments]) == 1
    assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("feeder", ["ieee37", "ieee13", "ieee123", "ieee4_dy"])
def test_a_new_study_can_be_read(feeder, tmp_path):
    path = tmp_path / "mine.toml"
    assert main(["init", str(path), "--feeder", feeder]) == 0
    study = read_study(path)
    assert len(study.runs) == 3  # two cases, and the first one without its datacenter
    assert len(study.network(study.runs[0]).datacenters) == 1


def test_a_new_study_with_buses_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "two", "--bus", "730", "--bus", "711"]) == 0
    study = read_study("two.toml")
    sites = study.network(study.runs[0]).datacenters
    assert {dc.bus for dc in sites.values()} == {"730", "711"}
    assert main(["init", "two"]) == 1
    assert "is there already" in capsys.readouterr().out


def test_a_new_study_at_an_unknown_bus():
    with pytest.raises(NetworkError, match="Did you mean"):
        study_text("ieee37", load_feeder("ieee37"), ["73O"], "mine")
