"""Study files: what they say is checked, all faults at once, before anything is solved."""

import re
import subprocess
import sys
import warnings
from dataclasses import replace

import pandas as pd
import pyomo.version
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.cli import feeders as feeders_command
from pyomo_dlmp.cli import main
from pyomo_dlmp.errors import StudyFileError
from pyomo_dlmp.study import build_case, list_studies, read_study, run_study
from pyomo_dlmp.study.provenance import input_hash

SMALL = """
feeder = "ieee37"
[time]
periods = 2
[dso]
price = [30, 60]
load_scale = [0.7, 1.0]
[aggregator]
energy_share = 0.5
[[generator]]
name = "g"
bus = "741"
kw_max = 200
cost = 40
cost2 = 60
[[datacenter]]
name = "dc"
bus = "711"
kw = 500
floor = 0.1
[[case]]
name = "no SVG"
[[case]]
name = "SVG"
[[case.svg]]
name = "s"
bus = "711"
kvar = 300
connection = "delta"
"""


@pytest.fixture
def small(tmp_path):
    def write(text=SMALL, **swap):
        for old, new in swap.items():
            text = text.replace(old, new)
        path = tmp_path / "small.toml"
        path.write_text(text, encoding="utf-8")
        return path
    return write


@pytest.fixture
def undrawn(monkeypatch):
    """No report is drawn, which takes most of the time of a small study."""
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", lambda folder, **_: None)


def unwrapped(capsys) -> str:
    """What was printed, without the line breaks that depend on the length of folders' names."""
    return " ".join(capsys.readouterr().out.split())


def test_shipped_study_reads():
    study = read_study("examples/studies/ieee37.toml")
    assert study.energy_mwh == pytest.approx(0.6 * 1.8 * 24)
    assert [case.name for case in study.cases] == ["no SVG", "wye SVG", "delta SVG"]
    for case in study.cases[1:]:
        svgs = study.network(case).svgs
        assert set(svgs) == {"svg730", "svg738", "svg711"}
        assert {svg.connection for svg in svgs.values()} == {case.name.split()[0]}


@pytest.mark.parametrize("old, new, words", [
    ("periods = 2", "periods = 3", ["price", "2 values", "3 periods"]),
    ("[dso]", "[dso]\npenalti = 3", ["penalti", "penalty"]),
    ("energy_share = 0.5", "energy_share = -1", ["energy_share", "-1"]),
    ('bus = "741"', 'bus = "741"\nkw_most = 3', ["kw_most", "generator 'g'"]),
    ("[dso]", "[dso]\nform = 'lindst'", ["[dso] form", "'lindst'", "Did you mean 'lindist'"]),
    ("[dso]", "[dso]\nform = ['ac']", ["[dso] form", "Use one of: 'lindist', 'ac'."]),
    ("[dso]", "[ac]\ndeviatons = 3\n[dso]", ["deviatons", "Did you mean 'deviations'"]),
    ("[dso]", "[ac]\nmax_rounds = 0\n[dso]", ["[ac] max_rounds", "is 0"]),
    ("feeder =", "feder =", ["feder", "feeder"]),
    ("price = [30, 60]", "price = [.5, 60]", ["0.5"]),
    ('name = "SVG"', 'name = "no SVG"', ["no SVG", "twice"]),
])
def test_faults_are_named(small, old, new, words):
    with pytest.raises(StudyFileError) as error:
        read_study(small(SMALL.replace(old, new)))
    assert all(word in str(error.value) for word in words), str(error.value)


def test_all_faults_at_once(small):
    with pytest.raises(StudyFileError) as error:
        read_study(small(SMALL.replace("periods = 2", "periods = 0").replace(
            "energy_share = 0.5", "energy_share = 0\npayz = 1")))
    assert len(error.value.faults) >= 3


def test_unknown_bus_and_missing_file(small, tmp_path):
    with pytest.raises(StudyFileError, match=r"datacenter 'dc': bus '999' is not a bus"):
        read_study(small(SMALL.replace('"711"', '"999"')))
    with pytest.raises(StudyFileError, match="no such file"):
        read_study(tmp_path / "none.toml")


@pytest.mark.parametrize(("text", "said"), [
    (SMALL.replace('"711"', '"999"'), "bus '999' is not a bus"),
    (SMALL.replace("ieee37", "ieee13").replace("711", "611").replace("741", "671"),
     'Use the phases of the bus (phases = "c"), or add'),
])
def test_the_only_datacenter_at_a_wrong_place_is_still_one(small, text, said):
    with pytest.raises(StudyFileError) as error:
        read_study(small(text))
    assert said in str(error.value)
    assert "none that the aggregator decides" not in str(error.value)


