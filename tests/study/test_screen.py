"""The table at the end of a study: few cases side by side, many in rows, no search's internals."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
from rich.console import Console

from pyomo_dlmp.cli.screen import comparison


def solved(name: str, pay: float, passed: bool = True) -> SimpleNamespace:
    rows = [("datacenters_pay", pay, "$"), ("lowest_voltage", 0.95, "pu"),
            ("status", "optimal", ""), ("proven_gap", 2.5e-12, "%"), ("wall_time", 3.25, "s"),
            ("binaries", 21, "count"), ("AC_check_losses_in_AC", 2e-7, "MWh")]
    return SimpleNamespace(run=SimpleNamespace(name=name), tables={
        "summary": pd.DataFrame(rows, columns=["quantity", "value", "unit"]),
        "audit": pd.DataFrame({"passed": [True, passed]})})


def shown(done) -> str:
    console = Console(width=80)
    with console.capture() as caught:
        console.print(comparison(done))
    return caught.get()


def cells(text: str, first: str) -> list[str]:
    line = next(line for line in text.splitlines() if f"│ {first} " in line)
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_few_cases_stand_side_by_side():
    text = shown([solved("A", 100.5), solved("B", 90.25)])
    assert cells(text, "datacenters pay")[1:] == ["$", "100.50", "90.2500", "-10.2500"]
    assert cells(text, "proven gap")[2:] == ["0", "0", "0"]
    assert cells(text, "AC check losses in AC")[2:] == ["2e-07", "2e-07", "0"]
    assert "wall time" in text and "binaries" not in text


@pytest.mark.parametrize("count", [4, 9])
def test_many_cases_stand_one_below_the_other(count):
    done = [solved(f"case, x{k}", 100.0 + k, passed=k != 2) for k in range(count)]
    text = shown(done)
    for k in range(count):
        assert cells(text, f"case, x{k}") == [
            f"case, x{k}", f"{100 + k}", "0.9500", "0", "FAILED" if k == 2 else "passed"]
    assert "optimal" not in text  # all are
    assert len(text.splitlines()) < 10 + count
    assert "summary.csv" in text
