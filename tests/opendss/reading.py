"""Small OpenDSS feeders as text, read and checked against their own nodal equations."""

import warnings

import pyomo_dlmp as dlmp
from pyomo_dlmp.opendss.reading import reader
from tests.feeders import engine
from tests.opendss.nodal_flow import conductor_volts, worst_difference

HEAD = """clear
new circuit.c basekv=12.47 pu=1.01 bus1=src mvasc3=200 mvasc1=180
new line.m bus1=src bus2=b r1=.2 x1=.4 r0=.5 x0=1.3 c1=3 c0=2 length=2 units=km
new load.s bus1=b phases=3 kv=12.47 kw=200 kvar=80
"""
TAIL = """
set voltagebases=[12.47 .48]
calcvoltagebases
solve
"""
EXACT = 2e-6  # pu; the engine keeps windings from floating by some ppm of their rating


def read_text(text, folder, **how):
    """Network, draft and warnings of a script between HEAD and TAIL (or a whole one)."""
    engine()
    path = folder / "m.dss"
    path.write_text(text if text.startswith("clear") else HEAD + text + TAIL)
    kept = {}
    original = reader.read_snapshot

    def keep(snapshot, *more):
        kept["draft"] = original(snapshot, *more)
        return kept["draft"]

    reader.read_snapshot = keep
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            net = dlmp.read_opendss(path, **how)
    finally:
        reader.read_snapshot = original
    said = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    return net, kept["draft"], said


def check_reads(text, folder, **how):
    """What is read has the engine's voltages by nodal equations of our own, and lost no node."""
    net, draft, said = read_text(text, folder, **how)
    worst, where = worst_difference(net, draft)
    assert worst < EXACT, where
    held = {(bus.name, k) for bus in net.buses.values() for k in bus.conductors}
    lost = [place for place, v in conductor_volts(draft).items()
            if place not in held and abs(v) > 50 * draft.kv_ln(place[0])]
    assert not lost
    assert len(said) < 2  # one warning for all
    return net, "".join(said)
