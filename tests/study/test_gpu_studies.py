"""[[llm]], [[training]] and [[smoothing]] of a study file: what is drawn, tables, faults."""

import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.study import read_study, run_study
from tests.study.tiny import TEXT, draw, write_tiny

PARTS = """
[[llm]]
name = "chat"
model = "Llama-3.1-8B"
tokens = [8e5, 4e5]
replicas = 120
latency_s = 0.05
[[training]]
name = "tune"
site = "dc"
gpus = 100
gpu_hours = 150
arrival = 0
deadline = 2
swing = 0.3
[[smoothing]]
site = "dc"
kw = 30
kwh = 20
step_kw = 10
"""
PLAIN = TEXT.split("[[case]]", maxsplit=1)[0].replace("ac = true", "ac = false").replace(
    "[aggregator]\nenergy_share = 0.5\n", "")


def test_a_study_of_a_gpu_datacenter(tmp_path, monkeypatch):
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", draw, raising=False)
    path = write_tiny(tmp_path, PLAIN + PARTS)
    done, = run_study(read_study(path), results=tmp_path / "out")
    assert done.tables["audit"]["passed"].all()
    table = pd.read_csv(tmp_path / "out" / "tokens.csv")
    at = table.set_index(["period", "quantity"])["value"]
    assert [at[t, "tokens"] for t in (0, 1)] == pytest.approx([2880, 1440])
    paid = done.tables["payments"].groupby("period")["value"].sum()
    assert 0 < at[0, "payment"] < paid[0]
    drawn = done.tables["dispatch"].query("kind == 'datacenter' and quantity == 'active'")
    training = done.outcome.model.dca.training["tune"].power
    assert drawn["value"].sum() >= sum(at[:, "energy"]) + sum(training[t]() for t in (0, 1)) - 1e-6
    assert max(training[t]() for t in (0, 1)) <= (0.030 + 0.010) / 0.3 + 1e-6  # swings smoothed


def test_all_faults_of_the_tables(tmp_path):
    wrong = PARTS.replace('"Llama-3.1-8B"', '"Lama-3.1-8B"').replace(
        "deadline = 2", "deadline = 3").replace("kw = 30", "kw = 0").replace(
            'name = "tune"\nsite = "dc"', 'name = "tune"\nsite = "de"').replace(
                "latency_s", "latency")
    with pytest.raises(dlmp.errors.StudyFileError) as error:
        read_study(write_tiny(tmp_path, PLAIN + wrong))
    text = str(error.value)
    for words in (("llm", "'latency'", "latency_s"), ("training", "deadline 3"),
                  ("training", "'de'", "'dc'"), ("smoothing", "kw 0")):
        assert any(all(word in line for word in words) for line in text.split("\n")), (words, text)
    with pytest.raises(dlmp.errors.StudyFileError, match=r"Lama-3.1-8B.*Llama-3.1-8B"):
        read_study(write_tiny(tmp_path / "two", PLAIN + PARTS.replace('"Llama', '"Lama')))
