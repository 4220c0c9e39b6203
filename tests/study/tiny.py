"""A study of two runs on three buses, solved in a tenth of a second, and what it must leave."""

from pathlib import Path

import pandas as pd

import pyomo_dlmp as dlmp
from pyomo_dlmp.cli import main
from pyomo_dlmp.study.journal import MARK

TEXT = """
feeder = "{feeder}"
[time]
periods = 2
[dso]
price = [30, 60]
[aggregator]
energy_share = 0.5
[check]
ac = true
[[datacenter]]
name = "dc"
bus = "end"
kw = 300
[[case]]
name = "no SVG"
[[case]]
name = "SVG"
[[case.svg]]
name = "v"
bus = "end"
kvar = 100
"""


def write_tiny(folder: Path, text: str = TEXT) -> Path:
    """Write the study file and its feeder; returns the file."""
    code = dlmp.LineCode(name="c", r=((0.3, 0.1, 0.1), (0.1, 0.3, 0.1), (0.1, 0.1, 0.3)),
                         x=((0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6)))
    network = dlmp.Network("tiny", [
        *(dlmp.Bus(name=name, kv=4.16) for name in ("head", "middle", "end")),
        dlmp.Substation(name="grid", bus="head"),
        dlmp.Line(name="l1", from_bus="head", to_bus="middle", code=code, length=1.0),
        dlmp.Line(name="l2", from_bus="middle", to_bus="end", code=code, length=1.0),
        dlmp.Load(name="a", bus="middle", legs=("a",), kw=(100,), kvar=(30,)),
        dlmp.Load(name="b", bus="end", legs=("a", "b", "c"), kw=(100,) * 3, kvar=(30,) * 3)])
    dlmp.write_tables(network, folder / "feeder")
    path = folder / "tiny.toml"
    path.write_text(text.format(feeder=(folder / "feeder").as_posix()), encoding="utf-8")
    return path


def draw(folder: Path, progress=None) -> None:
    """In place of `write_report`, which takes ten seconds."""
    (folder / "report.html").write_text("drawn")


def checked(*_, **__):
    """In place of `ac_report`, which takes most of the time."""
    class Report:
        summary = pd.DataFrame([("mean_voltage_error", 0.001, "pu")],
                               columns=["quantity", "value", "unit"])
    return Report


def cases(folder: Path, table: str = "prices") -> list[str]:
    """Cases of a table, each as whole as in an undisturbed study."""
    rows = pd.read_csv(folder / f"{table}.csv")
    if table == "prices":
        assert (rows.groupby("case").size() == 3 * 3 * 2 * 2).all()
    return list(dict.fromkeys(rows["case"]))


def said(capsys) -> str:
    """What was printed, without its line breaks."""
    text = " ".join(capsys.readouterr().out.split())
    assert "Traceback" not in text
    return text


def solve(tmp_path, *options) -> int:
    """The command on the tiny study."""
    path = write_tiny(tmp_path)
    return main(["study", str(path), "--results", str(tmp_path / "out"), *options])


def is_whole(folder: Path) -> None:
    """The results of both runs, each row once, and nothing beside them."""
    assert cases(folder) == ["no SVG", "SVG"] == cases(folder, "decomposition")
    summary = pd.read_csv(folder / "summary.csv")
    assert not summary.duplicated(["case", "quantity"]).any()
    assert (summary["quantity"] == "AC_check_mean_voltage_error").sum() == 2
    assert {p.name for p in folder.parent.iterdir()} == {"out", "feeder", "tiny.toml"}
    assert not (folder / MARK).exists() and not list(folder.glob("*.part"))
