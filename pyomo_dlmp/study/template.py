"""The text of a new study file: commented, and fitted to a feeder so that it runs as it is."""

from __future__ import annotations

from collections.abc import Sequence

from pyomo_dlmp.errors import NetworkError, nearest
from pyomo_dlmp.network import Network
from pyomo_dlmp.results.buses import list_buses

_SHARE = 0.1  # kW of the first datacenter, of the feeder's load: small enough to fit anywhere

_TEXT = """\
# A study: one datacenter and the prices that it makes on {feeder}.
#
#   pyomo-dlmp study {file}.toml            solves it; tables, pictures and a report in {results}
#   pyomo-dlmp buses {quoted} --three-phase      where else a datacenter could stand
#
# Lines that begin with # are comments. Lists over time have one number per period. Unknown keys are
# reported with the closest valid key.

title = "{sites} on {feeder}"
feeder = "{path}"{pad}# a shipped feeder's name, a folder of feeder tables, or an OpenDSS file
results = "{results}"

[time]
periods = 24
hours = 1.0                       # length of a period (h)

[dso]
form = "{form}"                    # "ac": prices and limits true in AC; "lindist": linear flows
# $/MWh at the substation, and the multiplier of all loads (or a column of a file:
# price = {{csv = "prices.csv", column = "price"}})
price = [32, 30, 29, 28, 28, 30, 36, 45, 52, 55, 56, 58,
         57, 56, 55, 58, 65, 78, 85, 80, 70, 55, 45, 38]
load_scale = [0.62, 0.58, 0.56, 0.55, 0.56, 0.60, 0.70, 0.78, 0.82, 0.84, 0.86, 0.88,
              0.88, 0.88, 0.88, 0.90, 0.94, 0.98, 1.00, 0.98, 0.94, 0.86, 0.76, 0.68]
voltage_limits = "soft"           # "soft", "hard" or "none"; line to neutral, pu
v_min = 0.95
v_max = 1.05
penalty = 2000                    # $ per pu^2 of squared voltage and hour beyond a soft limit

[aggregator]
energy_share = 0.60               # of the datacenters' capacity x time: work that they can shift
pays = "active and reactive"      # or "active"

[solver]
name = "highs"
gap = 1e-3                        # relative, proven
time_limit = 300                  # seconds of search for each case

[report]
without_datacenters = true        # the first case once more without them: what they do to prices
{datacenters}
# Each case is solved; a second one shows what a device changes.
[[case]]
name = "as it is"

[[case]]
name = "with an SVG"

[[case.svg]]                      # a static var generator
name = "svg_{first}"
bus = "{first}"
kvar = {kvar:g}
"""

_DATACENTER = """
[[datacenter]]
name = "dc_{bus}"
bus = "{bus}"
kw = {kw:g}{pad}# greatest power at the meter
floor = 0.10                      # share of it that always runs
power_factor = 0.95
"""


def study_text(feeder: str, network: Network, buses: Sequence[str], file: str) -> str:
    """A study file for a feeder.

    Parameters
    ----------
    feeder : str
        As the file names it.
    network : Network
        The feeder.
    buses : sequence of str
        Where datacenters stand; empty: the three-phase bus of the medium voltage that is half-way
        out.
    file : str
        Name of the file, without its suffix.

    Returns
    -------
    str

    Raises
    ------
    NetworkError
        If a bus is unknown, or no bus has three phases.
    """
    for bus in buses:
        if bus not in network.buses:
            raise NetworkError.at(f"network {network.name!r}", f"it has no bus {bus!r}",
                                  nearest(bus, network.buses))
    chosen = list(buses) or [_half_way(network)]
    kw = _round(_SHARE * network.total_kw / len(chosen))
    results = f"results/{file}"
    return _TEXT.format(
        feeder=network.name, file=file, results=results, path=_escaped(feeder),
        quoted=f'"{feeder}"' if " " in feeder else feeder, form="ac",
        pad=" " * max(1, 24 - len(feeder)), first=_escaped(chosen[0]), kvar=_round(0.4 * kw),
        sites="A datacenter" if len(chosen) == 1 else f"{len(chosen)} datacenters",
        datacenters="".join(_DATACENTER.format(
            bus=_escaped(bus), kw=kw, pad=" " * max(1, 29 - len(f"{kw:g}"))) for bus in chosen))


def _half_way(network: Network) -> str:
    """The three-phase bus of the medium voltage at the middle of the distances."""
    table = list_buses(network, phases=3)
    table = table[table["bus"] != network.substation.bus]
    if not len(table):
        raise NetworkError.at(f"network {network.name!r}", "has no bus with three phases",
                              "Name buses: --bus.")
    most = table.groupby("kv")["bus"].count().idxmax()  # where most three-phase buses are
    table = table[table["kv"] == most]
    return str(table.iloc[len(table) // 2]["bus"])


def _round(kw: float) -> float:
    """Two digits, and never nothing."""
    return max(float(f"{kw:.1g}"), 1.0)


def _escaped(text: str) -> str:
    """As a basic string of TOML."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
