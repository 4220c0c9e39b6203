"""``pyomo-dlmp connect``: can we connect here, what does it do, what does it cost."""

from __future__ import annotations

from math import floor
from pathlib import Path

from rich.console import Console

from pyomo_dlmp.cli.stages import Stages
from pyomo_dlmp.errors import ModelError


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
                         help="what is asked for, one for each --bus (default: as much as fits)")
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
    connect.add_argument("--quick", action="store_true",
                         help="no prices and no remedies")
    connect.add_argument("--out", metavar="FOLDER", help="results (default: connect_FEEDER_BUS)")
    connect.add_argument("--overwrite", action="store_true", help="replace results that are there")


def _or_none(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


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
    if args.kw and len(args.kw) not in (1, max(1, len(args.bus))):
        raise ModelError.at("connect, --kw", f"is given {len(args.kw)} times for "
                            f"{len(args.bus)} buses", "Give one, or one for each --bus.")
    with Stages(console) as stage:
        stage(f"reading {args.feeder}")
        from pyomo_dlmp.connection.folder import ResultFolder
        from pyomo_dlmp.io import find_feeder

        network = find_feeder(args.feeder, stage)
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
            if args.all:
                return _all(args, console, network, folder, options)
            options["phases"] = args.phases
            if len(args.bus) > 1:
                return _several(args, console, network, folder, options)
            return _one(args, console, network, folder, options, stage)
        except BaseException:
            if folder.path.is_dir() and not any(folder.path.iterdir()):
                folder.path.rmdir()
            raise


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _one(args, console, network, folder, options, stage) -> int:
    from pyomo_dlmp.connection import connection_study
    from pyomo_dlmp.connection.folder import lead_words, study_page, summary_table

    study = connection_study(network, args.bus[0], max_kw=(args.kw or [None])[0], **options)
    _say(console, lead_words(study))
    for old in study.existing[:5]:
        _say(console, f"  broken before: {old.limit.words(old.value)}, hour {old.hour}")
    flexible = {}
    if study.hours.count > 1:
        allowed = f"{args.hours_per_year:g} h a year"
        flexible = {allowed.replace(" ", "_"): study.flexible(hours_per_year=args.hours_per_year),
                    "0.1_percent_of_energy": study.flexible(energy_share=0.001)}
        for key, one in flexible.items():
            _say(console, f"Flexible ({key.replace('_', ' ')}): {one}.")
    for name, table in (("summary", summary_table(study, flexible, None)),
                        ("envelope", study.envelope), ("limits", study.bindings),
                        ("existing", study.existing_table), ("effects", study.effects)):
        folder.write(name, table)
    impact = remedies = None
    if not args.quick:
        stage("prices in the limiting hour")
        impact = study.prices()
        _say(console, impact.sentence)
        folder.write("summary", summary_table(study, flexible, impact))
        folder.write("prices", impact.table)
        folder.write("price_hours", impact.hourly)
        remedies = study.remedies(stage)
        folder.write("remedies", remedies)
        for row in remedies.head(4).to_dict("records"):
            if row["gain_kw"] == row["gain_kw"]:
                _say(console, f"  {row['remedy']}, {row['detail']}: {row['firm_kw']:,.0f} kW firm "
                     f"({row['gain_kw']:+,.0f})")
    stage("drawing")
    _say(console, f"Report: {folder.page(study_page(study, flexible, impact, remedies))}")
    return 0 if study.check is None or study.check.passed else 3


def _several(args, console, network, folder, options) -> int:
    from pyomo_dlmp.connection import applicants
    from pyomo_dlmp.connection.folder import applicants_table, study_page

    kw = args.kw or [None]
    kw = kw * (len(args.bus) if len(kw) == 1 else 1)
    studies = applicants(network, args.bus, kw, **options)
    table = applicants_table(studies)
    folder.write("applicants", table)
    for i, study in enumerate(studies):
        _say(console, f"{i + 1}. bus {study.site.bus}: {floor(study.firm_kw):,} kW firm; "
             f"{study.binding}")
    folder.write("envelope", studies[-1].envelope)
    page = folder.page(study_page(studies[0], {}, None, None))
    _say(console, f"Report of the first: {page}")
    return 0


def _all(args, console, network, folder, options) -> int:
    from pyomo_dlmp.connection import hosting_map
    from pyomo_dlmp.connection.folder import hosting_page

    answer = hosting_map(network, max_kw=(args.kw or [None])[0],
                         hours_per_year=args.hours_per_year, **options)
    folder.write("hosting", answer.table)
    _say(console, f"{answer!r}"[1:-1])
    _say(console, f"Report: {folder.page(hosting_page(answer))}")
    return 0
