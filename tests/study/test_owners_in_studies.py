"""Owners in a study file: read, solved beside other markets, written; what is wrong with them."""

import pandas as pd
import pytest

from pyomo_dlmp.errors import StudyFileError
from pyomo_dlmp.study import read_study, run_study
from tests.study.tiny import TEXT, draw, write_tiny

OWNED = TEXT.replace("energy_share = 0.5\n", "").replace("ac = true", "ac = false").split(
    "[[case]]")[0] + """
[market]
kinds = ["strategic", "equilibrium", "cooperative"]
starts = 2
[solver]
gap = 1e-5
[[datacenter]]
name = "other"
bus = "middle"
kw = 200
[[owner]]
name = "A"
sites = ["dc"]
energy_share = 0.5
[[owner]]
name = "B"
sites = ["other"]
energy_mwh = 0.2
"""


def test_owners_are_solved_beside_the_other_markets(tmp_path, monkeypatch):
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", draw)
    study = read_study(write_tiny(tmp_path, OWNED))
    assert study.energy_mwh == pytest.approx(0.5)
    done = run_study(study, results=tmp_path / "out")
    assert [r.outcome.status for r in done] == ["optimal"] * 3
    for result in done:
        power = result.tables["dispatch"].query("quantity == 'active' and phase == ''")
        used = power.groupby("element")["value"].sum()
        assert used["dc"] == pytest.approx(0.3, abs=1e-6)
        assert used["other"] == pytest.approx(0.2, abs=1e-6)
        assert result.tables["audit"]["passed"].all()
    folder = tmp_path / "out"
    regret = pd.read_csv(folder / "regret.csv").set_index("owner")
    assert (regret["regret"] <= 1e-5 * regret["cost"]).all()
    summary = pd.read_csv(folder / "summary.csv").query("case == 'study, equilibrium'").set_index(
        "quantity")["value"]
    assert float(summary["A_pays"]) == pytest.approx(regret["cost"]["A"])
    assert float(summary["datacenters_pay"]) == pytest.approx(regret["cost"].sum(), rel=1e-6)
    assert int(summary["equilibria_found"]) >= 1
    assert set(pd.read_csv(folder / "best_responses.csv")["owner"]) == {"A", "B"}
    markets = pd.read_csv(folder / "markets.csv").query("quantity == 'price_of_anarchy'")
    assert len(markets) == 3 and (markets["value"] >= 1 - 1e-6).all()


def test_parts_of_the_workload_are_their_owners(tmp_path):
    text = OWNED.replace("energy_share = 0.5\n", "") + """
[[job]]
name = "train"
arrival = 0
deadline = 2
mwh = 0.3
sites = ["dc"]
[[ups]]
site = "other"
kw = 50
kwh = 100
"""
    study = read_study(write_tiny(tmp_path, text))
    owners = study.market(study.runs[0]).owners
    assert [job.name for job in owners["A"][1].jobs] == ["train"] and not owners["A"][1].ups
    assert owners["B"][1].energy_mwh == 0.2 and owners["B"][1].ups[0].site == "other"


@pytest.mark.parametrize(("old", "new", "words"), [
    ('sites = ["other"]', 'sites = []', "names no sites"),
    ('sites = ["other"]', 'sites = ["othr"]', "other"),
    ('sites = ["other"]', 'sites = ["dc"]', "named before"),
    ('[[owner]]\nname = "B"\nsites = ["other"]\nenergy_mwh = 0.2', "", "has no owner"),
    ("energy_mwh = 0.2", "", "has no energy, or two"),
    ("[aggregator]", "[aggregator]\nenergy_mwh = 1.0", "there are owners"),
    ("energy_mwh = 0.2", "energy_mw = 0.2", "energy_mwh"),
    ("starts = 2", "starts = 0", "starts"),
    ('name = "B"', 'name = "A"', "is there twice"),
    ("[[owner]]", '[[job]]\nname = "j"\narrival = 0\ndeadline = 2\nmwh = 0.1\n[[owner]]',
     "is no owner's"),
])
def test_faults_are_named(tmp_path, old, new, words):
    assert old in OWNED
    with pytest.raises(StudyFileError) as err:
        read_study(write_tiny(tmp_path, OWNED.replace(old, new, 1)))
    assert words in str(err.value)
