"""Scripts are taken apart as the engine does it, and what reaches it does what the script says."""

import random
from pathlib import Path

import numpy as np
import pytest

from pyomo_dlmp.engine import allowed, studies
from pyomo_dlmp.engine.engine_lists import COMMANDS, OPTIONS, PROPERTIES
from pyomo_dlmp.engine.script import Script
from pyomo_dlmp.engine.session import solve_script
from pyomo_dlmp.engine.tokens import Line, Variables, quoted
from tests.feeders import engine
from tests.opendss.engine_lists import engine_lists

HEAD = """clear
new circuit.c basekv=4.16 bus1=s r1=.01 x1=.1 r0=.01 x0=.1
new linecode.lc nphases=3 units=km rmatrix=[.3|.1 .3|.1 .1 .3] xmatrix=[.9|.4 .9|.4 .4 .9]
new line.l bus1=s bus2=b length=1 units=km linecode=lc
new line.m bus1=b bus2=d length=2 units=km linecode=lc
new load.x bus1=d kv=4.16 kw=300 kvar=90
"""
TAIL = """
set voltagebases=[4.16]
calcvoltagebases
solve
"""
SAME = {  # each with what it says of the circuit; the engine itself runs the same text
    "abbreviations": "ne load.y bus=b k=4.16 kw=50 kv=4.16 pf=.9",
    "by position": "new load.y 3 b 4.16 80 0.9",
    "position after a name": "new load.y bus1=b 4.16 80 0.9",
    "more": "new load.y bus1=b\n~ kv=4.16\nmore kw=70\nm kvar=10\n~ 3 , b",
    "circuit by position": "clear\nnew circuit.c 4.16 1.03 5\n" + HEAD.partition("\n")[2].partition(
        "\n")[2],
    "edit": "edit load.x kw=111", "edit object": "edit object=load.x kw=111",
    "full name": "load.x.kw=123 kvar=7", "full name in quotes": '"load.x.kw"="123" kvar=7',
    "short name": "new load.y bus1=b kv=4.16 kw=1\nx.kw=17",
    "property alone": "new load.y bus1=b kv=4.16 kw=1\nkw=55\nkvar = 3",
    "leading equals": "=edit load.x kw=140", "quoted command": '(edit) "load.x" kw=140',
    "like": "new load.y like=x bus1=b kw=20", "select": "select load.x\n~ kw=44",
    "set element": "set element=load.x\n~ kw=44",
    "batchedit": "new load.y bus1=b kv=4.16 kw=10\nbatchedit load..* kw=77",
    "five quotes": "new load.y bus1='b' kv=\"4.16\" kw={50} kvar=[20] model=(2)",
    "unclosed quote": 'edit load.x kw=90 bus1="b', "empty value": 'edit load.x kw=90 kvar="" kw=5',
    "reverse Polish": "edit load.x kw=(100 2 * sqrt 3 +) kvar={10 2 ^}",
    "variables": "var @k=155 @b=b\nnew load.y bus1=@b.1.2.3 kv=4.16 kw=@k kvar=(@k 2 /)",
    "variable of a variable": "var @k=100\nvar @m=(@k 2 *)\nedit load.x kw=@m",
    "variable as command": "var @c=edit @e=load.x\n@c @e kw=31",
    "comments": "edit load.x kw=60 ! kw=1\nedit load.x kvar=2 // kvar=3\n/* \nload.x.kw=9\n*/\n!x",
    "blanks and commas": "edit load.x ,kw =\t70 , kvar= 11,pf=.8",
    "matrix": "line.m.rmatrix=[.2 | .05,.2 | .05 .05 .2]",
    "open": "open line.m 2 1", "open and close": "open line.m term=2\nclose line.m 2 0",
    "disable": "new load.y bus1=b kv=4.16 kw=500\ndisable load.y",
    "disable all": "new capacitor.q bus1=b kv=4.16 kvar=300\ndisable capacitor.*\n",
    "enable": "new load.y bus1=b kv=4.16 kw=50 enabled=no\nenable load.y",
    "loadmult": "set loadmult=1.3", "growth": "set %growth=3 year=4",
    "a day leaves its switches": """new loadshape.e npts=2 interval=1 mult=(0.1 1.5)
edit load.x daily=e
new capacitor.k bus1=d kv=4.16 kvar=150
new capcontrol.cc capacitor=k element=line.m terminal=1 type=kvar onsetting=100 offsetting=-100
solve mode=daily number=1 hour=0""",
    "an hour of the day, in the end again": """new loadshape.e npts=2 interval=1 mult=(0.1 1.5)
edit load.x daily=e
new transformer.t buses=[d r] kvs=[4.16 4.16] kvas=[900 900] xhl=2
new load.y bus1=r kv=4.16 kw=600 kvar=300 daily=e
new regcontrol.rc transformer=t winding=2 vreg=124 ptratio=20 band=2
set mode=daily number=2
solve
set mode=snap""",
    "solve with options": "solve mode=snapshot tol=1e-5 maxi=50 loadmult=0.7",
    "option by abbreviation": "set loadmu=.6",
    "allocation": "new load.y bus1=b kv=4.16 xfkva=200 allocation=.5 pf=.9\n"
        "new energymeter.e line.l peakcurrent=(80 80 80)\n"
        "set maxcontroliter=20\nsolve\nallocateloads",
    "regulator": "new transformer.t buses=(b e) kvs=(4.16 4.16) kvas=(900 900) xhl=1\n"
        "new load.y bus1=e kv=4.16 kw=300\n"
        "new regcontrol.r transformer=t winding=2 vreg=122 ptratio=20 band=1",
    "case": "EDIT LOAD.X KW=71", "semicolons are letters": "new line.a;b bus1=b bus2=q;1 length=1",
    "names": "new load.a-b%c bus1=b kv=4.16 kw=3\nnew 'load.d e' bus1=b kv=4.16 kw=4",
    "redirect": "redirect sub/more.dss", "compile": "compile \"sub/more.dss\"\nredirect other.dss",
    "shape by points": "new loadshape.e npts=3 interval=1 mult=(.1 .2 .3) action=normalize",
    "shape by file": "new loadshape.e npts=3 interval=1 mult=(file=e.csv)",
    "shape by column": "new loadshape.e npts=4 interval=.5 mult=[file=e2.csv, col=2, header=y]",
    "shape longer than its file": "new loadshape.e npts=9 interval=1 mult=(file=e.csv)",
    "shape by csvfile": "new loadshape.e npts=3 minterval=30 csvfile=e.csv",
    "shape by hours": "new loadshape.e npts=3 interval=0 csvfile=e3.csv",
    "shape by pqcsvfile": "new loadshape.e npts=3 interval=1 pqcsvfile=e3.csv",
    "shape by doubles": "new loadshape.e npts=3 interval=1 dblfile=e.dbl",
    "shape by singles": "new loadshape.e npts=2 sinterval=900 mult=(sngfile=e.sng)",
    "shape with blank lines": "new loadshape.e npts=5 interval=1 csvfile=e4.csv",
    "curve by file": "new xycurve.e npts=3 csvfile=e3.csv",
    "growth by file": "new growthshape.e npts=3 csvfile=e3.csv\nedit load.x growth=e\nset year=2",
}


