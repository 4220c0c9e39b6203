"""The report's section on several owners."""

import pandas as pd

from pyomo_dlmp.report import read_results
from pyomo_dlmp.report.page import Plan
from pyomo_dlmp.report.rivals import owners_items
from pyomo_dlmp.report.tables import Table
from tests.report.synthetic import write_synthetic


def results(folder, several=True):
    folder = write_synthetic(folder, buses=12, periods=2)
    cases = list(dict.fromkeys(pd.read_csv(folder / "prices.csv")["case"]))[:2]
    regret = [(case, owner, 100.0 + k, 100.0 + k - 1e-4, 1e-4)
              for case in cases for k, owner in enumerate("AB")]
    pd.DataFrame(regret, columns=["case", "owner", "cost", "best_response_bound", "regret"]).to_csv(
        folder / "regret.csv", index=False)
    found = [(case, number, 1, owner, 100.0 + k + number, 1e-4, 2) for case in cases
             for number in ((1, 2) if several else (1,)) for k, owner in enumerate("AB")]
    pd.DataFrame(found, columns=["case", "number", "set", "owner", "cost", "regret",
                                 "starts"]).to_csv(folder / "equilibria.csv", index=False)
    turns = [(case, start, k // 2 + 1, "AB"[k % 2], 100.0, 100.0 - 0.1**k, 0.1**k if k < 5 else 0.0,
              0.01 if k < 4 else 0.0) for case in cases for start in (1, 2) for k in range(6)]
    pd.DataFrame(turns, columns=["case", "start", "round", "owner", "cost", "bound", "regret",
                                 "change"]).to_csv(folder / "best_responses.csv", index=False)
    return read_results(folder)


def test_without_owners_there_is_no_such_section(tmp_path):
    assert list(owners_items(read_results(write_synthetic(tmp_path, buses=12, periods=2)))) == []


def test_the_certificate_all_equilibria_and_the_way_there(tmp_path):
    certificate, equilibria, plan = owners_items(results(tmp_path))
    assert isinstance(certificate, Table) and isinstance(equilibria, Table)
    assert certificate.rows[0][1:5] == ["A", "100.0000", "99.9999", "0.000100"]
    assert len(certificate.rows) == 4 and len(equilibria.rows) == 4
    assert equilibria.rows[0][3] == "A 101.00; B 102.00" and equilibria.rows[0][4] == "203.00"
    assert isinstance(plan, Plan) and "<svg" in plan.job.svg()
    figure = plan.job.draw(*plan.job.args)
    assert len(figure.axes) == 4  # two cases, two starts
    lines = figure.axes[0].get_lines()
    assert lines[0].get_ydata()[0] == 1e-2  # a regret of 1 $ of 100
    assert min(min(line.get_ydata()) for line in lines if len(line.get_ydata())) == 1e-9


def test_one_equilibrium_needs_no_list(tmp_path):
    assert len(list(owners_items(results(tmp_path, several=False)))) == 2
