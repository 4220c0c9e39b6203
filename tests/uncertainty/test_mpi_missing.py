"""Without MPI or mpi-sppy the command says what to install."""

import sys

import pytest

from pyomo_dlmp.mpi import main


@pytest.mark.parametrize("missing, words", [
    ("mpi4py", "there is no MPI"), ("mpisppy", "mpi-sppy is not installed")])
def test_what_is_missing_is_said_with_the_name_of_the_extra(monkeypatch, capsys, missing, words):
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("mpi_sppy", "scenario_milp"):
        monkeypatch.delitem(sys.modules, f"pyomo_dlmp.uncertainty.{name}", raising=False)
    monkeypatch.delattr("pyomo_dlmp.uncertainty.mpi_sppy", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["study.toml"]) == 1
    said = capsys.readouterr().err
    assert words in said and "pyomo-dlmp[mpi]" in said