@pytest.fixture
def folder(tmp_path):
    engine()
    sub = tmp_path / "sub"
    sub.mkdir()
    (sub / "more.dss").write_text("edit load.x kw=66\nredirect other.dss\n")
    (sub / "other.dss").write_text("edit load.x kvar=33\n")
    (tmp_path / "e.csv").write_text("0.5\n0.75\r\n1.25\n")
    (tmp_path / "e2.csv").write_text("a, b\n1, .5\n2, .25\n3, .75\n4, 1\n5, 1.5\n")
    (tmp_path / "e3.csv").write_text("1, 1.1\n2 1.2\n3.5\t1.3\n")
    (tmp_path / "e4.csv").write_text("1\n\n3\n\n\n\n")
    np.array([0.25, 0.5, 0.75]).tofile(tmp_path / "e.dbl")
    np.array([0.25, 0.5], dtype="f4").tofile(tmp_path / "e.sng")
    return tmp_path


def raw(path):
    """Voltages by node and shapes, as the engine reads the file by itself."""
    dss = engine().DSS.NewContext()
    dss.AllowChangeDir = False
    dss.Text.Command = f'redirect "{path}"'
    dss.Text.Command = "set mode=snapshot controlmode=off maxiterations=200 tolerance=1e-9"
    dss.Text.Command = "solve"
    circuit = dss.ActiveCircuit
    volts = dict(zip([n.lower() for n in circuit.YNodeOrder],
                     np.asarray(circuit.YNodeVarray).view(complex).tolist(), strict=True))
    shapes = circuit.LoadShapes
    found = {}
    if "e" in shapes.AllNames:
        shapes.Name = "e"
        found = {"npts": shapes.Npts, "interval": shapes.HrInterval, "pmult": list(shapes.Pmult),
                 "qmult": list(shapes.Qmult), "hour": list(shapes.TimeArray)}
    return volts, found


