"""``python -m pyomo_dlmp.mpi study.toml`` writes what ``pyomo-dlmp study`` does, on any ranks."""

import pandas as pd
import pytest

from pyomo_dlmp.mpi import main
from pyomo_dlmp.study import read_study, run_study
from tests.ranks import on_ranks
from tests.study.test_scenarios_in_studies import TABLE, TINY
from tests.study.tiny import draw, write_tiny

pytest.importorskip("mpi4py", reason="mpi4py is not installed", exc_type=ImportError)
pytest.importorskip("mpisppy", reason="mpi-sppy is not installed")


@pytest.fixture
def file(tmp_path):
    (tmp_path / "s.csv").write_text(TABLE)
    return write_tiny(tmp_path, TINY)


def check_tables(folder, file, tmp_path):
    """Costs by scenario and the schedule, against a run without MPI."""
    run_study(read_study(file), results=tmp_path / "own")
    for name in ("scenario_costs", "first_stage"):
        own, other = (pd.read_csv(place / f"{name}.csv") for place in (tmp_path / "own", folder))
        assert len(own) and own.drop(columns="value").equals(other.drop(columns="value"))
        if name == "scenario_costs":
            expected = [
                (costs["probability"] * costs["cost"]).sum() for costs in (
                    table.pivot(index="scenario", columns="quantity", values="value")
                    for table in (own, other))]
            assert expected[0] == pytest.approx(expected[1], rel=1e-4)  # the study's gap


def test_one_rank_solves_the_extensive_form_and_says_so(file, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", draw)
    assert main([str(file), "--results", str(tmp_path / "here")]) == 0
    said = capsys.readouterr().out
    assert "one rank" in said and "mpiexec -n 3" in said
    check_tables(tmp_path / "here", file, tmp_path)


@pytest.mark.large
def test_three_ranks_write_the_same_results(file, tmp_path, monkeypatch):
    done = on_ranks(3, "-m", "pyomo_dlmp.mpi", str(file), "--results", str(tmp_path / "here"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "XhatXbarInnerBound and LagrangianOuterBound" in done.stdout
    assert (tmp_path / "here" / "report.html").exists()
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", draw)
    check_tables(tmp_path / "here", file, tmp_path)


@pytest.mark.slow
def test_a_wrong_study_file_ends_all_ranks(tmp_path):
    done = on_ranks(2, "-m", "pyomo_dlmp.mpi", str(tmp_path / "none.toml"))
    assert done.returncode == 1
    assert "[DLMP104]" in done.stdout
