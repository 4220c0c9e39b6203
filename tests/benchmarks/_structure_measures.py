"""One measurement in a process of its own: of this package, or of an older version of it.

    python _structure_measures.py NAME [ARGUMENT ...]

prints one line of JSON. It imports nothing of the tests, so that the interpreter of another
environment, with another version installed, runs it as well; what needs them, for this package
alone, is given the folder of the benchmarks.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import resource
import sys
import time
from pathlib import Path

PRICE = [32, 30, 29, 28, 28, 30, 36, 45, 52, 55, 56, 58, 57, 56, 55, 58, 65, 78, 85, 80, 70, 55,
         45, 38]
SCALE = [0.62, 0.58, 0.56, 0.55, 0.56, 0.60, 0.70, 0.78, 0.82, 0.84, 0.86, 0.88, 0.88, 0.88, 0.88,
         0.90, 0.94, 0.98, 1.00, 0.98, 0.94, 0.86, 0.76, 0.68]
# kW at a bus, $/MWh: the main study's
MAKERS = (("707", 250, 45, 60), ("728", 250, 50, 50), ("735", 250, 55, 40), ("741", 200, 60, 40),
          ("725", 200, 65, 40))
SITES = (("730", 700), ("738", 600), ("711", 500))


class Clock:
    """Wall and CPU seconds (those of children included) since it was made."""

    def __init__(self):
        self.wall, self.cpu = time.perf_counter(), self._cpu()

    def _cpu(self) -> float:
        own, theirs = (resource.getrusage(who) for who in (
            resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime

    def read(self) -> dict:
        """Both."""
        return {"wall": round(time.perf_counter() - self.wall, 3),
                "cpu": round(self._cpu() - self.cpu, 3)}


def ieee37():
    """(network, options of build_opf, MWh) of the day with three sites."""
    import pyomo_dlmp as dlmp

    net = dlmp.load_feeder("ieee37").with_devices(
        *(dlmp.Datacenter(name=f"dc{bus}", bus=bus, kw=kw, floor=0.1, power_factor=0.95)
          for bus, kw in SITES),
        *(dlmp.Generator(name=f"g{bus}", bus=bus, kw_max=kw, kvar_min=-kw / 2, kvar_max=kw / 2,
                         cost=cost, cost2=cost2) for bus, kw, cost, cost2 in MAKERS))
    return net, {"periods": 24, "price": PRICE, "load_scale": SCALE, "v_min": 0.95,
                 "v_max": 1.05}, 0.6 * 1.8 * 24


def ieee8500(hours: int, limits: tuple[float, float] = (0.92, 1.12)):
    """The same of the 8500-node feeder, taps at those of full load."""
    import pyomo_dlmp as dlmp

    net = dlmp.load_feeder("ieee8500")
    wide = [n for n, bus in net.buses.items() if len(bus.phases) == 3 and bus.kv > 5]
    step = len(wide) // 16
    net = net.with_devices(
        *(dlmp.Datacenter(name=f"dc{k}", bus=wide[step * (2 * k + 1)], kw=300, floor=0.1,
                          power_factor=0.95) for k in range(3)),
        *(dlmp.Generator(name=f"g{k}", bus=wide[step * (2 * k + 2)], kw_max=200, kvar_min=-100,
                         kvar_max=100, cost=45 + 4 * k, cost2=50) for k in range(5)))
    scale = [0.8 + 0.2 * (s - 0.55) / 0.45 for s in SCALE]
    return net, {"periods": hours, "price": PRICE[:hours], "load_scale": scale[:hours],
                 "v_min": limits[0], "v_max": limits[1]}, 0.6 * 0.9 * hours


def model_of(net, options, energy):
    """The bilevel model."""
    import pyomo.environ as pyo

    import pyomo_dlmp as dlmp

    m = pyo.ConcreteModel()
    m.dso = dlmp.LowerLevel()
    dlmp.build_opf(net, into=m.dso, **options)
    m.dca = dlmp.AggregatorBlock()
    m.dca.build(m.dso, energy, "active and reactive")
    return m


def of_import() -> dict:
    """The package, and its command's help."""
    clock = Clock()
    import pyomo_dlmp  # noqa: F401

    return clock.read()