@pytest.mark.parametrize("name", SAME)
def test_the_engine_gets_what_the_script_says(folder, name):
    path = folder / "m.dss"
    path.write_text(HEAD + SAME[name] + TAIL)
    volts, shape = raw(path)
    solved = solve_script(path)
    ours = {f"{bus.name}.{node}": v for bus in solved.snapshot.buses.values()
            for node, v in bus.volts.items()}
    assert ours.keys() == volts.keys()
    assert max(abs(ours[n] - volts[n]) for n in volts) < 1e-4
    if shape and shape["npts"]:
        record = solved.snapshot.shapes["e"]
        assert record["interval"] == shape["interval"]
        assert len(record["pmult"]) == shape["npts"]
        for key in ("pmult", "qmult", "hour"):
            if len(shape[key]) > 1:
                assert np.allclose(record[key], shape[key])
    assert all("it sets the mode 'daily'" in str(note) for note in solved.notes)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(folder, encoding):
    path = folder / "m.dss"
    path.write_bytes((HEAD + "new load.café bus1=b kv=4.16 kw=5" + TAIL).encode(encoding))
    assert "load.café" in solve_script(path).snapshot.elements


def test_the_table_is_the_engine_s():
    """Another engine may know more: what is here stands in the same order there."""
    engine()
    commands, options, properties = engine_lists()
    for ours, theirs in ((COMMANDS, commands), (OPTIONS, options)):
        assert [name for name in theirs if name in ours] == list(ours)
    theirs = {kind.lower(): names for kind, names in properties.items()}
    for kind, names in PROPERTIES.items():
        assert [name for name in theirs[kind] if name in names] == list(names)


def test_every_command_has_its_place():
    known = (allowed.CIRCUIT, allowed.REPORTS, allowed.OVER_TIME, allowed.LEFT_OUT, allowed.REFUSED)
    names = {allowed.lower(name) for name in COMMANDS}
    assert names == set().union(*known)
    assert sum(map(len, known)) == len(names)
    assert {allowed.lower(o) for o in OPTIONS} >= allowed.PASSED_OPTIONS | studies.OPTIONS
    every = {name for names in allowed.CLASSES.values() for name in names}
    assert every >= (allowed.REFUSED_PROPERTIES | allowed.LEFT_OUT_PROPERTIES
                     | allowed.FILE_PROPERTIES)
    assert {kind for kind, names in allowed.CLASSES.items() if "action" in names} == set(
        allowed.ACTIONS)


@pytest.mark.parametrize("seed", range(4))
def test_lines_are_taken_apart_as_by_the_engine(seed):
    parser = engine().DSS.NewContext().Parser
    rng = random.Random(seed)
    letters = "ab1.,,==  \t!/(){}[]\"'|%~"
    for _ in range(3000):
        text = "".join(rng.choice(letters) for _ in range(rng.randint(1, 18)))
        text = text.replace("/", "//") if rng.random() < 0.3 else text
        parser.CmdString = text
        line = Line(text, Variables())
        for _ in range(8):
            assert line.pair() == (parser.NextParam, parser.StrValue), text


@pytest.mark.parametrize("seed", range(4))
def test_a_quoted_value_is_one_token(seed):
    rng = random.Random(seed)
    for _ in range(3000):
        value = "".join(rng.choice("ab1.,= !/(){}[]\"'|") for _ in range(rng.randint(1, 9)))
        text = quoted(value)
        if text is not None:
            line = Line(f"x={text} y=1", Variables())
            assert (line.pair(), line.pair()) == (("x", value), ("y", "1")), text


