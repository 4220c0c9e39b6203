"""The linear model beside the exact circuit (`nodal`), at loads so small that both agree."""

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.library.nodal import Nodal


def solved(net, **options):
    m = dlmp.build_opf(net, **{"losses": None, "voltage_limits": None, **options})
    dlmp.solve_opf(m)
    return m


def flow(m, name, component="line"):
    block = m.component(component)[name]
    return np.array([complex(pyo.value(block.p[k, 0]), pyo.value(block.q[k, 0]))
                     for k in block.phases])


def check_small(net, share=1e-3, within=1e-3, **components):
    """At a small load the linear model is the exact one: voltages and each branch's own flow.

    The difference from no load is compared, as the model's slope is.
    """
    loads = [scaled(d, share) for d in net.loads.values()]
    small = net.replacing(*loads)
    none = net.replacing(*[scaled(d, 1e-12) for d in net.loads.values()])
    m, m0 = solved(small), solved(none)
    exact, exact0 = Nodal(small), Nodal(none)
    for name, bus in m.bus.items():
        for k in bus.phases:
            ours = (m.bus[name].w[k, 0].value - m0.bus[name].w[k, 0].value) / share
            theirs = (abs(exact.pu(name, k)) ** 2 - abs(exact0.pu(name, k)) ** 2) / share
            assert ours == pytest.approx(theirs, rel=2e-3, abs=2e-6), (name, k)
    size = sum(abs(complex(a, b)) for d in net.loads.values()
               for a, b in zip(d.kw, d.kvar, strict=True)) / 1e3
    for name, branch in net.branches.items():
        kind = components.get(name, "line")
        ours = (flow(m, name, kind) - flow(m0, name, kind)) / share
        phases = [k for k in branch.to_phases if k in "abc"]
        theirs = [(exact.mva(name) - exact0.mva(name))[i] / share
                  for i, k in enumerate(branch.to_phases) if k in phases]
        assert ours[:len(theirs)] == pytest.approx(np.array(theirs), abs=within * size), name


def scaled(load, share):
    """A load of a share of its power."""
    return replace(load, kw=tuple(share * x for x in load.kw),
                   kvar=tuple(share * x for x in load.kvar))


def volts(bus, k, t=0):
    """A voltage of the AC form (pu); where nothing grounds the bus, less the mean of its phases."""
    v = {x: complex(bus.vr[x, t].value, bus.vi[x, t].value) for x in bus.conductors}
    return v[k] - (sum(v[x] for x in bus.phases) / 3 if bus.floats else 0)


def check_ac(net, within=1e-5):
    """The AC form at the exact point has its voltages, neutrals too, and every branch's current."""
    exact = Nodal(net)
    point = exact.point()
    m = dlmp.build_opf(net, voltage_limits=None, form="ac", operating_point=point)
    dlmp.solve_opf(m)
    loose = [(name, k) for name, bus in m.bus.items() for k in bus.conductors
             if k not in bus.phases and len(m.zone)]  # nothing says what their common voltage is
    common = sum(volts(m.bus[b], k) - exact.pu(b, k) for b, k in loose) / max(len(loose), 1)
    for name, bus in m.bus.items():
        mean = sum(exact.pu(name, k) for k in bus.phases) / 3 if bus.floats else 0
        for k in bus.conductors:
            theirs = exact.pu(name, k) + (common if (name, k) in loose else -mean)
            assert volts(bus, k) == pytest.approx(theirs, abs=within), (name, k)
    for component in (m.line, m.transformer, m.admittance):
        for name, block in component.items():
            branch = net.branches[name]
            charged = isinstance(branch, dlmp.Line) and branch.code.b is not None
            if charged or not len(block.y):
                continue
            kv = net.buses[branch.to_bus].kv_ln
            ours = dict(zip(block.terminals, -block.currents(0), strict=True))
            for k, amps in zip(branch.to_phases, exact.into[name], strict=False):
                if (branch.to_bus, k) in ours:
                    assert ours[branch.to_bus, k] == pytest.approx(
                        amps * kv / 1e3, abs=50 * within), (name, k)
    return m
