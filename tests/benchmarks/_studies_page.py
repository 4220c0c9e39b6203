"""Fill the tables and pictures of docs/studies.md, and the README's, from results folders.

    python tests/benchmarks/_studies_page.py [folder that holds the results, default results]

`make studies` runs it. What the page says in words is checked against the results at the end.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pyomo_dlmp.report import write_pictures
from pyomo_dlmp.report.tables import number

sys.path.insert(0, str(Path(__file__).parent))
from _studies_svg import broken_claims, changes, main_table, read, table, truth

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = {
    "ieee37": {"map-1": "map37", "parts-2": "parts37", "voltages-1": "voltages37",
               "unbalance-1": "hours37"},
    "ieee37_heavy": {"unbalance-1": "hours37_heavy"},
    "ieee37_markets": {"markets-1": "markets37"},
    "ieee37_svg": {"markets-1": "sweep37"},
    "ieee37_unbalance": {"unbalance-3": "unbalance37"},
    "ieee123": {"markets-1": "sweep123"},
}
MARKET_ROWS = {
    "datacenters_pay": "datacenters pay ($)",
    "datacenters_would_pay_at_DLMPs": "at the DLMPs they would pay ($)",
    "cost_of_the_DSO": "cost of the DSO ($)", "price_of_anarchy": "price of anarchy",
    "losses": "losses (MWh)", "lowest_voltage": "lowest voltage (pu)",
    "greatest_VUF": "greatest VUF (%)", "greatest_PVUR": "greatest PVUR (%)",
    "greatest_price_spread_between_phases": "greatest spread between phases ($/MWh)",
    "thermal_limits_at_their_rating": "thermal limits that bind"}
RUN_ROWS = {
    "datacenters_pay": "pay ($)", "datacenters_pay_for_reactive_power": "of it reactive ($)",
    "lowest_voltage": "lowest voltage (pu)",
    "lowest_voltage_at_datacenters": "lowest at datacenters (pu)",
    "greatest_VUF": "greatest VUF (%)", "mean_VUF_at_datacenters": "mean VUF at datacenters (%)",
    "mean_VUF_at_datacenters_at_high_loading": "at high loading (%)",
    "mean_PVUR_at_datacenters": "mean PVUR at datacenters (%)", "losses": "losses (MWh)",
    "greatest_price_spread_between_phases": "phase spread ($/MWh)", "proven_gap": "gap (%)",
    "wall_time": "time (s)"}
AC_ROWS = {
    "AC_check_greatest_voltage_error": "greatest voltage error (pu)",
    "AC_check_mean_voltage_error": "mean voltage error (pu)",
    "AC_check_lowest_voltage_in_AC": "lowest voltage in AC (pu)",
    "AC_check_losses_in_AC": "losses in AC (MWh)",
    "AC_check_greatest_VUF_error": "greatest VUF error (points)",
    "AC_check_limits_broken_in_AC": "limits violated in AC (count)"}


def runs_across(root: Path, study: str, wanted: dict[str, str]) -> str:
    """Runs as rows, quantities as columns."""
    summary = read(root, study, "summary")
    wide = summary.pivot_table(index="case", columns="quantity", values="value", aggfunc="first",
                               sort=False)
    keys = [q for q in wanted if q in wide.columns]
    rows = [[case, *(_short(wide.loc[case, q]) for q in keys)] for case in wide.index]
    return table(["run", *(wanted[q] for q in keys)], rows)


def _short(value) -> str:
    """A number in four digits; rounding errors are shown as 0."""
    return "0" if abs(float(value)) < 1e-9 else number(value)


def markets(root: Path) -> str:
    data = read(root, "ieee37_markets", "markets")
    kinds = list(dict.fromkeys(data["market"]))
    rows = []
    for base, part in data.groupby("base", sort=False):
        wide = part.pivot_table(index="quantity", columns="market", values="value")
        rows += [[base, name, *(number(wide.loc[q].get(kind, float("nan"))) for kind in kinds)]
                 for q, name in MARKET_ROWS.items() if q in wide.index]
    return table(["case", "quantity", *kinds], rows)


def reactive(root: Path) -> str:
    """Reactive DLMP at the datacenters' buses, by phase."""
    rows = []
    for study, feeder in (("ieee37_svg", "IEEE 37"), ("ieee123", "IEEE 123")):
        prices = read(root, study, "prices")
        dispatch = read(root, study, "dispatch")
        sites = set(dispatch[dispatch["kind"] == "datacenter"]["bus"])
        mine = prices[(prices["quantity"] == "reactive") & prices["bus"].isin(sites)
                      & prices["case"].str.endswith("x1")]
        for case, part in mine.groupby("case", sort=False):
            by = part.groupby("phase")["value"].agg(["mean", "min", "max"])
            rows.append([feeder, case.split(",")[0], *(
                f"{by.loc[k, 'mean']:.2f} ({by.loc[k, 'min']:.2f} .. {by.loc[k, 'max']:.2f})"
                for k in "abc")])
    return table(["feeder", "case", "phase a", "phase b", "phase c"], rows)


def main(root: Path) -> None:
    found = {
        "main37": main_table(root), "changes": changes(root), "truth": truth(root),
        "per_phase": runs_across(root, "ieee37_per_phase", RUN_ROWS),
        "markets37": markets(root), "svg37": runs_across(root, "ieee37_svg", RUN_ROWS),
        "unbalance37": runs_across(root, "ieee37_unbalance", RUN_ROWS),
        "svg123": runs_across(root, "ieee123", RUN_ROWS), "reactive": reactive(root),
        "ac37": runs_across(root, "ieee37_svg", AC_ROWS),
        "ac123": runs_across(root, "ieee123", AC_ROWS)}
    fill(DOCS / "studies.md", found)
    fill(DOCS.parent / "README.md", {"main37": found["main37"]})
    pictures = DOCS / "pictures"
    pictures.mkdir(exist_ok=True)
    for study, wanted in PICTURES.items():
        folder = root / study / "pictures"
        write_pictures(root / study, folder)
        for source, target in wanted.items():
            (pictures / f"{target}.svg").write_bytes((folder / f"{source}.svg").read_bytes())


def fill(page: Path, found: dict[str, str]) -> None:
    """Put tables between their marks."""
    text = page.read_text(encoding="utf-8")
    for name, content in found.items():
        pattern = rf"(<!-- table {name} -->\n)(?:(?!<!--).)*(<!-- end -->)"
        assert re.search(pattern, text, re.S), name
        text = re.sub(pattern, lambda m, c=content: m[1] + c + "\n" + m[2], text, flags=re.S)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
    wrong = broken_claims(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
    if wrong:
        sys.exit("docs/studies.md says what these results do not show:\n  " + "\n  ".join(wrong))
