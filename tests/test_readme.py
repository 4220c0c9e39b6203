"""What the README shows is what happens."""

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_example_runs_and_prints_what_it_says(capsys):
    ((code, printed),) = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```",
                                    README.read_text(encoding="utf-8"), re.S)
    names: dict = {}
    exec(compile(code, str(README), "exec"), names)
    assert capsys.readouterr().out == printed
    m, dso = names["m"], names["dso"]
    assert abs(names["result"].objective - 47.344) < 0.01
    assert names["result"].audit.passed
    # brute force: the datacenter's payment at a grid of splits, the DSO solved at each
    import pyomo.environ as pyo

    import pyomo_dlmp as dlmp

    best = float("inf")
    for p0 in [0.1 + 0.02 * k for k in range(41)]:
        dso.dc.p[0].set_value(p0)
        dso.dc.p[1].set_value(1.0 - p0)
        dlmp.solve_opf(dso)
        for row, dual in ((dso.end.balance_p, names["price_p"]),
                          (dso.end.balance_q, names["price_q"])):
            for k in row:
                dual[k].set_value(dso.dual[row[k]], skip_validation=True)
        best = min(best, pyo.value(m.pay))
    assert names["result"].objective <= best + 1e-3
    assert best <= names["result"].objective * 1.02


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target
