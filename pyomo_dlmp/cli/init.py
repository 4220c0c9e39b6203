"""``pyomo-dlmp init``: a commented study file that runs, to be edited."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from pyomo_dlmp.cli.stages import Stages
from pyomo_dlmp.errors import StudyFileError


def add(commands) -> None:
    """Its arguments."""
    init = commands.add_parser("init", help="write a commented study file that runs, to be edited")
    init.add_argument("file", nargs="?", default="my_study.toml", help="its name (my_study.toml)")
    init.add_argument("--feeder", default="ieee37",
                      help="a shipped feeder's name, a folder of tables, or a .dss file (ieee37)")
    init.add_argument("--bus", action="append", metavar="BUS", default=[],
                      help="where a datacenter stands; can be repeated (default: the three-phase "
                      "bus of the medium voltage that is half-way out)")
    init.add_argument("--like", metavar="STUDY",
                      help="copy a shipped study instead (ieee37, ieee123 ...)")


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    path = Path(args.file)
    if path.suffix != ".toml":
        path = path.with_name(path.name + ".toml")
    if path.exists():
        raise StudyFileError.at(str(path), "is there already", "Give another name.")
    with Stages(console) as stage:
        stage(f"reading {args.like or args.feeder}")
        text = _text(args, path.stem, stage)
    path.write_text(text, encoding="utf-8")
    console.print(f"Written: {path}\nSolve it: pyomo-dlmp study {path}", markup=False,
                  highlight=False)
    return 0


def _text(args, name: str, stage: Stages) -> str:
    from pyomo_dlmp.io import find_feeder
    from pyomo_dlmp.study.shipped import find_study
    from pyomo_dlmp.study.template import study_text

    if args.like:
        return find_study(args.like).read_text(encoding="utf-8")
    return study_text(args.feeder, find_feeder(args.feeder, stage), args.bus, name)
