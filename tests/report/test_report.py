"""The report is one self-contained page, leaves out what is not there, and names wrong files."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.report import (
    ResultsFileError,
    day,
    drawing,
    read_results,
    sections,
    voltage_by_hour,
    write_pictures,
    write_report,
)
from pyomo_dlmp.report.drawing import Helpers
from pyomo_dlmp.report.figures.paper import svg_text
from pyomo_dlmp.report.lead import opening, without_sites
from pyomo_dlmp.report.live.encoding import plotly_script
from pyomo_dlmp.report.story import points
from pyomo_dlmp.report.tables import audit_table, error, number, signed, summary_table
from tests.report.synthetic import write_synthetic

SMALL = {"buses": 12, "periods": 3}


def charts(text: str) -> list[str]:
    """What each chart of the page is, in words; of the map's three one."""
    return re.findall(r'data-chart="[^"]+" role="img" aria-label="([^"]+)"', text) + re.findall(
        r'id="feeder-map" role="img" aria-label="([^"]+)"', text)


def drawn(folder) -> list[str]:
    """Names of the pictures that are drawn as files."""
    target = folder / "pictures"
    count = write_pictures(folder, target, processes=1)
    names = sorted(path.name for path in target.glob("*.svg"))
    assert count == len(names)
    return names


def without_library(text: str) -> str:
    """The page without plotly's own script."""
    return text.replace(plotly_script(), "")


@pytest.fixture
def unrendered(monkeypatch):
    """Figures are made but not written as SVG, which takes most of the time."""
    monkeypatch.setattr(Helpers, "draw", lambda self, jobs, progress=None: [
        job.draw(*job.args, **job.kwargs) and "<svg/>" for job in jobs])
    monkeypatch.setattr(drawing, "cores", lambda: 1)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = write_synthetic(tmp_path_factory.mktemp("results"), **SMALL)
    path = write_report(folder)
    assert path.name == "report.html"
    return path.read_text(encoding="utf-8")


def test_the_report_has_every_picture_and_table(text):
    assert len(charts(text)) == 7
    assert text.count("<table") == 3
    assert text.count("<figcaption>") == 6
    ids = re.findall(r' id="([\w-]+)"', without_library(text))
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#(\w+)"', text)) <= set(ids)


def test_the_report_needs_nothing_else(text):
    own = without_library(text)
    assert len(text) - len(own) == len(plotly_script())  # once
    assert "http:" not in own and "https:" not in own
    assert "<link" not in own and "@import" not in own and not re.search(r"<script[^>]* src", own)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', own)
    assert policy.startswith("default-src 'none';")  # a browser refuses any connection
    assert not re.search(r'(src|href)="(?!#|data:)', own)


def test_the_same_tables_give_the_same_picture(tmp_path):
    voltages = read_results(write_synthetic(tmp_path, **SMALL)).voltages
    assert svg_text(voltage_by_hour(voltages)) == svg_text(voltage_by_hour(voltages))


@pytest.mark.parametrize(
    "options",
    [
        {"cases": ("no SVG", "SVG", "larger SVG")},
        {"periods": 1, "cases": ("SVG",)},
        {"coordinates": False},
    ],
    ids=str,
)
def test_other_shapes_of_study(tmp_path, unrendered, options):
    folder = write_synthetic(tmp_path, **{**SMALL, **options})
    text = write_report(folder).read_text("utf-8")
    cases = options.get("cases", ("no SVG", "SVG"))
    assert len(charts(text)) == 7 - ("SVG" not in cases)
    assert len(drawn(folder)) == 17 - (len(cases) == 1) - ("SVG" not in cases)
    assert "nan" not in without_library(text).lower()


@pytest.mark.parametrize(("lost", "words"), [
    (slice(0, 0), ""), (slice(3, 4), "1 of 12 buses has no coordinates"),
    (slice(3, 6), "3 of 12 buses have no coordinates"), (slice(None), "Laid out as a tree")])
def test_captions_say_how_many_buses_have_no_coordinates(tmp_path, monkeypatch, lost, words):
    folder = write_synthetic(tmp_path, **{**SMALL, "buses": 12})
    buses = pd.read_csv(folder / "buses.csv", dtype=str)
    buses.loc[buses.index[lost], ["x", "y"]] = ""
    buses.to_csv(folder / "buses.csv", index=False)
    monkeypatch.setattr(day, "on_paper", lambda caption, *_, **__: caption)
    monkeypatch.setattr(sections, "on_paper", lambda caption, *_, **__: caption)
    results = read_results(folder)
    items = [getattr(item, "caption", item) for section in sections.sections_of(
        results, results.cases) for item in section.items]
    captions = [item for item in items
                if "one-line" in item or "Not to scale" in item or "The feeder," in item]
    assert len(captions) > 3
    assert all((words in text) if words else ("coordinates" not in text) for text in captions)


