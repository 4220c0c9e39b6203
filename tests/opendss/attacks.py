"""Feeder files that try to run, write or read what they must not, each in a folder of its own.

``python -m tests.opendss.attacks FOLDER`` reads all that `prepare` made there and prints what was
said.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SECRET = "S3CRET"
BASE = """clear
new circuit.c basekv=4.16 bus1=s
new line.l bus1=s bus2=b length=1 units=km r1=.3 x1=.3 r0=.5 x0=.5 c1=0 c0=0
new load.ld bus1=b kv=4.16 kw=100 kvar=30
{lines}
set voltagebases=[4.16]
calcvoltagebases
solve
"""
EVIL = """#include <stdio.h>
__attribute__((constructor)) void go(void) {{ FILE *f = fopen("{mark}", "a"); if (f) fclose(f); }}
"""
GEN = "new generator.g bus1=b kv=4.16 kw=10"
G6 = f"{GEN} model=6"
STORE = "new storage.g bus1=b kv=4.16 kwrated=10 kwhrated=10"
PV = "new pvsystem.g bus1=b kv=4.16 kva=10 pmpp=10"
REG = ("new transformer.t windings=2 buses=(b d) conns=(wye wye) kvs=(4.16 4.16) kvas=(500 500) "
       "xhl=1\nnew regcontrol.r transformer=t winding=2 vreg=120 ptratio=20 band=2")
SHAPE = "new loadshape.e npts=3 interval=1"

# {lib}: a library that leaves a mark; {hit}: a file that must stay as it is; {out}: a folder beside
# the feeder's, with a secret; {here}: the feeder's own folder.
LIBRARY = [
    f"{G6} usermodel={{lib}}", f"{G6} userm=evil.so", f"{G6} USERMODEL={{lib}}",
    f"{GEN} usermodel={{lib}} model=6", f'{G6} usermodel="{{lib}}"',
    f"{G6} usermodel='{{lib}}'", f"{G6} usermodel=({{lib}})",
    f"{G6} usermodel=[{{lib}}]", f"{G6} usermodel={{{{{{lib}}}}}}",
    f'{G6} "usermodel"={{lib}}', f"{G6} (usermodel) = {{lib}}",
    f"{G6}\n~ usermodel={{lib}}", f"{G6}\nmore usermodel={{lib}}",
    f"{G6}\nm usermodel={{lib}}", f"{G6}\nmor userm={{lib}}",
    f"{G6}\nedit generator.g usermodel={{lib}}", f"{G6}\ned generator.g userm={{lib}}",
    f"{G6}\ngenerator.g.usermodel={{lib}}", f"{G6}\ng.usermodel={{lib}}",
    f"{G6}\nusermodel={{lib}}", f"{G6}\nkw=10 usermodel={{lib}}",
    f"{G6}\nbatchedit generator..* usermodel={{lib}}",
    f"{G6}\nbatche generator.g usermodel={{lib}}",
    f"{G6}\nselect generator.g\n~ usermodel={{lib}}",
    f"{G6}\nset element=generator.g\n~ usermodel={{lib}}",
    f"{G6}\nset class=generator\n~ usermodel={{lib}}",
    f"{G6}\n=edit generator.g usermodel={{lib}}",
    f'{G6}\n"edit" generator.g usermodel={{lib}}',
    f"{G6}\nedit object=generator.g usermodel={{lib}}",
    f"{G6}\nedit o=generator.g usermodel={{lib}}",
    f'{G6}\ngenerator.g.kw=(5" usermodel="{{lib}})',
    f'{G6}\nkw=(5" usermodel="{{lib}})', f'{G6}\nkw={{{{5" usermodel="{{lib}}}}}}',
    f"{GEN} kvar=1 model=6 " + " ".join(["1"] * 22) + " {lib}",
    f"{G6} userdata={{lib}} usermodel={{lib}}", f"{G6} shaftmodel={{lib}}",
    f"{G6} shaftdata=1 shaftm={{lib}}",
    f"{G6}\nvar @f={{lib}}\n~ usermodel=@f",
    f"var @v=edit @g=generator.g\n{G6}\n@v @g usermodel={{lib}}",
    f"{G6}\n~\tusermodel={{lib}}", f"{G6}\n~  ,usermodel={{lib}}",
    f"{G6} usermodel\t=\t{{lib}}", f"{G6} usermodel={{lib}} ! a comment",
    f"{G6}{' ' * 100_000}usermodel={{lib}}",
    f"{G6}\x00usermodel={{lib}}", f"{G6}\x0busermodel={{lib}}",
    f"! a comment\r{G6} usermodel={{lib}}",
    f"/* hidden\n*/\n{G6} usermodel={{lib}}",
    f"{G6}\nnew generator.h like=g usermodel={{lib}}",
    f"set allowduplicates=yes\n{GEN}\n{G6} usermodel={{lib}}",
    f"{PV} model=3 usermodel={{lib}}", f"{PV} model=3 userm=evil.so",
    f"{STORE} usermodel={{lib}} model=3",
    f"{STORE} dynadll={{lib}}", f"{STORE} dyna={{lib}}", f"{STORE} dynadata=(file={{lib}})",
    "new capacitor.cp bus1=b kv=4.16 kvar=10\nnew capcontrol.cc capacitor=cp element=line.l "
    "terminal=1 type=userControl usermodel={lib}",
    "new capacitor.cp bus1=b kv=4.16 kvar=10\nnew capcontrol.cc capacitor=cp element=line.l "
    "terminal=1\ncapcontrol.cc.usermodel={lib}",
    f"redirect more.dss\n@more.dss:{G6} usermodel={{lib}}",
    f"compile (sub/more.dss)\n@sub/more.dss:{G6} usermodel={{lib}}",
    f"REDIRECT More\n@more.dss:{G6} usermodel={{lib}}",
    f"redirect wide.dss\n@wide.dss/utf-16:{G6} usermodel={{lib}}",
    f"redirect bom.dss\n@bom.dss/utf-8-sig:{G6} usermodel={{lib}}",
    f"{G6}\nremove load.ld editstring=(usermodel={{lib}})",
    f"{G6}\nsolve mode=snap ,usermodel={{lib}}\n~ usermodel={{lib}}",
]
WRITES = [
    f"solve\n{command}" for command in (
        "doscmd touch {hit}", "dos touch {hit}", "DOSCMD (touch {hit})", "=doscmd touch {hit}",
        '"doscmd" touch {hit}', "(dosc) touch {hit}", "var @c=doscmd\n@c touch {hit}",
        "export voltages {hit}", "exp v {hit}", "=export voltages {hit}", "[export] summary {hit}",
        "==export voltages {hit}", ", export voltages {hit}", "var @e=export\n@e voltages {hit}",
        "EXPORT\tYprims {hit}", "export monitors m", "export meters", "export eventlog {hit}",
        "show voltages", "=show powers", "show eventlog", "save circuit dir={here}/saved",
        "=save circuit dir={out}/saved", "sav circuit", "save monitors", "dump debug", "=dump",
        "dump commands", "plot circuit", "visualize what=powers element=line.l",
        "fileedit {hit}", "formedit line.l", "cd {out}\nexport voltages", "vdiff", "help export",
        "alignfile {hit}", "uuids {hit}", "obfuscate", "distribute kw=10 file={hit}",
        "reconductor line1=l line2=l linecode=x editstring=(r1=1)", "rephase startline=line.l",
        "cvrtloadshapes", "_showcontrolqueue", "exportoverloads", "exportvviolations", "closedi",
        "estimate", "relcalc restore=yes", "newactor\nsolveall", "clone 2", "connect", "next",
        "sample\nsave meters", "addbusmarker bus=b file={hit}", "comparecases a b", "di_plot a",
        "set datapath={out}/made", "set data={out}/made", "set editor=/bin/touch\nshow voltages",
        "set recorder=yes", "=set recorder=yes", "set reco=yes", "set querylog=yes\n? line.l.r1",
        "set demandinterval=yes diverbose=yes\nnew energymeter.m element=line.l\nsolve mode=daily",
        "set tracecontrol=yes\nsolve", "set log=yes", "set showexport=yes\nexport voltages {hit}",
        "set tolerance=0.0001=datapath={out}/smuggled", "solve recorder=yes",
        "solve tolerance=1e-4,datapath={out}/smuggled", "set mode=snap,recorder=yes",
        "set casename={out}/x\nset demandinterval=yes\nnext year",
        'set voltagebases=(4.16" recorder="yes)', "set mode=autoadd\nsolve",
        "solve mode=harmonics", "set mode=faultstudy\nsolve\nexport faultstudy {hit}")]
WRITES += [
    f"{GEN} debugtrace=yes", f"{GEN} debug=y", f"{GEN}\ngenerator.g.debugtrace=true",
    f"{GEN}\nbatchedit generator..* debugtrace=yes", f"{PV} debugtrace=yes",
    f"{STORE} debugtrace=y",
    f"{REG} debugtrace=yes", f"{REG}\n~ debug=Y", f"{REG}\nregcontrol.r.debugtrace=yes",
    "new indmach012.i bus1=b kv=4.16 kw=10 debugtrace=yes",
    f"{SHAPE} mult=(1 2 3) action=dblsave", f"{SHAPE} mult=(1 2 3) action=s",
    f"{SHAPE} mult=(1 2 3)\nloadshape.e.action=dblsave", f"{SHAPE} mult=(1 2 3) act=(SngSave)",
    "new tshape.e npts=2 interval=1 temp=(1 2) action=dblsave",
    "new priceshape.e npts=2 interval=1 price=(1 2) action=sngsave",
    "new loadshape.{out}/x npts=2 interval=1 mult=(1 2) action=dblsave",
    "new energymeter.m element=line.l action=zonedump",
    "new monitor.m element=line.l\n~ action=save",
    "new energymeter.m element=line.l option=(E, R, V) action=save",
]
READS = [
    "redirect {out}/secret.dss", "redirect ../out/secret.dss", r"redirect ..\out\secret.dss",
    "compile {out}/secret.dss", 'redirect "../out/secret.dss"', "redirect link.dss",
    "redirect linked/secret.dss", "redirect Linked/SECRET.DSS", "buscoords linked/nothing",
    "redirect /etc/hosts", "redirect sub/../../out/secret.dss",
    "var @f={out}/secret.dss\nredirect @f", "buscoords ../out/secret.csv",
    "latlong {out}/secret.csv",
    "buscoords link.csv", "redirect //host/share/x.dss", r"redirect \\host\share\x.dss",
    r"redirect C:\out\secret.dss", "redirect ~/secret.dss", "redirect pipe", "redirect zero",
    "redirect notes.txt", "redirect /proc/self/environ", "buscoords zero",
    f"{SHAPE} csvfile=../out/secret.csv", f"{SHAPE} csv={{out}}/secret.csv",
    f"{SHAPE} csvfile=link.csv", f"{SHAPE} csvfile=zero", f"{SHAPE} csvfile=pipe",
    f"{SHAPE} sngfile=../out/secret.csv", f"{SHAPE} dblfile=../out/secret.csv",
    f"{SHAPE} pqcsvfile=../out/secret.csv", f"{SHAPE} mult=(file=../out/secret.csv)",
    f"{SHAPE} mult=[file={{out}}/secret.csv, col=1]",
    f"{SHAPE} mult={{{{file={{out}}/secret.csv}}}}",
    f'{SHAPE} mult="file={{out}}/secret.csv"', f"{SHAPE} mult=(FILE = {{out}}/secret.csv)",
    f"{SHAPE} mult=(dblf={{out}}/secret.csv)", f"{SHAPE} mult=(s={{out}}/secret.csv)",
    f"{SHAPE} qmult=(file={{out}}/secret.csv)", f"{SHAPE} hour=(file={{out}}/secret.csv)",
    f"{SHAPE} memorymapping=yes mult=(file={{out}}/secret.csv)",
    f"{SHAPE} memorymapping=yes csvfile={{out}}/secret.csv",
    f"{SHAPE} memorymapping=yes mult=(x={{out}}/secret.csv)",
    f"var @f={{out}}/secret.csv\n{SHAPE} mult=(file=@f)",
    f"var @a=(file={{out}}/secret.csv)\n{SHAPE} mult=@a", f"{SHAPE} mult=(file=%result%)",
    f"{SHAPE} mult=(file=@lastfile)", f"{SHAPE}\n~ mult=(file={{out}}/secret.csv)",
    f"{SHAPE}\nloadshape.e.mult=(file={{out}}/secret.csv)",
    f"{SHAPE}\nbatchedit loadshape..* mult=(file={{out}}/secret.csv)",
    f"{SHAPE} mult=(file=notes.txt)", f"{SHAPE} csvfile=notes.txt",
    "new xycurve.e npts=3 csvfile={out}/secret.csv",
    "new xycurve.e npts=3 points=(file={out}/secret.csv)",
    "new tshape.e npts=3 interval=1 csvfile={out}/secret.csv",
    "new priceshape.e npts=3 interval=1 csvfile={out}/secret.csv",
    "new growthshape.e npts=3 csvfile={out}/secret.csv",
    "new spectrum.e numharm=3 csvfile={out}/secret.csv",
    "new tcc_curve.e npts=3 c_array=(file={out}/secret.csv)",
    "new energymeter.m element=line.l zonelist=(file={out}/secret.csv)",
    "new xfmrcode.x windings=2 kvs=(file={out}/secret.csv)",
    "line.l.r1=(file={out}/secret.csv)", "line.l.rmatrix=(file={out}/secret.csv)",
    "set keeplist=(file={out}/secret.csv)", "set autobuslist=(file={out}/secret.csv)",
    "redirect many.dss\n@many.dss:" + "redirect more.dss\n" * 3000 + "@more.dss:"
    + "redirect last.dss\n" * 3000 + "@last.dss:! nothing\n" * 1,
    "uuids {out}/secret.csv", "set ueregs=(file={out}/secret.csv)",
]
ATTACKS = [*LIBRARY, *WRITES, *READS]


def _feeder(folder: Path, lines: str) -> None:
    """One attack's folder: the feeder, the file beside it, a home and a folder to stand in."""
    here, out, work = folder / "feeder", folder / "out", folder / "work"
    for made in (here / "sub", out, work / "locale", folder / "home"):
        made.mkdir(parents=True)
    (out / "secret.dss").write_text(f"{SECRET}8 {SECRET}9={SECRET}9\n")
    (out / "secret.csv").write_text("0.123456\n0.234567\n0.345678\n")
    (out / "hit").write_text("as it was")
    (here / "notes.txt").write_text(f"{SECRET}1 {SECRET}2\n{SECRET}3, {SECRET}4\n")
    (here / "link.dss").symlink_to(out / "secret.dss")
    (here / "link.csv").symlink_to(out / "secret.csv")
    (here / "linked").symlink_to(out)
    (here / "zero").symlink_to("/dev/zero")
    os.mkfifo(here / "pipe")
    for name in ("dss", "numpy", "json", "sitecustomize", "child"):  # as modules
        for place in (here, work):
            (place / f"{name}.py").write_text(f"open({str(folder / 'MARK')!r}, 'a')\n")
    (work / "locale" / "messages.mo").write_text("no such thing")
    shutil.copy(folder.parent / "evil.so", here / "evil.so")
    shutil.copy(folder.parent / "evil.so", work / "evil.so")
    names = {"lib": here / "evil.so", "hit": out / "hit", "out": out, "here": here}
    main, *more = re.split(r"(?m)^@(?=\S+:)", lines)
    for text in more:
        name, _, text = text.partition(":")
        name, _, code = name.partition("/utf")
        (here / name).write_bytes(text.format(**names).encode("utf" + code if code else "utf-8"))
    (here / "m.dss").write_bytes(BASE.format(lines=main.format(**names)).encode())


