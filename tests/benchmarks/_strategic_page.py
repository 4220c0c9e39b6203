"""The page and the growth pictures of `strategic.py`, from its measured runs."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from pyomo_dlmp.report.figures.style import CASE_COLORS, CASE_MARKERS, panels, styled

ACTIVE = "active"
BUSES = {"ieee37": 38, "ieee123": 132, "ieee8500": 4876}
STEPS = ("import", "build", "transform", "bounds", "solve", "audit")


def write(data: dict, docs: Path) -> str:
    """Write docs/benchmark_strategic.md and docs/pictures/strategic_*.svg; the page's path."""
    runs = data["runs"]
    grow(runs, docs / "pictures" / "strategic_growth.svg")
    lines = [
        "# Benchmark: strategic datacenters to a proven gap", "",
        f"Written by `tests/benchmarks/strategic.py` (`make bench`) on {data['machine']}; each run "
        "in a process of its own, OpenBLAS with one thread. Seconds by step; GB: peak of the "
        "process; gap: relative, proven. **ours**: `solve_bilevel(m)`; **KKT**: the same with "
        "`complementarity=\"bigm\"`, proved bounds; **unverified M**: that form with M = 1e4 "
        "everywhere and no bounds proved; **stock**: Pyomo's `core.kkt`, "
        "`mpec.simple_disjunction`, `gdp.bigm`. All on HiGHS. IEEE 37 with three datacenters is "
        "the main study.", "",
        "Bounds: critical regions and their costs (ours), first point (KKT). Feeders and devices "
        "are in the script; the 8500-node feeder is in the AC form (`solve_market`, all rounds of "
        "the leader's loop), taps of full load, limits 0.92 to 1.12 pu.", "",
        *table(runs), "", "![cost against buses, hours and datacenters]"
        "(pictures/strategic_growth.svg)", "", "## Comparison with the KKT form", "",
        *agreement(runs), "",
        "## Comparison with an unverified big-M", "", *ratios(runs), ""]
    page = docs / "benchmark_strategic.md"
    page.write_text("\n".join(lines), encoding="utf-8")
    return str(page)


def table(runs: list[dict]) -> list[str]:
    """One row a run."""
    lines = ["| feeder | h | sites | case | pays | who | " + " | ".join(STEPS)
             + " | rows | columns | binaries | GB | gap asked | gap | status |",
             "|" + "---|" * (6 + len(STEPS) + 7)]
    for r in runs:
        t = r["times"]
        steps = " | ".join(f"{t[s]:.2f}" if s in t else "" for s in STEPS)
        if r["who"] == "stock" and "total" in t:
            steps = f"{t['import']:.2f} | {t['build']:.2f} | {t['total']:.2f} | | | "
        size = " | ".join(str(r.get(k) if r.get(k) is not None else "") for k in (
            "rows", "columns", "binaries"))
        pays = ACTIVE if r["pays"] == ACTIVE else "both"
        gap = f"{r['reached']:.1e}" if r.get("reached") is not None else ""
        lines.append(
            f"| {r['feeder']} | {r['hours']} | {r['sites']} | {r['case']} | {pays} | {r['who']} | "
            f"{steps} | {size} | {r['peak']:.2f} | {r['gap']:.0e} | {gap} | {r['status']} |")
    return lines


def key(r: dict) -> tuple:
    """What two runs of the same problem share."""
    return r["feeder"], r["hours"], r["sites"], r["case"], r["pays"], r["gap"]


def agreement(runs: list[dict]) -> list[str]:
    """Whether each solution and the KKT form's are within each other's bounds."""
    slow = {key(r): r for r in runs if r["who"] == "KKT" and r.get("objective") is not None}
    agreed, wrong, alone = 0, [], 0
    for r in runs:
        if r["who"] != "ours" or r.get("objective") is None:
            continue
        other = slow.get(key(r))
        if other is None:
            alone += 1
            continue
        room = 1e-6 * abs(r["objective"])
        fine = r["bound"] <= other["objective"] + room and other["bound"] <= r["objective"] + room
        agreed += fine
        wrong += [] if fine else [r]
    lines = [f"{agreed} solutions were compared with those of the KKT form (another formulation, "
             f"another search): {len(wrong)} disagree, that is, lie outside the other's proven "
             f"bound. For {alone} there was no KKT solution to compare with."]
    return lines + [f"- DISAGREES: {key(r)}" for r in wrong]


