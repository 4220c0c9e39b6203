"""``pyomo-dlmp compare``: what differs between two results."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from pyomo_dlmp.cli.stages import Stages
from pyomo_dlmp.errors import ResultsFileError
from pyomo_dlmp.tolerances import SAME_MONEY


def add(commands) -> None:
    """Its arguments."""
    compare = commands.add_parser(
        "compare", help="say what differs between two results: payments, prices, voltages ...",
        description="Exit code 0 if nothing differs, 3 if something does.")
    compare.add_argument("first", help="results folder, or a file of save_results")
    compare.add_argument("second", help="another one; the same again compares two of its cases")
    compare.add_argument("--case", action="append", metavar="A=B", default=[],
                         help="compare case A of the first with case B of the second; can be "
                         "repeated (default: cases of the same name)")
    compare.add_argument("--tolerance", type=float, default=SAME_MONEY, metavar="SHARE",
                         help=f"relative difference that counts as none ({SAME_MONEY:g})")
    compare.add_argument("--csv", metavar="FILE", help="write all numbers to a file, too")


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    with Stages(console) as stage:
        stage(f"reading {args.first} and {args.second}")
        from pyomo_dlmp.records import compare_results

        found = compare_results(args.first, args.second, cases=_cases(args.case) or None,
                                tolerance=args.tolerance)
    for which, folder, cases in (("first", args.first, found.only_first),
                                 ("second", args.second, found.only_second)):
        if cases:
            console.print(f"Only the {which} ({folder}) has: {'; '.join(cases)}", markup=False,
                          highlight=False)
    if len(found.data):
        _print(console, "what was solved differs", found.data, ["key", "first", "second"])
    numbers = found.differing()
    if len(numbers):
        _print(console, "in a few numbers", numbers.assign(
            quantity=numbers["quantity"].str.replace("_", " "),
            relative=[f"{100 * x:+.3g} %" if x == x else "" for x in numbers["relative"]]),
            ["case", "quantity", "unit", "first", "second", "difference", "relative"])
    lone = found.values["only_first"] + found.values["only_second"]
    values = found.values[(found.values["differ"] > 0) | (lone > 0)]
    if len(values):
        _print(console, "value by value", values.assign(
            what=values["table"] + ", " + values["quantity"].str.replace("_", " "),
            differ=[f"{n} of {of}" for n, of in zip(values["differ"], values["of"], strict=True)],
            alone=[f"{a} / {b}" if a or b else "" for a, b in
                   zip(values["only_first"], values["only_second"], strict=True)]),
            ["case", "what", "unit", "first_mean", "second_mean", "first_max", "second_max",
             "differ", "greatest", "where", "alone"])
    if found.same:
        console.print(f"The same: {len(found.numbers)} numbers and {int(found.values['of'].sum())} "
                      f"values of {len(found.pairs)} case{'s' * (len(found.pairs) != 1)} agree to "
                      f"{args.tolerance:g}.", markup=False, highlight=False)
    if args.csv:
        found.numbers.to_csv(args.csv, index=False)
        console.print(f"Table: {args.csv}", markup=False, highlight=False)
    return 0 if found.same else 3


def _cases(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for first, equals, second in pairs:
        if not (first and equals and second):
            raise ResultsFileError.at("--case", f"is {first!r}", "Write --case 'A=B'.")
    return {first.strip(): second.strip() for first, _, second in pairs}


def _print(console: Console, title: str, table, columns: list[str]) -> None:
    shown = Table(title=title, title_justify="left")
    for column in columns:
        words = column in ("case", "quantity", "what", "unit", "key", "where")
        shown.add_column(column.replace("_", " "), justify="left" if words else "right",
                         overflow="fold")
    for row in table[columns].itertuples(index=False):
        shown.add_row(*(_cell(cell) for cell in row))
    console.print(shown)


def _cell(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.6g}" if cell == cell else "-"
    text = str(cell)
    return Path(text).name if len(text) > 60 and "/" in text else text
