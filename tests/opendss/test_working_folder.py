"""The engine's library leaves the program in the folder in which it works."""

from pathlib import Path

import pyomo_dlmp as dlmp
from tests.feeders import engine


def test_a_power_flow_changes_no_folder(tmp_path, monkeypatch):
    engine()
    net = dlmp.load_feeder("ieee4_yy")
    monkeypatch.chdir(tmp_path)
    dlmp.ac_power_flow(net)
    assert Path.cwd() == tmp_path
