"""Controls that go on from the hour before: a bank within its dead band stays where it is."""

import pyomo_dlmp as dlmp
from pyomo_dlmp.engine.running import new_engine

SCRIPT = """clear
new circuit.order basekv=12.47 pu=1.03 r1=0.05 x1=0.3 r0=0.1 x0=0.6
new linecode.oh nphases=3 r1=0.19 x1=0.38 r0=0.45 x0=1.2 c1=0 c0=0 units=km
new line.trunk bus1=sourcebus bus2=mill linecode=oh length=8 units=km
new load.mill bus1=mill phases=3 kv=12.47 kw=1500 kvar=500 vminpu=.5
new capacitor.bank bus1=mill phases=3 kv=12.47 kvar=1500
new capcontrol.cc capacitor=bank element=line.trunk terminal=2 type=voltage ptratio=60
~ onsetting={on} offsetting={off} vmin=100 vmax=140
set voltagebases=[12.47]
calcvoltagebases
solve
"""
SCALES, SHARES = [.2, 1.0], [0.0, 1.0]  # the bank opens in the first hour


def lowest(script, kw, scales=SCALES, shares=SHARES):
    """Lowest voltage (pu) of the last hour, by the file's own engine, hour after hour."""
    engine = new_engine()
    for line in script.splitlines():
        engine.Text.Command = line
    engine.Text.Command = f"new load.site bus1=mill phases=3 kv=12.47 kw={kw} pf=.95 vminpu=.5"
    for scale, share in zip(scales, shares, strict=True):
        engine.Text.Command = f"load.mill.kw={1500 * scale}"
        engine.Text.Command = f"load.mill.kvar={500 * scale}"
        engine.Text.Command = f"load.site.kw={max(kw * share, .001)}"
        engine.Text.Command = "set controlmode=static"
        engine.Text.Command = "solve"
    return min(engine.ActiveCircuit.AllBusVmagPu)


def study(tmp_path, **settings):
    script = SCRIPT.format(**settings)
    path = tmp_path / "order.dss"
    path.write_text(script)
    return script, dlmp.connection_study(
        dlmp.read_opendss(path), "mill", load_scale=SCALES, load=SHARES, v_min=.95, v_max=1.06,
        controls="acting")


def test_a_bank_that_stays_open_makes_less_firm(tmp_path):
    script, found = study(tmp_path, on=110, off=126.0)
    acting = found.acting
    assert acting.in_order == 2 and acting.confirmed
    assert lowest(script, .999 * acting.firm_kw) >= .95 - 1e-5 > lowest(
        script, 1.01 * acting.firm_kw)
    # from the file's state, with the bank closed, there would be more in the second hour alone
    assert acting.alone_kw > 1.1 * acting.firm_kw
    assert lowest(script, .999 * acting.alone_kw, [1.0], [1.0]) >= .95 - 1e-5
    assert "in their order" in str(acting) and "Each hour alone" in str(acting)


def test_controls_that_do_not_come_to_rest_have_no_answer(tmp_path):
    # on and off settings closer to each other than the bank's own step of voltage
    _, found = study(tmp_path, on=123.4, off=123.5)
    assert found.firm_kw > 0 and str(found.acting.firm_kw) == "nan"
    assert "there is no answer" in str(found.acting) and "order" not in found.acting.lead
