"""``pyomo-dlmp connect``: can we connect here, what does it do, what does it cost."""

from __future__ import annotations

from argparse import ArgumentTypeError
from math import floor
from pathlib import Path

from rich.console import Console

from pyomo_dlmp.cli.connect_words import by_options, terminated_as_interrupted
from pyomo_dlmp.cli.stages import Stages
from pyomo_dlmp.errors import DlmpError, ModelError

_FEW = 5  # limits that are named
_DAY = 30_000  # conductors times hours whose prices are solved unasked


def add(commands) -> None:
    """Its arguments."""
    connect = commands.add_parser(
        "connect", help="how much a site may draw at a bus: firm, flexible, by hour, and its price")
    connect.add_argument("feeder",
                         help="a shipped feeder's name, a folder of tables, or a .dss file")
    connect.add_argument("--bus", action="append", default=[], metavar="B",
                         help="where; more than once: applicants in this order")
    connect.add_argument("--all", action="store_true", help="a map of all three-phase buses")
    connect.add_argument("--kw", action="append", type=float, default=[], metavar="MAX",
                         help="what is asked for: one number for all, or one for each --bus "
                         "(default: as much as fits)")
    connect.add_argument("--series", metavar="FILE.csv",
                         help="what the site draws by hour: shares of its kW, or kW")
    connect.add_argument("--load-scale", default="1", metavar="NUMBER|FILE.csv|profiles",
                         help="multiplier of the feeder's loads by hour (default: 1, one hour)")
    connect.add_argument("--price", default="50", metavar="NUMBER|FILE.csv",
                         help="of energy at the substation, $/MWh (default: 50)")
    connect.add_argument("--phases", help="phases of the site (default: abc)")
    connect.add_argument("--power-factor", type=float, default=0.95, metavar="PF")
    connect.add_argument("--svg", type=float, metavar="KVAR",
                         help="static var generator beside the site")
    connect.add_argument("--v-min", type=_or_none, default=0.95, metavar="PU",
                         help="least voltage, or none (default: 0.95)")
    connect.add_argument("--v-max", type=_or_none, default=1.05, metavar="PU",
                         help="greatest voltage, or none (default: 1.05)")
    connect.add_argument("--vuf", type=float, metavar="PERCENT",
                         help="greatest voltage unbalance factor")
    connect.add_argument("--no-thermal", action="store_true", help="ratings do not count")
    connect.add_argument("--leave-out-broken", action="store_true",
                         help="limits that are broken before do not count")
    connect.add_argument("--hours-per-year", type=float, default=22.0, metavar="H",
                         help="of curtailment, for the flexible kW (default: 22)")
    connect.add_argument("--controls", choices=("fixed", "acting"), default="fixed",
                         help="acting: the engine's answer with controls of regulators and "
                         "capacitors acting, too (default: fixed taps)")
    connect.add_argument("--check", choices=("some", "all", "none"), default="some",
                         help="hours in which the engine confirms the firm kW: some are those "
                         "that were computed, of a large feeder those that allow least")
    connect.add_argument("--prices", choices=("hours", "day"),
                         help="hours: of the limiting, the peak and the mean hour; day: also of "
                         "the peak day (default, but of a large feeder)")
    connect.add_argument("--quick", action="store_true",
                         help="no prices and no remedies")
    connect.add_argument("--out", metavar="FOLDER", help="results (default: connect_FEEDER_BUS)")
    connect.add_argument("--overwrite", action="store_true", help="replace results that are there")


