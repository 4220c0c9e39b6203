"""``pyomo-dlmp study``: solve a study file; write tables and a report."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from pyomo_dlmp.cli.stages import Stages
from pyomo_dlmp.status import Status


def add(commands) -> None:
    """Its arguments."""
    study = commands.add_parser("study", help="solve a study file; write tables and a report")
    study.add_argument("file", help="study file (TOML), or the name of a shipped study: "
                       "ieee123, ieee37, ieee37_heavy, ieee37_markets, ieee37_owners, "
                       "ieee37_per_phase, ieee37_svg, ieee37_unbalance, ieee37_uncertain")
    study.add_argument("--results", help="folder for the results, instead of the study's own")
    earlier = study.add_mutually_exclusive_group()
    earlier.add_argument("--overwrite", action="store_true",
                         help="replace the results that the folder holds, once the new ones are "
                         "all there")
    earlier.add_argument("--resume", action="store_true",
                         help="continue a study that was interrupted: keep its finished runs")


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    with Stages(console, log=True) as stage:
        stage(f"reading {args.file}")
        from pyomo_dlmp.cli.screen import StudyScreen, comparison
        from pyomo_dlmp.study import read_study, run_study
        from pyomo_dlmp.study.assumed import assumed_constant

        study = read_study(args.file, stage)
    for note in assumed_constant(study, study.base):
        console.print(note, markup=False, highlight=False)
    with StudyScreen(console, study, stage.start) as screen:
        done = run_study(study, screen.progress, args.results, args.overwrite, args.resume,
                         models=False)
    console.print(comparison(done))
    for result in done:
        for note in result.notes:
            console.print(f"{result.run.name}: {note}", markup=False)
    for what, why in done.missing.items():
        console.print(f"{what} is missing: {why}", style="red", markup=False, highlight=False)
    place = (f"Tables: {done.folder} (pyomo-dlmp show {done.folder} draws the report)"
             if done.report_missing else f"Tables and pictures: {done.folder}/report.html")
    console.print(place, markup=False, highlight=False)
    if not done.finished:
        console.print(_unfinished(done, study, args), markup=False, highlight=False)
    if done.interrupted:
        return 130
    if done.missing:
        return 1
    states = {r.outcome.status for r in done} - {Status.CYCLES, Status.ROUNDS_USED_UP}
    return 0 if states <= {Status.OPTIMAL} else 3


def _unfinished(done, study, args) -> str:
    """Where an unfinished study is and what can be done with it."""
    final = Path(args.results or study.results)
    place = "" if done.folder == final else (
        f", beside the earlier results, which stay in {final} until the new ones are all there")
    return (f"The study is unfinished ({len(done)} of {len(study.runs)} runs){place}. "
            "Continue it with --resume, or begin anew with --overwrite.")
