"""The process in which a script runs: it may crash, hang or be interrupted."""

import subprocess
import time

import pytest

from pyomo_dlmp.engine import session
from pyomo_dlmp.engine.running import refine
from pyomo_dlmp.errors import OpenDssError
from tests.feeders import engine

TEXT = """clear
new circuit.c basekv=4.16 bus1=s
new line.l bus1=s bus2=b length=1 units=km
new load.ld bus1=b kv=4.16 kw=100
solve
"""
HANGS = "import sys, time\nsys.stdout.write('at 2\\n')\nsys.stdout.flush()\ntime.sleep(60)\n"


@pytest.fixture
def path(tmp_path):
    engine()
    (tmp_path / "m.dss").write_text(TEXT)
    return tmp_path / "m.dss"


@pytest.fixture
def children(monkeypatch):
    """Processes that the session starts."""
    started = []
    start = subprocess.Popen

    def popen(*args, **kwargs):
        started.append(start(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(session.subprocess, "Popen", popen)
    yield started
    assert started and all(child.poll() is not None for child in started)


def test_a_crash_names_its_line(path):
    """The engine dies of a regulator without a transformer, some of its versions say so instead."""
    path.write_text(TEXT.replace("solve", "new regcontrol.r transformer=none vreg=120\nsolve"))
    with pytest.raises(OpenDssError, match=r"m\.dss, line [56]"):
        session.solve_script(path)


def test_a_dead_child_names_its_line(path, monkeypatch, children):
    monkeypatch.setattr(session, "_START", "import os\nos.write(1, b'at 3\\n')\nos._exit(7)")
    with pytest.raises(OpenDssError, match=r"m\.dss, line 4: .* crashes on it \(code 7\)"):
        session.solve_script(path)


def test_nonsense_from_the_child_is_a_crash(path, monkeypatch, children):
    monkeypatch.setattr(session, "_START", "print('done 5 900\\nnotjson')")
    with pytest.raises(OpenDssError, match="crashes on it"):
        session.solve_script(path)


def test_a_hang_names_its_line(path, monkeypatch, children):
    monkeypatch.setattr(session, "_START", HANGS)
    begun = time.monotonic()
    with pytest.raises(OpenDssError, match=r"line 3: .* does not come to an end within 0\.5 s"):
        session.solve_script(path, timeout=0.5)
    assert time.monotonic() - begun < 30


def test_an_interrupt_ends_the_child(path, monkeypatch, children):
    monkeypatch.setattr(session, "_START", HANGS)

    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.solve_script(path, progress=interrupted)


def test_progress(path, children):
    told = []
    session.solve_script(path, progress=lambda at, count: told.append((at, count)))
    assert told and all(0 <= at <= count == 5 for at, count in told)


def test_no_engine(path, monkeypatch, children):
    monkeypatch.setattr(session, "_START", session._START.replace(
        "from pyomo_dlmp", "sys.modules['dss'] = None\nfrom pyomo_dlmp", 1))
    with pytest.raises(OpenDssError, match=r"its engine is not installed .*dss-python"):
        session.solve_script(path)


def test_the_folder_of_the_child_is_gone(path, monkeypatch):
    folders = []
    environment = session._environment
    monkeypatch.setattr(session, "_environment",
                        lambda folder: folders.append(folder) or environment(folder))
    session.solve_script(path)
    assert folders and not any(session.os.path.exists(folder) for folder in folders)


def test_modules_beside_the_feeder_are_not_found(path, monkeypatch):
    """Such as where a user's own script lies in the folder, which Python then searches first."""
    for name in ("dss", "numpy", "json"):
        (path.parent / f"{name}.py").write_text(f"open({str(path.parent / 'MARK')!r}, 'w')\n")
    monkeypatch.syspath_prepend(path.parent)
    assert session.solve_script(path).snapshot.elements
    assert not (path.parent / "MARK").exists()


def test_environment(monkeypatch):
    monkeypatch.setenv("DSS_CAPI_ALLOW_DOSCMD", "1")
    monkeypatch.setenv("OPENDSS_ANYTHING", "1")
    monkeypatch.setenv("PYTHONSTARTUP", "x")
    kept = session._environment("/there")
    assert not any(key.startswith(("DSS", "OPENDSS", "PYTHON")) for key in kept)
    assert kept["HOME"] == kept["TMPDIR"] == "/there"


@pytest.mark.parametrize("least, reached", [(1e-12, 1e-9), (5e-8, 1e-7), (5e-6, 1e-5), (1, None)])
def test_the_last_solution_takes_the_script_s_own_tolerance_at_worst(least, reached):
    class Solves:
        Converged = False
        asked = 0.0

        def __setattr__(self, name, value):  # the engine's text interface
            object.__setattr__(self, name, value)
            if name == "Command":
                self.asked = float(value.rsplit("=", 1)[1])

        def Solve(self):
            self.Converged = self.asked >= least

    class Engine:
        ActiveCircuit = Text = None

    stub = Engine()
    stub.Text = Solves()
    stub.ActiveCircuit = Engine()
    stub.ActiveCircuit.Solution = stub.Text
    assert refine(stub, own=1e-5) == reached