def ratios(runs: list[dict]) -> list[str]:
    """Seconds of unverified M to its gap against ours to a gap at least as small."""
    lines = ["| feeder | h | sites | case | gap asked | unverified M: seconds, gap | "
             "KKT: seconds, gap | ours: seconds, gap | unverified M / ours |",
             "|" + "---|" * 9]
    by = {(key(r), r["who"]): r for r in runs}
    for r in runs:
        ours = by.get((key(r), "ours"))
        if r["who"] != "unverified M" or r["hours"] == 1 or not ours:
            continue
        kkt = by.get((key(r), "KKT"))
        a, b = r["times"].get("total"), ours["times"].get("total")
        if a is None or b is None or r.get("reached") is None:
            continue
        ratio = f"{a / b:.0f}" if ours["reached"] <= max(r["reached"], r["gap"]) else "-"
        lines.append(
            f"| {r['feeder']} | {r['hours']} | {r['sites']} | {r['case']} | {r['gap']:.0e} | "
            f"{said(r)} | {said(kkt)} | {said(ours)} | {ratio} |")
    return lines


def said(r: dict | None) -> str:
    """Seconds and gap of a run."""
    if r is None or r.get("reached") is None:
        return ""
    return f"{r['times']['total']:.1f}, {r['reached']:.1e}"


@styled
def grow(runs: list[dict], path: Path) -> Figure:
    """Seconds (all after the build) and memory against buses, hours and datacenters."""
    figure, axes = panels(1, 3, 3.6)
    axes = axes[0]
    mine = [r for r in runs if r["who"] == "ours" and r["case"] == "no SVG"
            and r["pays"] != ACTIVE and r["gap"] >= 1e-4 and "total" in r["times"]]
    kkt = [r for r in runs if r["who"] == "KKT" and r["case"] == "no SVG" and r["pays"] != ACTIVE
           and r["gap"] >= 1e-4 and "total" in r["times"]]
    for color, marker, hours in zip(CASE_COLORS, CASE_MARKERS, (1, 24), strict=False):
        for chosen, style, who in ((mine, "-", "ours"), (kkt, ":", "KKT")):
            points = sorted((BUSES[r["feeder"]], r["times"]["total"]) for r in chosen
                            if r["hours"] == hours and r["sites"] == 3)
            axes[0].plot(*zip(*points, strict=True), style, color=color, marker=marker,
                         label=f"{who}, {hours} h")
    axes[0].set(xscale="log", yscale="log", xlabel="buses (3 datacenters)", ylabel="seconds",
                title="Buses")
    for color, marker, feeder in zip(CASE_COLORS, CASE_MARKERS, BUSES, strict=False):
        for chosen, style, who in ((mine, "-", "ours"), (kkt, ":", "KKT")):
            for k, (axis, hours) in enumerate(((axes[1], None), (axes[2], 24))):
                points = sorted(
                    (r["hours"] if k == 0 else r["sites"], r["times"]["total"]) for r in chosen
                    if r["feeder"] == feeder and (r["sites"] == 3 if k == 0 else
                                                  r["hours"] == hours))
                if points:
                    axis.plot(*zip(*points, strict=True), style, color=color, marker=marker,
                              label=f"{who}, {feeder}")
    axes[1].set(xscale="log", yscale="log", xlabel="hours (3 datacenters)", title="Hours")
    axes[2].set(yscale="log", xlabel="datacenters (24 h)", title="Datacenters")
    for axis in axes:
        axis.legend(fontsize=7)
        axis.yaxis.set_major_formatter("{x:g}")  # the style parses no mathematics in labels
        axis.xaxis.set_major_formatter("{x:g}")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    return figure
