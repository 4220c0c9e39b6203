"""The feeder format: exact round trips, and files that say what is wrong with them."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyomo_dlmp.errors import FeederFileError, NetworkError
from pyomo_dlmp.io import load_feeder, read_tables, write_tables
from pyomo_dlmp.network import (
    Bus,
    Capacitor,
    CenterTappedTransformer,
    Datacenter,
    Generator,
    Line,
    LineCode,
    Load,
    Network,
    NodalAdmittance,
    Profile,
    Regulator,
    StaticVarGenerator,
    Storage,
    Substation,
    Transformer,
)

UNITS = ["km", "m", "mi", "ft", "kft"]
figures = st.floats(-1e6, 1e6)
amounts = st.floats(0, 1e6)
positive = st.floats(1e-6, 1e6)
texts = st.text(max_size=20)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(
    lambda name: name.isprintable() and name == name.strip())


@st.composite
def matrices(draw, n):
    half = np.array(draw(st.lists(st.floats(-2, 2), min_size=n * n, max_size=n * n)))
    half = half.reshape(n, n)
    return (half @ half.T + 0.01 * np.eye(n)).round(draw(st.integers(3, 12)))


def admittances(draw, name, terminals, symmetric):
    """A random one over (bus, conductors) pairs."""
    n = sum(len(wires) for _, wires in terminals)
    y = draw(st.lists(st.floats(-1e3, 1e3), min_size=2 * n * n, max_size=2 * n * n))
    y = np.array(y).reshape(2, n, n) * (np.array(y).reshape(2, n, n) > -500)
    if symmetric:
        y = y + y.transpose(0, 2, 1)
    return NodalAdmittance(
        name=name, buses=tuple(bus for bus, _ in terminals), g=y[0], b=y[1],
        conductors=tuple("".join(wires) for _, wires in terminals),
        rating_kva=draw(st.none() | positive))


@st.composite
def networks(draw):
    """A random feeder whose every branch and device is valid."""
    bus_names = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    phases = {bus_names[0]: "abc"}
    neutrals = {bus: draw(st.sampled_from(["", "", "n", "nd", "ndefghijk"])) for bus in bus_names}
    matrix = matrices(3).map(lambda m: tuple(map(tuple, m.tolist())))
    r, x = draw(st.just((None, None)) | st.tuples(matrix, matrix))
    elements = [Substation(name=draw(names), bus=bus_names[0], r=r, x=x,
                           v_pu=draw(st.tuples(*[st.floats(0.8, 1.2)] * 3)),
                           angles=draw(st.none() | st.tuples(*[st.floats(-180, 180)] * 3)))]
    for i, bus in enumerate(bus_names[1:]):
        parent = draw(st.sampled_from(bus_names[: i + 1]))
        here = "".join(draw(st.permutations(phases[parent])))[: draw(st.integers(1, 3))]
        ends = {"name": f"{i}{draw(names)}", "from_bus": parent, "to_bus": bus}
        kinds = ["line", "transformer", "regulator", "open delta", "center-tapped"]
        kind = draw(st.sampled_from(kinds[:1] if "1" in phases[parent] else kinds))
        if kind == "open delta" and len(phases[parent]) == 3:
            here = "abc"
            elements.append(Regulator(
                **ends, connection="open_delta", kind=draw(st.sampled_from("AB")),
                taps={"ab": draw(st.integers(-16, 16)), "cb": draw(st.integers(-16, 16))}))
        elif kind == "regulator":
            taps = {phase: draw(st.integers(-16, 16)) for phase in here}
            elements.append(Regulator(**ends, phases=here, taps=taps,
                                      kva=draw(st.none() | positive), x_percent=draw(positive)))
        elif kind == "transformer":
            elements.append(Transformer(
                **ends, phases=here, kva=draw(positive), r_percent=draw(amounts),
                x_percent=draw(positive), tap=draw(positive), rated=draw(st.booleans()),
                from_kv=draw(st.none() | st.floats(1e-6, 1200)), from_tap=draw(positive),
                no_load_percent=draw(amounts), antifloat_ppm=draw(amounts),
                connection=draw(st.sampled_from(["wye-wye", "delta-wye"] if here == "abc"
                                                else ["wye-wye"])),
                lead=draw(st.booleans()), floating=draw(st.sampled_from(["", "from"]))))
        elif kind == "center-tapped":
            here = "12"
            elements.append(CenterTappedTransformer(
                **ends, leg=phases[parent][0], kva=draw(positive), to_kv=0.12,
                r_percent=draw(st.tuples(*[amounts] * 3)),
                x_percent=draw(st.tuples(*[positive] * 3))))
        elif draw(st.booleans()) and "1" not in phases[parent]:
            terminals = [(parent, here), (bus, here)]
            elements.append(admittances(draw, ends["name"], terminals, draw(st.booleans())))
        else:
            phases[bus] = here
            if draw(st.booleans()):
                here += "".join(k for k in neutrals[bus] if k in neutrals[parent])
            n = len(here)
            there = draw(st.none() | st.just(here))
            code = LineCode(name=f"{i}{draw(names)}", r=draw(matrices(n)), x=draw(matrices(n)),
                            b=draw(st.none() | matrices(n)))
            elements.append(Line(**ends, phases=here, code=code, length=draw(positive),
                                 to_conductors=there, rating_kva=draw(st.none() | positive)))
            if draw(st.booleans()):
                elements.append(Line(name=f"open{i}", from_bus=parent, to_bus=bus, phases=here,
                                     code=code, length=draw(positive), closed=False))
            if draw(st.booleans()):  # a loop
                elements.append(Line(**{**ends, "name": f"beside{i}"}, phases=here, code=code,
                                     length=draw(positive)))
            continue
        phases[bus] = here
    limit = st.none() | st.floats(0.5, 0.99)
    place = st.none() | figures
    elements += [
        Bus(name=bus, kv=4.8, phases=here, v_min=draw(limit), x=draw(place), y=draw(place),
            neutrals=neutrals[bus],
            ground_r=draw(st.none() | amounts) if neutrals[bus] else None,
            ground_x=draw(st.none() | amounts) if neutrals[bus] else None)
        for bus, here in phases.items()
    ]
    for i in range(draw(st.integers(0, 3))):
        bus = draw(st.sampled_from(bus_names))
        at = {"name": f"{i}{draw(names)}", "bus": bus}
        here = phases[bus]
        neutral = draw(st.sampled_from(["", *neutrals[bus]]))
        own = tuple(k + neutral for k in here)
        per_leg = st.tuples(*[figures] * len(here))
        elements.append(draw(st.one_of(
            st.builds(Load, **{k: st.just(v) for k, v in at.items()}, legs=st.just(own),
                      kw=per_leg, kvar=per_leg,
                      model=st.sampled_from(["power", "current", "impedance"]),
                      kv=st.none() | st.floats(1e-6, 1200), v_low=st.floats(0, 0.9),
                      profile=st.sampled_from([None, "day"])),
            st.builds(Load, **{k: st.just(v) for k, v in at.items()}, legs=st.just(own),
                      kw=per_leg, kvar=per_leg, model=st.just("exponential"),
                      coefficients=st.tuples(figures, figures)),
            st.builds(Capacitor, **{k: st.just(v) for k, v in at.items()},
                      legs=st.just(own), kvar=per_leg, closed=st.booleans()),
            st.builds(Storage, **{k: st.just(v) for k, v in at.items()}, phases=st.just(here),
                      neutral=st.just(neutral),
                      kw_max=amounts, kwh_max=positive, cyclic=st.booleans(), cost=amounts,
                      kva=st.none() | positive, kvar=figures),
            st.builds(Generator, **{k: st.just(v) for k, v in at.items()}, phases=st.just(here),
                      kw_max=amounts, cost=figures, cost2=amounts, kvar_max=amounts,
                      kva=st.none() | positive, power_factor_min=st.none() | st.floats(0.1, 1),
                      kw=figures),
            st.builds(Datacenter, **{k: st.just(v) for k, v in at.items()}, phases=st.just(here),
                      kw=amounts, floor=st.floats(0, 1), power_factor=st.floats(0.1, 1)),
            st.builds(StaticVarGenerator, **{k: st.just(v) for k, v in at.items()},
                      phases=st.just(here), neutral=st.just(neutral), kvar=amounts),
        )))
    for i in range(draw(st.integers(0, 2))):
        bus = draw(st.sampled_from(bus_names))
        elements.append(admittances(draw, f"shunt{i}", [(bus, phases[bus] + neutrals[bus][:2])],
                                    draw(st.booleans())))
    day = Profile(name="day", values=draw(st.tuples(figures, figures)), minutes=draw(positive),
                  q_values=draw(st.none() | st.tuples(figures, figures)))
    return Network(draw(names), elements, draw(texts), draw(texts), [day],
                   draw(st.sampled_from([50.0, 60.0])))


@settings(max_examples=60)
@given(net=networks(), length_unit=st.sampled_from(UNITS), code_unit=st.sampled_from(UNITS))
def test_round_trip_is_exact(net, length_unit, code_unit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("feeder")
    write_tables(net, folder, length_unit=length_unit, code_unit=code_unit)
    assert read_tables(folder) == net


def test_what_is_not_needed_is_not_written(tmp_path):
    write_tables(load_feeder("ieee37"), tmp_path)
    heads = {path.name: path.read_text().split("\n")[0] for path in tmp_path.glob("*.csv")}
    assert heads["buses.csv"] == "name,kv_ll,phases,v_min_pu,v_max_pu,x,y"
    assert heads["line_codes.csv"].endswith("b_us_33") and "admittances.csv" not in heads
    assert "angles =" not in (tmp_path / "feeder.toml").read_text()


def test_headers_of_many_conductors(tmp_path):
    wires = "abcndefghij"
    eye = np.eye(len(wires)) + 0.25
    net = Network("wide", [
        Substation(name="s", bus="p"), *(Bus(name=b, kv=4.8, neutrals=wires[3:]) for b in "pq"),
        Line(name="l", from_bus="p", to_bus="q", phases=wires, length=1.0,
             code=LineCode(name="c", r=eye, x=eye))])
    write_tables(net, tmp_path)
    head = (tmp_path / "line_codes.csv").read_text().split("\n")[0].split(",")
    assert {"r_ohm_43", "r_ohm_10_3", "x_ohm_11_11"} <= set(head) and "r_ohm_111" not in head
    assert read_tables(tmp_path) == net


ADMITTANCE_EDITS = [
    ("y,q,a,p,a,-0.5", "y,q,a,p,a,far", "row 3, column 'g_s': 'far' is not a number"),
    ("y,q,a,p,a,-0.5", "y,q,a,q,a,-0.5", "the entry of q.a and q.a of admittance 'y' comes twice"),
    ("y,q,a,p,a,-0.5,0,50", "y,q,a,p,a,-0.5,0,51", "51.0 differs from 50.0 of admittance 'y' in"),
    ("y,q,a,p,a", "y,,a,p,a", "row 3, column 'bus': it is empty. Give text."),
]


@pytest.mark.parametrize("old, new, message", ADMITTANCE_EDITS)
def test_edited_admittances(old, new, message, tmp_path):
    g = ((0.5, -0.5), (-0.5, 0.5))
    net = Network("y", [
        Substation(name="s", bus="p", v_pu=(1.0,)),
        *(Bus(name=b, kv=4.8, phases="a") for b in "pq"),
        NodalAdmittance(name="y", buses=("p", "q"), conductors=("a", "a"), g=g, b=np.zeros((2, 2)),
                        rating_kva=50.0)])
    write_tables(net, tmp_path)
    assert read_tables(tmp_path) == net
    edit(tmp_path, "admittances.csv", old, new)
    with pytest.raises(FeederFileError) as caught:
        read_tables(tmp_path)
    assert message in str(caught.value)


def test_round_trip_of_a_shipped_feeder_gives_its_files(tmp_path):
    net = load_feeder("ieee37")
    write_tables(net, tmp_path / "km")
    write_tables(net, tmp_path / "mixed", length_unit="ft", code_unit="mi")
    assert read_tables(tmp_path / "km") == read_tables(tmp_path / "mixed") == net
    assert "L1,701,702,abc,722,960,ft,\n" in (tmp_path / "mixed" / "lines.csv").read_text()


def test_optional_tables_come_and_go(tmp_path):
    net = load_feeder("ieee37")
    write_tables(net.with_devices(Datacenter(name="dc", bus="701", kw=100)), tmp_path)
    assert (tmp_path / "datacenters.csv").exists()
    write_tables(net, tmp_path)
    assert not (tmp_path / "datacenters.csv").exists() and read_tables(tmp_path) == net


def test_unknown_unit(tmp_path):
    with pytest.raises(FeederFileError, match=r"length_unit: 'mile' is not a unit. Did you mean"):
        write_tables(load_feeder("ieee37"), tmp_path, length_unit="mile")


# ------------------------------------------------------------------------------- wrong files


@pytest.fixture
def folder(tmp_path):
    return write_tables(load_feeder("ieee37"), tmp_path / "f", length_unit="ft", code_unit="mi")


def edit(folder, file, old, new):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))


EDITS = [
    ("lines.csv", ",960,", ",far,", "lines.csv, row 2, column 'length': 'far' is not a number."),
    ("lines.csv", ",960,", ",,", "lines.csv, row 2, column 'length': it is empty. Give a number."),
    ("lines.csv", "960,ft", "960,yd", "row 2, column 'length_unit': 'yd' is not one of km, m, mi"),
    ("lines.csv", "abc,722", "abc,7222",
     "row 2, column 'code': the line code '7222' is not in line_codes.csv. Did you mean '722'"),
    ("lines.csv", "L1,701", ",701", "lines.csv, row 2, column 'name': it is empty. Give text."),
    ("loads.csv", "S701a,701", "S701a,", "loads.csv, row 2, column 'bus': it is empty."),
    ("lines.csv", "L1,701", "L1,701,x", "lines.csv, row 2: it has 9 cells, the header 8."),
    ("lines.csv", "length,", "lenght,",
     "row 1, column 'lenght': the column is not known. Did you mean 'length'?"),
    ("lines.csv", "from_bus,", "name,", "lines.csv, row 1: the column 'from_bus' is missing."),
    ("lines.csv", "from_bus,", "name,", "column 'name': the column comes twice. Keep one."),
    ("line_codes.csv", "722,mi,0.4751", "722,mi,", "column 'r_ohm_11': it is empty, but r_ohm"),
    ("line_codes.csv", "722,mi", "724,mi", "column 'name': the line code '724' comes twice."),
    ("line_codes.csv", "721,mi", '"721,mi', "line_codes.csv: it cannot be read: unexpected end"),
    ("loads.csv", "S728,728,delta,power,bc", "S728,728,delta,current,bc",
     "column 'model': 'current' differs from 'power' of load 'S728' in row"),
    ("regulators.csv", "ab=7 cb=4", "ab=7 cb",
     "regulators.csv, row 2, column 'taps': 'ab=7 cb' is not taps such as"),
    ("regulators.csv", "ab=7 cb=4", "ab=7 ab=4", "'ab=7 ab=4' is not taps such as"),
    ("transformers.csv", "1,no", "1,maybe", "column 'rated': 'maybe' is not yes or no."),
    ("feeder.toml", "format_version = 2", "format_version = 3",
     "feeder.toml: format_version is 3. This version of pyomo_dlmp reads format_version = 2."),
    ("feeder.toml", "licence", "license",
     "feeder.toml: the key 'license' is not known. Did you mean 'licence'?"),
    ("feeder.toml", "bus = ", "buss = ", "[substation]: the key 'bus' is missing. Add: bus = ..."),
    ("feeder.toml", "[substation]", "[units]", "it has no table [substation]. Add one"),
    ("feeder.toml", "name = ", "name ", "feeder.toml: it cannot be read:"),
]


@pytest.mark.parametrize("file, old, new, message", EDITS, ids=[e[3][:60] for e in EDITS])
def test_edited_file(folder, file, old, new, message):
    edit(folder, file, old, new)
    with pytest.raises(FeederFileError) as caught:
        read_tables(folder)
    assert message in str(caught.value)


def test_missing_files_and_folder(folder):
    (folder / "loads.csv").rename(folder / "load.csv")
    (folder / "feeder.toml").unlink()
    with pytest.raises(FeederFileError) as caught:
        read_tables(folder)
    text = str(caught.value)
    assert "feeder.toml: the file is missing" in text
    assert "loads.csv: the file is missing" in text and "load.csv: it is not a table" in text
    with pytest.raises(FeederFileError, match="it is not a folder"):
        read_tables(folder / "nowhere")


def test_misspelt_optional_table_is_not_ignored(folder):
    (folder / "generator_shapes.csv").write_text("hour\n")  # not ours, not near enough
    assert read_tables(folder) == load_feeder("ieee37")
    (folder / "generator.csv").write_text("name,bus\n")
    with pytest.raises(FeederFileError, match=r"generator.csv: it is not a table of the format. "
                                              r"Did you mean 'generators.csv'"):
        read_tables(folder)


def test_several_faults_at_once_without_echoes(folder):
    edit(folder, "lines.csv", ",960,", ",far,")
    edit(folder, "loads.csv", "140", "lots")
    (folder / "line_codes.csv").unlink()
    with pytest.raises(FeederFileError) as caught:
        read_tables(folder)
    assert len(caught.value.faults) == 3  # and not every line's code besides


def test_wrong_data_in_readable_files_are_the_network_s_faults(folder):
    edit(folder, "lines.csv", "L1,701", "L1,70l")
    with pytest.raises(NetworkError, match="from_bus '70l' is not a bus"):
        read_tables(folder)


def test_other_encodings_and_separators(folder):
    text = (folder / "loads.csv").read_text()
    (folder / "loads.csv").write_text(text.replace("\n", "\r\n") + ",,,,,,\r\n", "utf-8-sig")
    assert read_tables(folder) == load_feeder("ieee37")
    (folder / "loads.csv").write_bytes("Süd".encode("latin-1"))
    with pytest.raises(FeederFileError, match=r"loads.csv: it cannot be read.*UTF-8"):
        read_tables(folder)
    (folder / "loads.csv").write_text(text.replace(",", ";"))
    with pytest.raises(FeederFileError, match="Separate columns by commas"):
        read_tables(folder)
    (folder / "loads.csv").write_text("")
    with pytest.raises(FeederFileError, match=r"loads.csv: it is empty. Its header is 'name,bus"):
        read_tables(folder)


@settings(max_examples=80)
@given(data=st.data())
def test_any_mutation_is_read_or_explained(data, tmp_path_factory):
    folder = write_tables(load_feeder("ieee37"), tmp_path_factory.mktemp("m") / "f")
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    text = path.read_text()
    start = data.draw(st.integers(0, len(text)))
    stop = min(len(text), start + data.draw(st.integers(0, 30)))
    junk = data.draw(st.one_of(
        st.text(max_size=10), st.sampled_from([",", "\n", '"', "-1", "nan", "inf", "abc", "701"])))
    path.write_bytes((text[:start] + junk + text[stop:]).encode())
    try:
        assert isinstance(read_tables(folder), Network)
    except (FeederFileError, NetworkError) as error:
        assert all(fault.where and fault.what for fault in error.faults)
    finally:
        shutil.rmtree(folder)
