"""A study of two runs on three buses, which is solved in a tenth of a second."""

from pathlib import Path

import pyomo_dlmp as dlmp

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