@pytest.mark.parametrize("name", ["unbalance", "payments"])
def test_an_optional_table_may_be_absent(tmp_path, unrendered, name):
    folder = write_synthetic(tmp_path, **SMALL)
    (folder / f"{name}.csv").unlink()
    text = write_report(folder).read_text(encoding="utf-8")
    assert len(charts(text)) == 7 - {"unbalance": 1, "dispatch": 4}.get(name, 0)
    assert len(drawn(folder)) == 17 - {"unbalance": 4, "dispatch": 4}.get(name, 0)


def test_the_reactive_price_may_be_absent(tmp_path, unrendered):
    folder = write_synthetic(tmp_path, **SMALL)
    prices = pd.read_csv(folder / "prices.csv")
    prices[prices["quantity"] == "active"].to_csv(folder / "prices.csv", index=False)
    assert len(drawn(folder)) == 15
    assert "reactive price" not in without_library(write_report(folder).read_text("utf-8"))


def test_markup_in_names_is_shown_not_obeyed(tmp_path, unrendered):
    folder = write_synthetic(tmp_path, **SMALL, cases=("<b>&$x$", "SVG"))
    text = write_report(folder).read_text("utf-8")
    assert "<b>&$" not in without_library(text)
    assert "&lt;b&gt;&amp;$x$" in text
    svg = svg_text(voltage_by_hour(read_results(folder).voltages))  # "$" is money, not mathematics
    assert "<!-- &lt;b&gt;&amp;$x$: lowest bus -->" in svg


def test_a_missing_file_is_named(tmp_path):
    folder = write_synthetic(tmp_path, **SMALL)
    (folder / "voltages.csv").unlink()
    with pytest.raises(ResultsFileError, match=r"voltages\.csv: is missing"):
        read_results(folder)


def test_all_missing_columns_are_named_at_once(tmp_path):
    folder = write_synthetic(tmp_path, **SMALL)
    for name, column in (("prices", "phase"), ("buses", "distance_km")):
        table = pd.read_csv(folder / f"{name}.csv")
        table.drop(columns=column).to_csv(folder / f"{name}.csv", index=False)
    with pytest.raises(DlmpError) as caught:
        read_results(folder)
    faults = {(fault.where, fault.what) for fault in caught.value.faults}
    assert faults == {
        ("prices.csv", "has no column 'phase'"),
        ("buses.csv", "has no column 'distance_km'"),
    }


def test_a_word_in_a_number_column_is_named_with_its_row(tmp_path):
    folder = write_synthetic(tmp_path, **SMALL)
    lines = (folder / "audit.csv").read_text().splitlines()
    lines[2] = lines[2].replace("1e-06", "tiny")
    (folder / "audit.csv").write_text("\n".join(lines))
    with pytest.raises(ResultsFileError, match=r"audit\.csv: column 'limit', row 3: 'tiny'"):
        read_results(folder)


def test_a_branch_to_an_unknown_bus_is_named(tmp_path):
    folder = write_synthetic(tmp_path, **SMALL)
    with (folder / "branches.csv").open("a") as file:
        file.write("lx,701,nowhere\n")
    with pytest.raises(ResultsFileError, match=r"branches\.csv: .*'nowhere' is not in buses\.csv"):
        read_results(folder)


def test_a_bus_listed_twice_is_named(tmp_path):
    folder = write_synthetic(tmp_path, **SMALL)
    with (folder / "buses.csv").open("a") as file:
        file.write("701,0,0,0\n")
    with pytest.raises(ResultsFileError, match=r"buses\.csv: .*'701' is there twice"):
        read_results(folder)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(ResultsFileError, match="is not a folder"):
        write_report(tmp_path / "nothing")


def test_bus_names_stay_words(tmp_path):
    folder = write_synthetic(tmp_path, **SMALL)
    for name in ("buses", "branches", "prices"):
        path = folder / f"{name}.csv"
        path.write_text(path.read_text().replace("701", "0701"))
    assert "0701" in read_results(folder).buses["bus"].tolist()


def test_the_points_say_the_numbers(tmp_path):
    folder = write_synthetic(tmp_path, **SMALL)
    results = read_results(folder)
    words = dict(points(results))
    lowest = results.voltages.query("quantity == 'line_to_neutral'")["value"].min()
    assert f"{lowest:.4f} pu" in words["Voltages"]
    assert "against a limit of 0.95 pu" in words["Voltages"]
    assert words["Audit"] == "All 6 checks of the audit are passed."
    assert "Beyond limits" not in words


