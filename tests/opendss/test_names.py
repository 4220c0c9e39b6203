"""Any name is written so that the engine takes it for a name, and comes back as it was."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyomo_dlmp as dlmp
from pyomo_dlmp.network import NodalAdmittance
from pyomo_dlmp.network.kinds import kind
from pyomo_dlmp.opendss.names import Names, original_elements
from tests.feeders import engine, node_voltages

ATTACKS = [
    "a b", "a.1.2", "Bus (west)", "[x]", "{x}", "|", "12,5", "ä ß é", "名前", "x" * 300, "-1",
    "1e5", "@x",
    'a" file="/etc/passwd', "a' b", "x=1", "a!b", "!", "//", "a//b", "/*", "a/*b*/", "~", "~ kw=1",
    "file=x", "(file=/etc/passwd)", "doscmd", 'x" enabled=no "', "new", "like=a", "a]", "a)", 'a"',
    "\\", "a\\", "%", "$HOME", "`id`", ";", "a;clear", "*", "?", "&", "ı", "İ", "ſ", "a__1",
    "line.x", "bus.1", "none", "all", "0", "1 | 2",
]
UGLY = ["a\nclear", "a\rclear", "x\x85new circuit.y", "a\tb", "a\x00b", "\x1b", "a\u2028clear"]


def feeder(name, other="other"):
    """A feeder whose elements all have one name, and its buses and codes others made of it."""
    code = dlmp.LineCode(name=name, r=[[.1]], x=[[.2]])
    buses = [name, f"{name} {other}", f"{name}.{other}", other]
    y = np.array([[.5 - 1j, -.5 + 1j], [-.5 + 1j, .5 - 1j]])
    return dlmp.Network(name, [
        dlmp.Substation(name=name, bus=buses[0], v_pu=(1.0,)),
        *(dlmp.Bus(name=bus, kv=4.16, phases="a") for bus in buses),
        dlmp.Line(name=name, from_bus=buses[0], to_bus=buses[1], code=code, length=1.0, phases="a"),
        dlmp.Regulator(name=f"{name}'", from_bus=buses[1], to_bus=buses[2], phases="a",
                       taps={"a": 4}),
        NodalAdmittance(name=f"{name}@y", buses=(buses[2], buses[3]), conductors=("a", "a"),
                        g=y.real, b=y.imag),
        dlmp.Load(name=name, bus=buses[3], legs=("a",), kw=(60.0,), kvar=(20.0,)),
        dlmp.Generator(name=f"{name}.", bus=buses[3], phases="a", kw_max=9, cost=0, kw=5.0),
        dlmp.Capacitor(name=f"{name}!", bus=buses[2], legs=("a",), kvar=(-9.0,)),
    ], description=f"{name} {other}")


PLAIN = {}


def plain():
    """Voltages of the feeder with plain names."""
    if not PLAIN:
        net = feeder("plain")
        PLAIN.update(dlmp.ac_power_flow(net).point.voltages)
    return list(PLAIN.values())


def check_names(name, folder, monkeypatch):
    """Same AC solution in the file; all names come back; nothing is made but the file."""
    net = feeder(name)
    folder.mkdir()
    monkeypatch.chdir(folder)
    before = plain()
    assert list(dlmp.ac_power_flow(net).point.voltages.values()) == pytest.approx(before, abs=1e-9)
    path = dlmp.write_opendss(net, folder / "written.dss")
    after = node_voltages(path)
    assert sorted(after.values()) == pytest.approx(sorted(map(abs, before)), abs=1e-6)
    assert [p.name for p in folder.iterdir()] == ["written.dss"]
    check_comments(net, path)
    again = dlmp.read_opendss(path)
    assert again.name == net.name
    for plural in ("buses", "substations", "lines", "regulators", "admittances", "loads",
                   "generators", "capacitors"):
        assert set(getattr(again, plural)) == set(getattr(net, plural)), plural
    assert list(dlmp.ac_power_flow(again).point.voltages.values()) == pytest.approx(
        before, abs=1e-6)
    for bus in (name, f"{name} other"):  # a name that needs nothing but quotes is kept
        if bus.isascii() and bus.replace(" ", "").isalnum() and len(bus) < 100:
            assert any(node.rsplit(".", 1)[0] == bus.lower() for node in after)


def check_comments(net, path):
    """Every element and bus is found under its name and kind, by its comments or as it stands."""
    text = path.read_text()
    known = original_elements(text)
    found = {(original.kind, original.name) for original in known.values()}
    for line in text.split("\n"):
        if line.startswith("new "):
            word, bare = line.split(" ")[1].split(".")
            if f"{word}.{bare}" not in known:
                found.add((word, bare))
    for element in net.elements:
        if kind(element) not in ("bus", "substation"):
            assert {(str(kind(element)), element.name)} & found, element
    for bus in net.buses:
        assert ("bus", bus) in found or bus == bus.lower()


@pytest.mark.parametrize("name", ATTACKS)
def test_any_name(name, tmp_path, monkeypatch):
    engine()
    check_names(name, tmp_path / "f", monkeypatch)


@pytest.mark.parametrize("name", UGLY)
def test_characters_that_no_network_takes_are_no_commands_either(name):
    names = Names([name])
    assert names.bus(name).isprintable() and names.element("line", "line", name).isascii()
    assert all(comment.isascii() and comment.isprintable() for comment in names.comments())


@settings(max_examples=40)
@given(texts=st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=5, unique=True))
def test_names_are_different_safe_and_come_back(texts):
    names = Names(texts)
    made = {f"load.{names.element('load', 'load', text)}".lower(): text for text in texts}
    buses = {f"bus.{names.bus(text)}".lower(): text for text in texts}
    assert len(made) == len(buses) == len(texts)
    back = {full: original.own
            for full, original in original_elements("\n".join(names.comments())).items()}
    for full, text in {**made, **buses}.items():
        assert back.get(full, full.split(".", 1)[1]) == text
        assert not set(full) & set("\"'\n\r\t!~@*/\\[]{}`")


def test_names_that_differ_by_case_and_by_class(tmp_path):
    engine()
    code = dlmp.LineCode(name="c", r=[[.1]], x=[[.2]])
    net = dlmp.Network("cases", [
        dlmp.Substation(name="S", bus="A", v_pu=(1.0,)),
        *(dlmp.Bus(name=bus, kv=4.16, phases="a") for bus in ("A", "a", "á", "Á")),
        *(dlmp.Line(name=f"l{k}", from_bus=first, to_bus=second, code=code, length=1.0, phases="a")
          for k, (first, second) in enumerate((("A", "a"), ("a", "á"), ("á", "Á")))),
        dlmp.Load(name="x", bus="a", legs=("a",), kw=(50.0,), kvar=(9.0,)),
        dlmp.Load(name="X", bus="Á", legs=("a",), kw=(70.0,), kvar=(9.0,)),
        dlmp.Generator(name="x_a", bus="a", phases="a", kw_max=9, cost=0),
        dlmp.Capacitor(name="xx", bus="a", legs=("a",), kvar=(9.0,))])
    volts = {bus: abs(v) for (bus, _, _), v in dlmp.ac_power_flow(net).point.voltages.items()}
    assert volts["A"] > volts["a"] > volts["á"] > volts["Á"]
    text = dlmp.write_opendss(net, tmp_path / "w.dss").read_text()
    assert {"x", "X", "x_a"} <= {o.name for o in original_elements(text).values()} | {"x"}


def test_comments_of_others_are_no_names():
    text = "\n".join(["! name", "! name []", "! name [1, 2, 3, 4]", '! name ["a", "b", "c"]',
                      '! name {"a": 1}', "! name [" * 9,
                      'new line.x ! name ["line.x","line","y",""]',
                      '! name ["line.x", "line", "", ""]', json.dumps(["line.x", "line", "y", ""])])
    assert original_elements(text) == {}
    (found,) = original_elements('! name ["line.x","line","y",""]\r\n').items()
    assert (found[0], found[1].own) == ("line.x", "y")


def test_the_description_is_one_comment(tmp_path):
    engine()
    net = dlmp.load_feeder("ieee13")
    changed = dlmp.Network(net.name, net.elements, "one\nclear\r\nquit\x85x\u2028y", net.source)
    text = Path(dlmp.write_opendss(changed, tmp_path / "w.dss")).read_text()
    assert text.split("\n")[0] == "! ieee13: one clear  quit x y"


def test_studies_of_a_feeder_with_any_names_carry_them():
    engine()
    net = feeder("Bus 7 (west); 'x'")
    table, ac = dlmp.validate_feeder(net)
    assert table["max_error"][2] < 1e-7 and set(ac.voltages()["bus"]) == set(net.buses)
    changed = net.with_devices(dlmp.Datacenter(name="Dc. 1!", bus="other", phases="a", kw=20.0))
    done = dlmp.solve_ac_opf(changed, v_min=0.8, v_max=1.2)
    assert done.settled and ("Dc. 1!", 0) in done.ac.point.injections
    report = dlmp.validation.ac_report(done.model, changed, price_samples=1)
    assert set(report.voltages["bus"]) == set(net.buses)