def of_repeats() -> dict:
    """A series on one model: nothing changed, one price, all prices."""
    import pyomo_dlmp as dlmp

    m = model_of(*ieee37())
    taken = inspect.signature(dlmp.solve_bilevel).parameters
    key = next((k for k in ("atlas", "cache", "reuse") if k in taken), "reuse")
    kept = {"atlas": "Atlas", "cache": "SolveCache", "reuse": "Reuse"}[key]
    series = {key: getattr(dlmp, kept)(), "gap": 1e-4}
    (grid,) = m.dso.substation.values()
    changes = {"first": {}, "nothing changed": {}, "one price": {10: 57.0},
               "another price": {17: 81.0}, "all prices": {t: p + 1 for t, p in enumerate(PRICE)},
               "all prices again": {t: p + 2 for t, p in enumerate(PRICE)}}
    found = {}
    for name, prices in changes.items():
        for t, value in prices.items():
            grid.price[t].set_value(value)
        clock = Clock()
        r = dlmp.solve_bilevel(m, **series)
        found[name] = clock.read() | {"objective": r.objective, "status": str(r.status)}
    return found


def of_study(path: str, folder: str) -> dict:
    """A whole study, as the command does it."""
    clock = Clock()
    from pyomo_dlmp.cli import main

    with contextlib.redirect_stdout(sys.stderr):
        code = main(["study", path, "--results", folder])
    return clock.read() | {"code": code}


def of_large(hours: str = "24") -> dict:
    """From feeder tables to the audited answer, linear."""
    import pyomo_dlmp as dlmp

    clock = Clock()
    m = model_of(*ieee8500(int(hours)))
    built = clock.read()
    r = dlmp.solve_bilevel(m, gap=1e-3)
    return _told(clock, r) | {"build": built["cpu"], "times": r.times}


def of_large_ac(hours: str = "24") -> dict:
    """The same in the AC form, with its loop."""
    import pyomo_dlmp as dlmp

    clock = Clock()
    net, options, energy = ieee8500(int(hours))
    market = dlmp.Market(net, energy, opf={**options, "form": "ac"}, deviations=0)
    r = dlmp.solve_market("strategic", market, gap=1e-3)
    return clock.read() | {"objective": r.paid, "status": str(r.status), "note": r.note,
                           "gb": _peak()}


def of_many_limits(seconds: str = "600") -> dict:
    """24 hours whose voltage limits bind in thousands of ways."""
    import pyomo_dlmp as dlmp

    clock = Clock()
    m = model_of(*ieee8500(24, (0.95, 1.05)))
    r = dlmp.solve_bilevel(m, gap=1e-3, time_limit=float(seconds))
    return _told(clock, r) | {"notes": list(r.notes)[:3]}


def of_year(benchmarks: str, pictures: str, hours: str = "8760", workers: str = "2") -> dict:
    """A synthetic year, hour by hour."""
    bench = _benchmark(benchmarks, "series")
    clock = Clock()
    found = bench.year(int(hours), int(workers))
    told = clock.read() | {"gb": _peak()} | bench.figures(found)
    bench.draw(found, f"{hours} hours", Path(pictures) / "series_year.svg")
    return told


def of_rolling(benchmarks: str, pictures: str, steps: str = "288") -> dict:
    """A day in steps of 5 minutes, each with the next two hours."""
    bench = _benchmark(benchmarks, "series")
    clock = Clock()
    found = bench.rolling(int(steps))
    told = clock.read() | {"gb": _peak()} | bench.figures(found)
    bench.draw(found, f"{steps} rolling steps", Path(pictures) / "series_rolling.svg")
    return told


def of_building(benchmarks: str, pictures: str, buses: str = "1000 2000 4000",
                hours: str = "1 6 24") -> dict:
    """Feeders of ever more buses, over ever more hours, built and compiled."""
    bench = _benchmark(benchmarks, "building")
    clock = Clock()
    runs = [bench.run(int(b), int(h)) for b in buses.split() for h in hours.split()]
    bench.draw(runs, Path(pictures) / "building.svg")
    return clock.read() | {"runs": runs}


def _benchmark(folder: str, name: str):
    """A module of the benchmarks, by its file."""
    spec = importlib.util.spec_from_file_location(f"{name}_benchmark", Path(folder) / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _told(clock: Clock, r) -> dict:
    return clock.read() | {"objective": r.objective, "bound": r.bound, "gap": r.gap,
                           "status": str(r.status), "gb": _peak()}


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)


if __name__ == "__main__":
    measure = globals()["of_" + sys.argv[1]]
    print(json.dumps(measure(*sys.argv[2:])))