def _or_none(text: str) -> float | None:
    try:
        return None if text.lower() == "none" else float(text)
    except ValueError:
        raise ArgumentTypeError(f"is {text!r}: give a number, or none") from None


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    if args.all == bool(args.bus):
        raise ModelError.at("connect", "needs --bus or --all, and not both",
                            "pyomo-dlmp buses FEEDER --three-phase lists buses.")
    if args.all and args.controls == "acting":
        raise ModelError.at("connect, --controls", "is acting, with --all",
                            "A map is at fixed taps: give the bus, --bus B.")
    if args.kw and len(args.kw) not in (1, max(1, len(args.bus))):
        many = "es" * (len(args.bus) != 1)
        raise ModelError.at("connect, --kw", f"is given {len(args.kw)} times for "
                            f"{len(args.bus)} bus{many}", "Give one, or one for each --bus.")
    with Stages(console) as stage:
        stage(f"reading {args.feeder}")
        from pyomo_dlmp.connection.acting import acting_faults
        from pyomo_dlmp.connection.folder import ResultFolder
        from pyomo_dlmp.io import find_feeder

        network = find_feeder(args.feeder, stage)
        if args.controls == "acting" and (faults := acting_faults(network)):
            raise ModelError(faults)
        place = "all" if args.all else "_".join(args.bus)
        name = f"connect_{network.name}_{place}".replace("/", "_")
        folder = ResultFolder(Path(args.out or name), args.overwrite)
        options = {
            "power_factor": args.power_factor, "svg": args.svg, "load": args.series,
            "load_scale": _number_or_text(args.load_scale), "price": _number_or_text(args.price),
            "v_min": args.v_min, "v_max": args.v_max, "thermal": not args.no_thermal,
            "vuf": args.vuf, "progress": stage,
            "existing": "left out" if args.leave_out_broken else "relaxed"}
        try:
            with terminated_as_interrupted():
                if args.all:
                    return _all(args, console, network, folder, options)
                options["phases"] = args.phases
                options["check"] = {"some": True, "all": "all", "none": False}[args.check]
                if len(args.bus) > 1:
                    return _several(args, console, network, folder, options)
                return _one(args, console, network, folder, options, stage)
        except ModelError as error:
            raise by_options(error) from None
        finally:
            if folder.path.is_dir() and not any(folder.path.iterdir()):
                folder.path.rmdir()


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _one(args, console, network, folder, options, stage) -> int:
    from pyomo_dlmp.connection import connection_study
    from pyomo_dlmp.connection.folder import summary_table
    from pyomo_dlmp.connection.pages import lead_words, study_page
    from pyomo_dlmp.connection.result import ASKED
    from pyomo_dlmp.connection.study import confirm, let_act

    which = options.pop("check")
    study = connection_study(network, args.bus[0], max_kw=(args.kw or [None])[0], check=False,
                             **options)
    for note in study.hours.notes:
        _say(console, f"NOTE: {note}")
    _say(console, lead_words(study))
    _tell_broken(console, study)
    flexible = {}
    if study.hours.count > 1:
        allowed = f"{args.hours_per_year:g} h a year"
        flexible = {allowed.replace(" ", "_"): study.flexible(hours_per_year=args.hours_per_year),
                    "0.1_percent_of_energy": study.flexible(energy_share=0.001)}
        for key, one in flexible.items():
            _say(console, f"Flexible ({key.replace('_', ' ')}): {one}.")
    impacts: dict = {}
    remedies = None

    def write() -> None:
        folder.write("summary", summary_table(study, flexible, impacts))

    write()
    for name, table in (("envelope", study.envelope), ("limits", study.bindings),
                        ("existing", study.existing_table), ("effects", study.effects),
                        ("voltages", study.voltages)):
        folder.write(name, table)
    try:
        if which:
            study.check = confirm(study, study.grid.limits.options, "all" if which == "all" else "")
            _say(console, str(study.check))
            if not study.check.passed:
                _say(console, "WARNING: the OpenDSS engine does not confirm this answer.")
            write()
        if args.controls == "acting":
            study.acting = let_act(study)
            _say(console, str(study.acting))
            folder.write("controls", study.acting.moves)
            write()
        if not args.quick:
            cases = study.price_cases
            day = cases.pop("peak day", None)
            _prices(console, study, cases, impacts, folder, stage)
            write()
            if study.asked is not None and not study.asked.possible:
                _prices(console, study, {ASKED: []}, impacts, folder, stage)
                write()
            remedies = study.remedies(stage)
            folder.write("remedies", remedies)
            _tell_remedies(console, remedies)
            if day is not None and _fits(network, day, args.prices):
                _prices(console, study, {"peak day": day}, impacts, folder, stage)
                write()
            elif day is not None and args.prices is None:
                _say(console, f"Prices of the peak day (hours {day[0]} to {day[-1]}) are left out "
                     "on a feeder of this size: --prices day solves them.")
    finally:  # also at Ctrl-C: what was found is on the page
        stage("drawing")
        page = folder.page(study_page(study, flexible, impacts, remedies))
        _say(console, f"Report: {page}")
    return 0 if study.check is None or study.check.passed else 3


def _tell_broken(console: Console, study) -> None:
    for old in study.existing[:_FEW]:
        _say(console, f"  broken before: {old.limit.words(old.value)}, hour {old.hour}")
    if len(study.existing) > _FEW:
        _say(console, f"  and {len(study.existing) - _FEW} more (existing.csv)")


