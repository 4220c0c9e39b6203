"""Where the OpenDSS files of the standard feeders lie, if they are here, and AC helpers."""

from pathlib import Path

import numpy as np
import pytest

DSS = Path(__file__).resolve().parents[2] / "shared" / "feeders" / "dss"
MASTERS = {
    "ieee4_yy": "ieee4/4Bus-YY-Bal.DSS", "ieee4_dy": "ieee4/4Bus-DY-Bal.DSS",
    "ieee4_gyd": "ieee4/4Bus-GrdYD-Bal.DSS", "ieee4_yd": "ieee4/4Bus-YD-Bal.DSS",
    "ieee4_oyod": "ieee4/4Bus-OYOD-Bal.DSS", "ieee4_oyod_unbal": "ieee4/4bus-OYOD-UnBal.dss",
    "ieee13": "ieee13/run.dss", "ieee34": "ieee34/run.dss", "ieee34_mod2": "ieee34/ieee34Mod2.dss",
    "ieee37_substation": "ieee37/run.dss",
    "ieee37_published": "ieee37/ieee37_published_conditions.dss", "ieee123": "ieee123/run.dss",
    "eulv906": "eulv906/Master.dss", "ieee8500": "ieee8500/run.dss",
    "ieee8500_unbal": "ieee8500/run_unbal.dss",
}


def engine():
    """The OpenDSS engine, or a skip with the reason."""
    return pytest.importorskip("dss", reason="the extra 'opendss' is not installed")


def master(name: str) -> Path:
    """An OpenDSS file of the standard feeders, or a skip with the reason."""
    path = DSS / MASTERS[name]
    if not path.exists():
        pytest.skip("the OpenDSS files of the standard feeders are not beside the checkout")
    return path


def node_voltages(path: Path, *, pu: bool = True) -> dict[str, float]:
    """Magnitudes (pu of the engine's bases, or volts) of an OpenDSS file's solution, to 1e-9.

    The engine reads the file by its own `redirect`.
    """
    dss = engine()
    circuit_engine = dss.DSS.NewContext()
    circuit_engine.AllowChangeDir = False
    circuit_engine.Text.Command = f'redirect "{path}"'
    circuit_engine.Text.Command = "solve"
    circuit_engine.Text.Command = "set controlmode=off maxiterations=200 tolerance=1e-9"
    circuit_engine.Text.Command = "solve"
    circuit = circuit_engine.ActiveCircuit
    base = {circuit.Buses(i).Name.lower(): circuit.Buses(i).kVBase * 1e3
            for i in range(circuit.NumBuses)}
    volts = np.abs(np.asarray(circuit.YNodeVarray).view(complex))
    nodes = [node.lower() for node in circuit.YNodeOrder]
    return {node: v / (base[node.split(".")[0]] if pu else 1.0)
            for node, v in zip(nodes, volts.tolist(), strict=True)}