NOTES = {
    "solve mode=daily number=24": ["line 7: it sets the mode 'daily': the snapshot is read, with"],
    "solve mode=harmonic number=9": ["line 7: it sets the mode 'harmonic': it is left out, the sna",
                                    "line 7: studies over time are left out: solve in mode har"],
    "set mode=yearly number=1000000\nsolve": ["line 8: studies over time are left out: solve in"],
    "show voltages\nexport powers\nshow powers":
        ["line 7: reports are left out: show (2 times), export."],
    "makeposseq": ["line 7: the command 'makeposseq' is left out"],
    "frobnicate 3": ["line 7: the command 'frobnicate' is not known and left out"],
    "set hour=3 markercode=5": ["line 7: reports are left out: set markercode"],
    "set florb=3": ["line 7: the option 'florb' is not known and left out."],
    "new load.x bus1=b kv=4.16": ["line 7: load.x: OpenDSS reports: (#266) Warning: Duplicate"],
    "new monitor.m element=line.nowhere": [
        "line 7: monitor.m: its element is 'line.nowhere', which is not there; it is left out"],
    "buscoords ../where.csv": ["line 7: the file '../where.csv' lies outside the folder",
                               "buses are without coordinates"],
}


@pytest.mark.parametrize("line", NOTES)
def test_what_is_left_out_is_noted(folder, line):
    path = folder / "m.dss"
    path.write_text(HEAD + line + TAIL)
    said = " / ".join(map(str, solve_script(path).notes))
    assert all(part in said for part in NOTES[line]), said


def test_lines_after_another_mode_still_count(folder):
    path = folder / "m.dss"
    path.write_text(HEAD + TAIL + "set mode=daily\nsolve\nnew load.late bus1=b kv=4.16 kw=9\n"
                    "set mode=snapshot\nsolve\n")
    assert "load.late" in solve_script(path).snapshot.elements
    script = Script(path)
    assert [c.text for c in script.commands if c.text == "solve"] == ["solve"] * 3


def test_storages_hold_after_a_study_what_they_held_before(folder):
    path = folder / "m.dss"
    path.write_text(HEAD + TAIL + "new storage.s bus1=d kv=4.16 kwrated=5 kwhrated=20 %stored=60\n"
                    "~ dispmode=default state=discharging\nsolve mode=daily number=2\n")
    ran, left = (solve_script(path, run_studies=run) for run in (True, False))
    assert [float(solved.snapshot.elements["storage.s"].record["kwhstored"])
            for solved in (ran, left)] == pytest.approx([12, 12])
    assert "mode 'daily'" in str(ran.notes[0]) and "left out" in str(left.notes[0])


def test_a_script_may_clear_at_its_end(folder):
    path = folder / "m.dss"
    path.write_text(HEAD + TAIL + "clearall\n")
    solved = solve_script(path)
    assert "load.x" in solved.snapshot.elements and solved.snapshot.places["load.x"]
    assert "read as it was before" in str(solved.notes[0])


def test_default_frequency_after_the_circuit(folder):
    """Dead in a new session of OpenDSS, alive when it is run again."""
    path = folder / "m.dss"
    path.write_text(HEAD + "set defaultbasefrequency=50" + TAIL)
    solved = solve_script(path)
    assert min(abs(v) for bus in solved.snapshot.buses.values() for v in bus.volts.values()) > 2000
    assert solved.snapshot.frequency == 50
    assert "sets the default frequency after its source is made" in str(solved.notes[-1])


def table_of_what_a_script_may_do():
    """As it stands in the docs."""
    def words(names):
        return ", ".join(f"`{name}`" for name in sorted(names))

    circuit = allowed.CIRCUIT - {"//"}
    rows = [
        ("commands that are followed", circuit),
        ("commands left out: reports", allowed.REPORTS),
        ("commands left out: studies over time", allowed.OVER_TIME),
        ("commands left out: they would change the circuit or the run", allowed.LEFT_OUT),
        ("commands refused", allowed.REFUSED),
        ("options of `set` and `solve` that count", allowed.PASSED_OPTIONS | {"mode"}),
        ("options of studies over time", studies.OPTIONS),
        ("properties refused: they would load a library", allowed.REFUSED_PROPERTIES),
        ("properties left out: they would write, or map a file", allowed.LEFT_OUT_PROPERTIES),
        ("properties whose file is read by this package", allowed.FILE_PROPERTIES),
    ]
    return "\n".join(["| what | names |", "|---|---|",
                      *(f"| {what} | {words(names)} |" for what, names in rows)])


def test_the_docs_list_what_a_script_may_do():
    page = Path(__file__).parents[2] / "docs" / "opendss.md"
    assert table_of_what_a_script_may_do() in page.read_text(encoding="utf-8")
