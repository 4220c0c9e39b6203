"""Critical regions of IEEE 37's periods: ours beside PPOPT's geometric algorithm, same parts.

PPOPT (Kenefake and Pistikopoulos 2022) and daqp get an environment of their own, made once.

    python tests/benchmarks/regions.py
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
PEER = ROOT / ".venv" / "ppopt"

THEIRS = """
import json, pickle, sys, time, warnings
import numpy as np
warnings.filterwarnings("ignore")
from ppopt.mpqp_program import MPQP_Program
from ppopt.mp_solvers.solve_mpqp import mpqp_algorithm, solve_mpqp
found = []
for o in pickle.load(open(sys.argv[1], "rb")):
    n, m, soft = len(o["g"]), len(o["lo"]), np.flatnonzero(np.isfinite(o["cap"]))
    k = len(soft)
    relax = np.zeros((len(o["s"]), k)); relax[soft, np.arange(k)] = 1.0
    A = np.vstack([np.hstack([-o["A"], -relax]), np.hstack([np.zeros((k, n)), -np.eye(k)])])
    b = np.concatenate([o["s"], np.zeros(k)])[:, None]
    F = np.vstack([o["T"][:, :m], np.zeros((k, m))])
    Q = np.diag(np.r_[np.full(n, 1e-9), np.full(k, 1e-6)]); Q[:n, :n] += o["H"]
    c = np.concatenate([o["g"], o["cap"][soft]])[:, None]
    H = np.vstack([o["E"][:, :m], np.zeros((k, m))])
    box = np.vstack([np.eye(m), -np.eye(m)]), np.concatenate([o["hi"], -o["lo"]])[:, None]
    start = time.perf_counter()
    solution = solve_mpqp(MPQP_Program(A, b, c, H, Q, *box, F), mpqp_algorithm.geometric)
    found.append([len(solution.critical_regions), time.perf_counter() - start])
print(json.dumps(found))
"""


def main() -> None:
    """Enumerate the same parts with both, and print regions and seconds."""
    from pyomo_dlmp.parametric import enumerate_regions
    from pyomo_dlmp.parametric.explicit import prepare
    from tests.benchmarks import strategic

    parts, rows = [], []
    for sites, case in ((3, "no SVG"), (3, "delta SVG"), (5, "no SVG")):
        import pyomo_dlmp as dlmp

        m = strategic.build({"feeder": "ieee37", "hours": 24, "sites": sites, "case": case,
                             "pays": "active and reactive"}, dlmp.LowerLevel)
        for hour in (2, 18):
            part = prepare(m).hull.parts[hour]
            start = time.perf_counter()
            count = len(enumerate_regions(part, 1000).regions)
            rows.append([sites, case, hour, count, time.perf_counter() - start])
            parts.append({k: getattr(part, k) for k in (
                "H", "g", "E", "A", "T", "s", "cap", "lo", "hi")})
    python = PEER / "bin" / "python"
    if not python.exists():
        venv.create(PEER, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "ppopt", "daqp"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "parts.pickle"
        file.write_bytes(pickle.dumps(parts))
        done = subprocess.run([python, "-c", THEIRS, file], capture_output=True, text=True,
                              check=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    print("sites case    hour  regions  seconds   PPOPT: regions  seconds")
    for row, (count, seconds) in zip(rows, theirs, strict=True):
        print("{:5} {:7} {:4} {:8} {:8.3f}".format(*row) + f" {count:16} {seconds:8.2f}")


if __name__ == "__main__":
    main()
