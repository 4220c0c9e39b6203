"""What is wrong in an OpenDSS file is named with file and line; nothing in it can act."""

import os
import shutil

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from tests.feeders import engine, master, node_voltages
from tests.io.mutations import mutate

GOOD = """clear
new circuit.c basekv=4.16 pu=1 bus1=src r1=.01 x1=.1 r0=.01 x0=.1
new linecode.lc nphases=3 units=km rmatrix=[.3|.1 .3|.1 .1 .3] xmatrix=[.9|.4 .9|.4 .4 .9]
new line.l1 bus1=src bus2=a linecode=lc length=1 units=km
new line.l2 bus1=a bus2=b linecode=lc length=.5 units=km
new transformer.t xhl=4 %rs=[.5 .5] buses=[b low] conns=[delta wye] kvs=[4.16 .48] kvas=[300 300]
new load.x bus1=low kv=.48 kw=90 kvar=30
new load.y bus1=a.2 phases=1 kv=2.4 kw=40 kvar=10
set voltagebases=[4.16 .48]
calcvoltagebases
solve
"""

EDITS = [
    ("new line.l2", "new lime.l2",
     "line 5: lime.l2: OpenDSS has no class 'lime'. Did you mean 'line'"),
    ("length=.5", "lenth=.5",
     "line 5: line.l2: OpenDSS knows no property 'lenth' of line. Did you"),
    ("linecode=lc length=.5", "linecode=zz length=.5", "m.dss, line 5"),
    ("length=.5", "length=0", "line.l2 (m.dss, line 5): its length is 0 of its unit. Give a"),
    ("length=.5", "length=-3", "line.l2 (m.dss, line 5): its length is -3"),
    ("basekv=4.16", "basekv=4160", "(m.dss, line 2): its basekv is 4160. Give the nominal"),
    ("length=.5 units=km", "length=500 units=km", "No distribution line is that long: check its"),
    ("length=.5", "length=nan", "line 5"),
    ("conns=[delta wye]", "conns=[zigzag wye]", "m.dss, line 6: transformer.t: OpenDSS reports"),
    ("kvs=[4.16 .48]", "kvs=[4.16 0]", "line 6"),
    ("windings", "windings", ""),
    ("new load.y", "new line.z bus1=b bus2=z r1=0 x1=0 r0=0 x0=0 c1=0 c0=0 length=1\nnew load.y",
     "line"),
    ("new load.y", "new vsource.v2 bus1=far basekv=4.16\nnew load.y",
     "Vsource.v2 (m.dss, line 8): it feeds bus 'far', which nothing joins with what"),
    ("bus1=src", "bus1=src.1.2.3 bus2=src.4.4.4", "its second terminal is not grounded"),
    ("clear", "redirect other.dss", "m.dss, line 1: the file 'other.dss' is missing"),
    ("clear", "redirect m.dss", "m.dss, line 1: it includes 'm.dss', which is being read"),
    ("clear", "clera", "m.dss, line 1: the command 'clera' is not known"),
    ("new circuit.c", "! new circuit.c", "OpenDSS"),
    ("new load.x", "new regcontrol.r transformer=tt winding=2\nnew load.x",
     "line 7: regcontrol.r: its transformer is 'transformer.tt', which is not there. Did you mean "
     "'transformer.t'?"),
    ("new transformer.t", "new regcontrol.r transformer=t winding=2\nnew transformer.t",
     "line 6: regcontrol.r: its transformer is 'transformer.t', which comes later. Move it up."),
    ("new load.x", "new capacitor.c bus1=b kvar=9\nnew capcontrol.k capacitor=c element=line.l12\n"
     "new load.x", "line 8: capcontrol.k: its element is 'line.l12', which is not there. Did you"),
    ("new load.x", "new fuse.f monitoredobj=line.zz\nnew load.x",
     "line 7: fuse.f: its monitoredobj is 'line.zz', which is not there"),
    ("new load.x", "new circuit.d basekv=12\nnew load.x",
     "line 7: a second circuit 'd' is made, after that of m.dss, line 2. Remove one, or put"),
    ("new circuit.c", "~ c", "line 2: no element is active. Create a circuit first: new circuit.N"),
]


@pytest.fixture
def folder(tmp_path):
    engine()
    (tmp_path / "m.dss").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize("old, new, message", EDITS, ids=[e[1][:40] for e in EDITS])
def test_edited_file(folder, old, new, message):
    if old == "windings":  # the file as it stands is right
        assert len(dlmp.read_opendss(folder / "m.dss").branches) == 3
        return
    assert old in GOOD
    (folder / "m.dss").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(dlmp.DlmpError) as caught:
        dlmp.read_opendss(folder / "m.dss")
    assert message.lower() in str(caught.value).lower()