def test_warnings_are_plain_in_the_command(tmp_path, capsys, monkeypatch):
    def warned(*_):
        for _ in range(2):
            warnings.warn("a.dss: a.dss, line 3: something is left out", stacklevel=2)
        return 0

    monkeypatch.setattr(feeders_command, "run", warned)
    assert main(["feeders"]) == 0
    assert capsys.readouterr().out == "warning: a.dss, line 3: something is left out\n"


def test_help_names_the_shipped_studies(capsys):
    with pytest.raises(SystemExit):
        main(["study", "--help"])
    told = capsys.readouterr().out.replace(",", " ").split()
    assert set(list_studies()) <= set(told)


def test_a_workload_that_cannot_be_served(small):
    study = read_study(small(SMALL.replace("energy_share = 0.5", "energy_mwh = 1.2")))
    with pytest.raises(dlmp.ModelError, match=r"1\.2 MWh.*1 MWh"):
        build_case(study, study.cases[0])
    study = read_study(small(SMALL.replace("energy_share = 0.5", "energy_share = 0.05")))
    with pytest.raises(dlmp.ModelError, match="floors"):
        build_case(study, study.cases[0])


def test_the_command_writes_every_table_and_the_report(small, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "out"
    assert main(["study", str(small()), "--results", str(folder)]) == 0
    printed = unwrapped(capsys)
    assert "datacenters pay" in printed and "passed" in printed and "search" in printed
    for name in ("summary", "prices", "voltages", "unbalance", "dispatch", "payments", "audit"):
        table = pd.read_csv(folder / f"{name}.csv")
        assert set(table["case"]) == {"no SVG", "SVG"} and "unit" in table.columns
    assert "data:image/svg" in (folder / "report.html").read_text(encoding="utf-8")
    assert pd.read_csv(folder / "audit.csv")["passed"].all()
    again = ["study", str(small(SMALL.split("[[case]]")[0])), "--results", str(folder)]
    assert main(again) == 1 and "holds results already" in unwrapped(capsys)
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", lambda folder, **_: None)
    assert main([*again, "--overwrite"]) == 0
    assert set(pd.read_csv(folder / "prices.csv")["case"]) == {"study"}


def test_the_folder_says_what_computed_it(small, tmp_path, undrawn):
    run_study(read_study(small(SMALL.split("[[case]]")[0])), results=tmp_path / "out")
    keys = pd.read_csv(tmp_path / "out" / "study.csv", dtype=str).set_index("key")["value"]
    assert keys["pyomo_version"] == pyomo.version.version
    assert {"pyomo_dlmp_version", "python_version", "highspy_version"} <= set(keys.index)
    assert re.fullmatch("[0-9a-f]{64}", keys["input_sha256"])


def test_the_hash_follows_the_input(small):
    first = input_hash(read_study(small()))
    assert first == input_hash(read_study(small()))
    assert first != input_hash(read_study(small(SMALL.replace("500", "501"))))
    study = read_study(small())
    doubled = [replace(load, kw=tuple(2 * kw for kw in load.kw))
               for load in study.base.loads.values()]
    assert first != input_hash(replace(study, base=study.base.replacing(*doubled)))


WITHOUT_RESOURCE = """
import sys
import psutil  # its part for Linux wants resource, its part for Windows does not
sys.modules["resource"] = None  # as on Windows, where `import resource` fails
from pyomo_dlmp.cli import main
from pyomo_dlmp.numerics import memory
import pyomo_dlmp.study.output
assert memory.peak() > 0.01 and memory.used() > 0.01
main(["study", "--help"])
"""


def test_a_study_starts_without_the_module_resource():
    done = subprocess.run([sys.executable, "-c", WITHOUT_RESOURCE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--overwrite" in done.stdout


def test_a_foreign_folder_is_not_touched(small, tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    assert main(["study", str(small()), "--results", str(folder)]) == 1
    assert "'thesis.tex', which no study has written" in unwrapped(capsys)
    assert [p.name for p in folder.iterdir()] == ["thesis.tex"]


def test_errors_are_plain(tmp_path, capsys):
    assert main(["study", str(tmp_path / "none.toml")]) == 1
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.large
def test_active_only_payment(small, tmp_path, undrawn):
    """Active only: the payment is its own optimum, so it costs no more than the first choice."""
    study = read_study(small(SMALL.replace("energy_share = 0.5",
                                           'energy_share = 0.5\npays = "active"')))
    result = run_study(study, results=tmp_path / "active")[0]
    assert result.solution.gap < 5e-3
    assert set(result.tables["payments"]["quantity"]) == {"active"}


def test_interrupt_keeps_what_is_written(small, tmp_path, undrawn):
    study, folder = read_study(small()), tmp_path / "cut"

    def stop(case, stage, incumbent, bound):
        if case == "SVG":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(study, stop, folder)
    assert set(pd.read_csv(folder / "prices.csv")["case"]) == {"no SVG"}


def test_a_time_limit_leaves_incumbent_bound_and_gap(small, tmp_path, undrawn):
    study = read_study(small(SMALL + "\n[solver]\ntime_limit = 0.001\n"))
    result = run_study(study, results=tmp_path / "short")[0]
    assert result.solution.status in ("time limit", "optimal")
    assert result.solution.objective is not None and result.solution.bound is not None
    assert result.solution.bound <= result.solution.objective
    assert result.tables["audit"]["passed"].all()


FULL = SMALL.replace("[[case]]\nname = \"no SVG\"\n", """
[market]
kinds = ["uncoordinated", "price taker", "strategic", "cooperative"]
[sweep]
loading = [0.5, 1.0]
[[case]]
name = "no SVG"
""").replace("[aggregator]", "[aggregator]\ntariff = 55")


@pytest.mark.parametrize("old, new, words", [
    ('"price taker"', '"price takr"', ["price takr", "price taker"]),
    ("[0.5, 1.0]", "[0.5, -1]", ["loading", "-1"]),
    ("tariff = 55", "tariff = [1, 2, 3]", ["tariff", "3 values"]),
    ("[[datacenter]]", "[[job]]\nname = 'j'\narrival = 0\ndeadline = 2\nmwh = 1\n[[datacenter]]",
     ["more than one kind of work"]),
    ("[[datacenter]]", "[[jobb]]\nname = 'j'\n[[datacenter]]", ["jobb", "'job'"]),
    ("[market]", "[unbalance]\nprise = 3\n[market]", ["prise", "price"]),
])
def test_faults_of_markets_are_named(small, old, new, words):
    with pytest.raises(StudyFileError) as error:
        read_study(small(FULL.replace(old, new)))
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_job_that_ends_before_it_arrives_is_named(small, capsys):
    text = SMALL.replace("energy_share = 0.5", "") + """
[[job]]
name = "late"
arrival = 1
deadline = 1
mwh = 0.1
"""
    assert main(["study", str(small(text))]) == 1
    said = unwrapped(capsys)
    assert "'late'" in said and "deadline 1 at or before its arrival 1" in said


@pytest.mark.slow
def test_markets_and_loadings_and_show(small, tmp_path, capsys):
    folder, one_case = tmp_path / "out", FULL.split('[[case]]\nname = "SVG"')[0]
    assert main(["study", str(small(one_case)), "--results", str(folder)]) == 0
    said = unwrapped(capsys)
    assert "price taker" in said and "cooperative" in said
    markets = pd.read_csv(folder / "markets.csv")
    anarchy = markets[markets["quantity"] == "price_of_anarchy"]
    assert len(anarchy) == 2 * 4 and (anarchy["value"] > 1 - 1e-6).all()
    parts = pd.read_csv(folder / "decomposition.csv", dtype={"bus": str})
    keys = ["case", "bus", "phase", "period", "quantity"]
    prices = pd.read_csv(folder / "prices.csv", dtype={"bus": str}).set_index(keys)["value"]
    assert (parts.groupby(keys)["value"].sum() - prices).abs().max() < 1e-6
    assert pd.read_csv(folder / "audit.csv")["passed"].all()
    report = folder / "report.html"
    first = report.read_text(encoding="utf-8")
    report.unlink()
    (folder / "study.toml").write_text("not read", encoding="utf-8")
    assert main(["show", str(folder), "--pictures", str(tmp_path / "pictures")]) == 0
    assert report.read_text(encoding="utf-8") == first  # from results alone
    assert len(list((tmp_path / "pictures").glob("*.svg"))) > 15
    assert main(["show", str(folder), "--cases", "none such"]) == 1
    assert "none such" in unwrapped(capsys)
    assert main(["show", str(tmp_path / "nowhere")]) == 1


def test_price_takers_and_servers_in_a_file(small, tmp_path, undrawn):
    text = SMALL.replace("energy_share = 0.5", "").replace("[[case]]\nname = \"SVG\"", """
[[datacenter]]
name = "other"
bus = "730"
kw = 300
[[price_taker]]
name = "they"
sites = ["other"]
energy_share = 0.5
[[servers]]
site = "dc"
count = 1000
[[interactive]]
name = "web"
rate = [1000, 1500]
[[case]]
name = "SVG\"""".replace('\\"', '"'))
    done = run_study(read_study(small(text)), results=tmp_path / "out")
    for result in done:
        assert result.outcome.status == "optimal" and result.tables["audit"]["passed"].all()
        power = result.tables["dispatch"].query("element == 'other' and quantity == 'active'")
        assert power["value"].sum() == pytest.approx(0.3, abs=1e-6)