def test_the_answer_comes_first_in_three_sentences(tmp_path):
    results = read_results(write_synthetic(tmp_path, **SMALL))
    paid = {case: float(results.payments.query("case == @case")["value"].sum())
            for case in results.cases}
    active = results.prices.query("quantity == 'active' and case == 'no SVG'")["value"]
    words = opening(results)
    assert words.startswith(f"The 3 datacenters pay ${number(round(paid['no SVG'], 2))} for ")
    less = 100 * (1 - paid["SVG"] / paid["no SVG"])
    assert f"{less:.1f}\u00a0% less in “SVG”" in words
    assert f"{number(active.mean())} $/MWh in the mean" in words
    assert f"at most {number(active.max())} (bus" in words
    assert words.endswith("The audit is passed.")
    assert without_sites(results) is None


def test_the_answer_says_what_datacenters_do_to_prices(tmp_path):
    folder = write_synthetic(tmp_path, **SMALL, cases=("with", "without datacenters"))
    for name, column in (("dispatch", "kind"), ("payments", "element")):
        table = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        of_a_site = table[column].str.startswith("d")
        table[~(of_a_site & (table["case"] != "with"))].to_csv(folder / f"{name}.csv", index=False)
    prices = pd.read_csv(folder / "prices.csv")
    mine = (prices["case"] == "with") & (prices["quantity"] == "active")
    prices.loc[mine, "value"] += 2.5
    prices.to_csv(folder / "prices.csv", index=False)
    results = read_results(folder)
    assert without_sites(results) == "without datacenters"
    assert "without (+2.500 $/MWh)" in opening(results)


@pytest.mark.parametrize(("counts", "words"), [
    ((0, 0), "Every voltage is within 0.95 to 1.05 pu, and the audit is passed."),
    ((0, 3), "3 voltages are beyond the limits of 0.95 to 1.05 pu in “SVG”, and the audit"),
    ((1, 3), "in “SVG” (some in 2 of 2 cases), and the audit is passed.")])
def test_the_answer_says_whether_limits_hold(tmp_path, counts, words):
    folder = write_synthetic(tmp_path, **SMALL)
    with (folder / "summary.csv").open("a") as file:
        for case, count in zip(("no SVG", "SVG"), counts, strict=True):
            file.write(f"{case},voltages_beyond_a_limit,{count},count\n")
    assert words in opening(read_results(folder))


def test_a_failed_check_is_said_loudly(tmp_path, unrendered):
    folder = write_synthetic(tmp_path, **SMALL)
    path = folder / "audit.csv"
    path.write_text(path.read_text().replace("True", "False", 1))
    results = read_results(folder)
    assert "1 FAILED" in dict(points(results))["Audit"]
    assert opening(results).endswith("1 of the audit's checks FAILED.")
    assert "✗ FAIL" in write_report(folder).read_text(encoding="utf-8")


def test_the_audit_of_many_cases_names_the_worst(tmp_path):
    folder = write_synthetic(tmp_path, **SMALL, cases=("a", "b", "c", "bad"))
    table = audit_table(read_results(folder).audit)
    assert table.head[3:] == ["passed in", "greatest", "in the case"]
    marks = {row[0]: row[3:] for row in table.rows}
    assert marks["ac voltage difference"] == ["✗ FAIL in 1 of 4", "0.004100", "bad"]
    assert marks["lower level cost gap"][0] == "✓ 4 of 4"
    few = audit_table(read_results(folder).only(["a", "bad"]).audit)
    assert [row[3:] for row in few.rows][-1] == ["✓ 0.004100", "✗ FAIL 0.004100"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (24, "24"),
        (1234567.0, "1,234,567"),
        (1082.4, "1,082"),
        (51.8012, "51.80"),
        (0.97361, "0.9736"),
        (-3.2e-7, "−3.2e−7"),
        (-2.5e-12, "0"),
        (float("nan"), "–"),
        ("optimal", "optimal"),
    ],
)
def test_numbers_read_well(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [
    (0.0, "0"), (6.5e-14, "<1e−9"), (2e-9, "2.0e−9"), (0.5, "0.5000"), (float("nan"), "–")])
def test_distances_below_rounding_are_said_to_be_so(value, text):
    assert error(value) == text


def test_differences_carry_their_sign():
    assert signed(2.5, 10.0) == "+2.500"
    assert signed(-2.5, 10.0) == "−2.500"
    assert signed(1e-9, 10.0) == "0"


def test_the_summary_compares_the_cases():
    rows = [("A", "cost", "10", "$"), ("B", "cost", "8", "$"), ("A", "status", "optimal", "")]
    table = summary_table(pd.DataFrame(rows, columns=["case", "quantity", "value", "unit"]))
    assert table.head == ["quantity", "unit", "A", "B", "B minus A"]
    assert table.rows == [["cost", "$", "10", "8", "−2"], ["status", "", "optimal", "–", "–"]]