def prepare(folder: Path) -> None:
    """All attacks, one folder each."""
    source = folder / "evil.c"
    source.write_text(EVIL.format(mark=folder / "MARK"))
    try:
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "evil.so", source], check=True)
    except (OSError, subprocess.CalledProcessError):  # then only an attempt to open it is seen
        (folder / "evil.so").write_text("no library")
    for number, lines in enumerate(ATTACKS):
        _feeder(folder / f"a{number:03d}", lines)


def tree(folder: Path) -> dict[str, str]:
    """What lies in a folder: names, kinds and contents."""
    found = {}
    for root, _, files in os.walk(folder):
        found[root] = "folder"
        for name in files:
            path = Path(root, name)
            regular = path.is_file() and not path.is_symlink()
            found[str(path)] = path.read_bytes().hex() if regular else "special"
    return found


def main(folder: Path) -> None:
    """Read all, standing in each one's own folder, and print what was said as JSON."""
    import warnings

    import pyomo_dlmp as dlmp
    said = []
    for number in range(len(ATTACKS)):
        home = folder / f"a{number:03d}"
        os.chdir(home / "work")
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                net = dlmp.read_opendss(home / "feeder" / "m.dss", timeout=20)
                text = f"read {net} {[p.values for p in net.profiles.values()]}"
            except dlmp.DlmpError as error:
                text = f"refused {error}"
        said.append(" ".join([text, *(str(w.message) for w in warned)]))
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