def _tell_remedies(console: Console, remedies) -> None:
    """Those that were solved in all hours; why a static var generator does not help."""
    for row in remedies.to_dict("records"):
        said = f"  {row['remedy']}, {row['detail']}: "
        if row["gain_kw"] > 0:
            _say(console, f"{said}{floor(row['firm_kw']):,} kW firm ({row['gain_kw']:+,.0f})")
        elif row["remedy"].startswith("static"):
            _say(console, f"{said}{row['note'] or 'not among the best'}")


def _prices(console: Console, study, cases: dict, impacts: dict, folder, stage) -> None:
    """Prices of some cases: said, and written with those before."""
    from pyomo_dlmp.connection.result import ASKED

    for name, hours in cases.items():
        def told(text: str, name: str = name) -> None:
            stage(text.replace("prices", f"prices of the {name}", 1))
        try:
            if name == ASKED:
                hour = study.binding.hour
                impacts[name] = study.prices([hour], study.asked_kw * study.hours.share[hour], told)
            else:
                impacts[name] = study.prices(hours, progress=told)
        except DlmpError as error:  # what else there is to say does not wait for it
            _say(console, f"{study.case_words(name)}: no prices ({error})")
            continue
        _say(console, f"{study.case_words(name)}: {impacts[name].sentence}")
        tables = study.price_tables(impacts)
        folder.write("prices", tables[0])
        folder.write("price_hours", tables[1])


def _fits(network, day: list[int], wanted: str | None) -> bool:
    """Whether prices of a day are solved: asked for, or of a feeder that is not large."""
    conductors = sum(len(bus.conductors) for bus in network.buses.values())
    return wanted == "day" or (wanted is None and conductors * len(day) <= _DAY)


def _several(args, console, network, folder, options) -> int:
    from pyomo_dlmp.connection import applicants
    from pyomo_dlmp.connection.folder import applicants_table
    from pyomo_dlmp.connection.pages import applicants_page

    kw = args.kw or [None]
    kw = kw * (len(args.bus) if len(kw) == 1 else 1)
    studies = applicants(network, args.bus, kw, controls=args.controls, **options)
    table = applicants_table(studies)
    folder.write("applicants", table)
    for note in studies[0].hours.notes:
        _say(console, f"NOTE: {note}")
    _tell_broken(console, studies[0])
    for row, study in zip(table.to_dict("records"), studies, strict=True):
        asked = f" of {row['asked_kw']:,.0f} asked" if row["asked_kw"] == row["asked_kw"] else ""
        left = max(0, floor(row["left_kw"]))
        used_up = "; nothing is left of this limit" if study.firm_kw < 1 else ""
        _say(console, f"{row['order']}. bus {study.site.bus}: {floor(study.firm_kw):,} kW firm"
             f"{asked}; {study.binding}{used_up}; {left:,} kW are left at this bus"
             + (f". {study.check}" if study.check is not None else ""))
        if study.acting is not None:
            _say(console, f"   {study.acting}")
    frames = [study.envelope.assign(order=i + 1, bus=study.site.bus)
              for i, study in enumerate(studies)]
    folder.write("envelope", _joined(frames))
    folder.write("existing", studies[0].existing_table)
    if moves := [study.acting.moves.assign(order=i + 1, bus=study.site.bus)
                 for i, study in enumerate(studies) if study.acting is not None]:
        folder.write("controls", _joined(moves))
    _say(console, f"Report: {folder.page(applicants_page(studies))}")
    return 0 if all(s.check is None or s.check.passed for s in studies) else 3


def _joined(frames: list):
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def _all(args, console, network, folder, options) -> int:
    from pyomo_dlmp.connection import HostingMap, hosting_map
    from pyomo_dlmp.connection.feeding import unrated_words
    from pyomo_dlmp.connection.hosting import map_table
    from pyomo_dlmp.connection.pages import hosting_page

    rows: list[dict] = []

    def found(row: dict) -> None:
        """A bus: its row is in the table at once."""
        rows.append(row)
        folder.write("hosting", map_table(rows))

    try:
        answer = hosting_map(network, max_kw=(args.kw or [None])[0], on_bus=found,
                             hours_per_year=args.hours_per_year, **options)
    except KeyboardInterrupt as stop:
        if rows:
            part = HostingMap(network, map_table(rows), args.hours_per_year, [], None)
            page = folder.page(hosting_page(part))
            raise KeyboardInterrupt(f"{len(rows)} buses are in {folder.path / 'hosting.csv'} and "
                                    f"{page}.") from stop
        raise
    _tell_broken(console, answer)
    _say(console, f"{answer}")
    if answer.grid is not None and (told := unrated_words(network, answer.grid.limits.options)):
        _say(console, told)
    _say(console, f"Report: {folder.page(hosting_page(answer))}")
    return 0
