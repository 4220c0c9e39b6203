"""IEEE 37 without datacenters against the published conditions.

`ieee37_voltages.csv`: line-to-line voltages (pu) of the feeder's published conditions, solved with
OpenDSS (1.0 pu at bus 799, taps A-B +7 and C-B +4, controls off), and the VUF they give (percent).
"""

from pathlib import Path

import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import unbalance_table, voltages_table

REFERENCE = pd.read_csv(Path(__file__).with_name("ieee37_voltages.csv"), dtype={"bus": str})


@pytest.fixture(scope="module")
def base():
    m = dlmp.build_opf(dlmp.load_feeder("ieee37"), losses=None, voltage_limits=None)
    dlmp.solve_opf(m)
    return m


def test_line_to_line_voltages(base):
    table = voltages_table(base).query("quantity == 'line_to_line'")
    ours = table.pivot(index="bus", columns="phase", values="value")
    reference = REFERENCE.set_index("bus")[["v_ab", "v_bc", "v_ca"]]
    reference.columns = ["ab", "bc", "ca"]
    assert len(reference) >= 36
    assert (ours.loc[reference.index] - reference).abs().to_numpy().max() < 1e-3


def test_unbalance(base):
    vuf = unbalance_table(base).query("quantity == 'VUF'").set_index("bus")["value"]
    reference = REFERENCE.set_index("bus")["vuf_percent"]
    assert (vuf.loc[reference.index] - reference).abs().max() < 0.03