def test_all_faults_at_once(folder):
    bad = GOOD.replace("new load.y", "new vsource.v2 bus1=far basekv=4.16\nnew load.y")
    bad = bad.replace("new load.x", "new line.l3 bus1=b bus2=c linecode=lc length=700 units=km\n"
                      "new load.x")
    (folder / "m.dss").write_text(bad.replace("length=.5", "length=900"))
    with pytest.raises(dlmp.errors.OpenDssError) as caught:
        dlmp.read_opendss(folder / "m.dss")
    assert {fault.where.split()[0] for fault in caught.value.faults} == {
        "Line.l2", "Line.l3", "Vsource.v2"}


def test_a_folder_of_opendss_files_is_named_as_one(folder):
    with pytest.raises(dlmp.errors.FeederFileError, match=r"1 OpenDSS file.*Give the master"):
        dlmp.read_tables(folder)


def test_a_path_of_windows(folder):
    if os.name == "nt":
        pytest.skip("there it is a path as any other")
    (folder / "m.dss").write_text("redirect C:\\feeders\\codes.dss\n" + GOOD)
    with pytest.raises(dlmp.errors.OpenDssError, match=r"a path of Windows.*beside the master"):
        dlmp.read_opendss(folder / "m.dss")


def test_no_time_at_all(folder):
    """The child may not have said a word yet."""
    with pytest.raises(dlmp.errors.OpenDssError, match=r"does not come to an end within 0\.001 s"):
        dlmp.read_opendss(folder / "m.dss", timeout=0.001)


def test_what_is_unsupported_is_left_out_only_when_asked_for(folder):
    (folder / "m.dss").write_text(GOOD.replace(
        "new load.y", "new vsource.v2 bus1=far basekv=4.16\nnew load.y"))
    with pytest.warns(UserWarning, match=r"Vsource\.v2 \(m\.dss, line 8\): it feeds bus 'far'"):
        net = dlmp.read_opendss(folder / "m.dss", on_unsupported="warn")
    assert set(net.buses) == {"src", "a", "b", "low"}
    (folder / "m.dss").write_text(GOOD.replace("length=.5", "length=0"))
    with pytest.raises(dlmp.errors.OpenDssError):  # wrong is not unsupported
        dlmp.read_opendss(folder / "m.dss", on_unsupported="warn")


ACTS = ["doscmd touch {hit}", "dos touch {hit}", "export voltages {hit}", "show voltages",
        "save circuit dir={folder}/saved", "set datapath={folder}/made", "fileedit {hit}",
        "dump debug", "set editor=/usr/bin/touch", "plot circuit", "cd {folder}",
        "export summary", "formedit line.l1", "new monitor.m element=line.l1\nexport monitors m",
        "system touch {hit}", "var @x=1\nexport currents {hit}", "exp v {hit}", "sav circuit",
        "set recorder=yes", "closedi", "show powers kva elem"]


@pytest.mark.parametrize("act", ACTS)
def test_a_file_cannot_act(folder, act, monkeypatch):
    work = folder / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    text = GOOD + act.format(hit=folder / "hit", folder=folder) + "\n"
    (folder / "m.dss").write_text(text)
    before = sorted(os.walk(folder))
    try:
        net = dlmp.read_opendss(folder / "m.dss")
    except dlmp.errors.OpenDssError as error:
        assert "line 12" in str(error)
    else:
        assert len(net.branches) == 3
    assert sorted(os.walk(folder)) == before


def test_damaged_files(folder):
    """A clear error or a network with the file's own AC solution, never anything else."""
    check_damaged(folder, GOOD, range(40))


@pytest.mark.large
@pytest.mark.parametrize("name", ["ieee4_yd", "ieee4_oyod_unbal", "ieee13", "ieee37_published"])
def test_damaged_standard_feeders(folder, name):
    path = master(name)
    source = path.with_name("IEEE13Nodeckt.dss") if name == "ieee13" else path
    for pattern in ("IEEELineCodes*", "*BusXY*"):  # what the file itself reads
        for other in path.parent.glob(pattern):
            shutil.copy(other, folder)
    check_damaged(folder, source.read_text(errors="replace"), range(110))


def check_damaged(folder, text, seeds):
    path = folder / "damaged.dss"
    read = refused = 0
    for seed in seeds:
        path.write_text(mutate(text, seed), errors="replace")
        try:
            net = dlmp.read_opendss(path, timeout=2)
        except dlmp.DlmpError as error:
            refused += 1
            assert error.faults and all(f.where and f.what for f in error.faults)
            continue
        read += 1
        written = dlmp.write_opendss(net, folder / "written.dss")
        before, after = node_voltages(path, pu=False), node_voltages(written, pu=False)
        errors = [abs(v - after[node]) / (1e3 * net.buses[node.split(".")[0]].kv_ln)
                  for node, v in before.items() if node.split(".")[0] in net.buses]
        assert np.max(errors) < 1e-4, f"seed {seed}"
    assert read and refused
