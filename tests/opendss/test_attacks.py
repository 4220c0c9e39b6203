"""No feeder file acts: nothing runs, is written, or is read from beside the feeder's folder."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

import pyomo_dlmp
from tests.feeders import engine
from tests.opendss.attacks import ATTACKS, SECRET, prepare, tree

CALLS = ("execve,execveat,open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,unlink,unlinkat,"
         "rmdir,rename,renameat,renameat2,link,linkat,symlink,symlinkat,truncate,chmod,fchmodat,"
         "chown,fchownat,connect,socket,utimensat")
CALL = re.compile(r"^(\d+)\s+(\w+)\((.*)$")
STOLEN = ("0.1234", "0.2345", *(SECRET + digit for digit in "24789"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Every attack, read once: (what was said, trees before and after, system calls or None)."""
    engine()
    folder = tmp_path_factory.mktemp("attacks").resolve()
    prepare(folder)
    before = tree(folder)
    log = folder.parent / "calls.txt"
    traced = shutil.which("strace") is not None
    command = [sys.executable, "-B", "-m", "tests.opendss.attacks", str(folder)]
    if traced:
        command = ["strace", "-f", "-qq", "-s", "300", "-e", f"trace={CALLS}", "-o", str(log),
                   *command]
    root = os.path.dirname(os.path.dirname(pyomo_dlmp.__file__))
    env = {**os.environ, "PYTHONPATH": root, "HOME": str(folder / "a000" / "home"),
           "DSS_CAPI_ALLOW_DOSCMD": "1", "DSS_CAPI_ALLOW_EDITOR": "1",
           "DSS_CAPI_ALLOW_CHANGE_DIR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if traced and "ptrace" in done.stderr.lower():  # some containers forbid it
        traced = False
        done = subprocess.run(command[command.index(sys.executable):], capture_output=True,
                              text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    calls = log.read_text(errors="replace").splitlines() if traced else None
    return json.loads(done.stdout), before, tree(folder), calls, str(folder)


@pytest.mark.slow
def test_nothing_runs_or_is_written(ran):
    said, before, after, _, _ = ran
    assert len(said) == len(ATTACKS) >= 120
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert not changed, sorted(changed)[:10]


@pytest.mark.slow
def test_nothing_foreign_is_quoted(ran):
    for attack, text in zip(ATTACKS, ran[0], strict=True):
        assert not any(word in text for word in STOLEN), (attack, text)


@pytest.mark.slow
def test_system_calls(ran):
    """The engine's process opens nothing of the feeder; nothing but Python is started."""
    calls, folder = ran[3:]
    if calls is None:
        pytest.skip("strace is not here, or may not trace")
    bad = []
    main = calls[0].split()[0]
    for line in calls:
        found = CALL.match(line)
        if found is None:  # a resumed call, whose beginning has the path
            continue
        process, name, rest = found.groups()
        paths = re.findall(r'"((?:[^"\\]|\\.)*)"', rest)
        if not _fine(process == main, name, rest, paths[0] if paths else "", folder):
            bad.append(line)
    assert not bad, bad[:10]


def _fine(is_reader, name, rest, path, folder):
    if name.startswith("execve"):
        return os.path.basename(path).startswith("python")
    if name in ("socket", "connect"):
        return "AF_INET" not in rest
    own = "/pyomo-dlmp-" in path
    if is_reader and not own and os.path.dirname(path) == tempfile.gettempdir():
        return "O_EXCL" in rest or name == "unlink"  # Python tries whether it may write there
    if name.startswith("open"):
        if path.startswith(folder):  # of the feeder: its reader, its own folder, nothing linked
            return is_reader and re.fullmatch(
                r"(/a\d+(/work|/home)?/?)|(/a\d+/feeder(/.*)?)", path[len(folder):]) is not None
        if path.startswith("/etc/hosts") or os.path.basename(path) in ("evil.so", "secret.csv"):
            return False
        writes = re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND", rest)
        return not writes or own or path.startswith(("/dev/null", "/dev/shm", "/proc/"))
    return own


@pytest.mark.parametrize("text, said", [
    ("redirect ../codes.dss", "allow_folders=['{folder}']"),
    ("new loadshape.e npts=2 interval=1 csvfile=../e.csv", "allow_folders=['{folder}']"),
])
def test_a_folder_can_be_allowed(tmp_path, text, said):
    engine()
    here = tmp_path / "feeder"
    here.mkdir()
    (tmp_path / "codes.dss").write_text("new load.more bus1=b kv=4.16 kw=7 kvar=1\n")
    (tmp_path / "e.csv").write_text("0.5\n0.75\n")
    (here / "m.dss").write_text(
        "clear\nnew circuit.c basekv=4.16 bus1=s\nnew line.l bus1=s bus2=b length=1 units=km\n"
        f"{text}\nnew load.ld bus1=b kv=4.16 kw=100 kvar=30\nload.ld.daily=e\n".replace(
            "load.ld.daily=e" if "codes" in text else "\0", "") + "solve\n")
    with pytest.raises(pyomo_dlmp.errors.OpenDssError) as caught:
        pyomo_dlmp.read_opendss(here / "m.dss")
    assert said.format(folder=tmp_path.resolve()) in str(caught.value)
    net = pyomo_dlmp.read_opendss(here / "m.dss", allow_folders=[tmp_path])
    if "codes" in text:
        assert len(net.loads) == 2
    else:
        assert net.profiles["e"].values == (0.5, 0.75)
