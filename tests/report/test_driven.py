"""The map in a browser: each control changes what it should, to the numbers of the tables."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pytest

from pyomo_dlmp.report import read_results, write_report
from pyomo_dlmp.report.derived import pick
from tests.report.synthetic import frame, write_synthetic

CASES = ("no SVG", "SVG")
PARTS = {"energy": 30.0, "loss": 1.5, "congestion": -0.25}
LAYERS = {  # quantity of the map: table, its quantity, what is shown of the phases
    "active price": ("prices", "active", "mean"), "reactive price": ("prices", "reactive", "mean"),
    "voltage": ("voltages", "line_to_neutral", "min"),
    "line loading": ("line_loading", "loading", "max"),
    "unbalance (VUF)": ("unbalance", "VUF", "max"),
    "unbalance (PVUR)": ("unbalance", "PVUR", "max")}
DRIVER = """<script>
const told = [], root = document.getElementById("feeder-view");
const control = name => root.querySelector(`[name="${name}"]`);
const set = (name, value, event = "change") => {
  control(name).value = value;
  control(name).dispatchEvent(new Event(event));
};
const F = JSON.parse(document.getElementById("feeder-data").textContent);
const others = () => JSON.stringify([...document.querySelectorAll("[data-chart]")].map(
  box => box.data));
const before = others();
function tell(step) {
  const [map, profile, parts] = ["map", "profile", "parts"].map(
    name => document.getElementById(`feeder-${name}`).data);
  const coloured = map.find(trace => trace.marker && trace.marker.showscale);
  const of = F.layers[control("quantity").value];
  told.push({...step, quantity: of.name, case: control("case").value,
    phase: control("phase").value, hour: F.periods[control("hour").value],
    said: root.querySelector("output").textContent, count: map.length,
    at: coloured.customdata.map(k => (of.of === "branch" ? F.branches : F.buses)[k]),
    values: coloured.marker.color, hover: coloured.text,
    marks: map[map.length - 1].hovertext, wires: map[0].x.length,
    profile: (of.of === "branch" ? [] : profile).map(trace => [trace.name, trace.x.length]),
    parts: Object.fromEntries(parts.map(trace => [trace.name, trace.y]))});
}
for (const [q] of F.layers.entries()) {
  set("quantity", q);
  const phases = [...control("phase").options].map(option => option.value);
  for (const name of F.cases) for (const phase of phases) for (const [t] of F.periods.entries()) {
    set("case", name);
    set("phase", phase);
    set("hour", t, "input");
    tell({});
  }
}
set("quantity", 0);
set("bus", F.buses.indexOf("702"));
tell({step: "another bus"});
const same = before === others();
function room(box) {  // px between the title of the hours and the legend
  const legend = box.querySelector(".legend .bg"), title = box.querySelector(".xtitle");
  return legend && title ? legend.getBoundingClientRect().top
    - title.getBoundingClientRect().bottom : null;
}
const price = document.querySelector('[aria-label^="Step lines of active price"]');
setTimeout(() => Plotly.Fx.hover(price, {xval: 0.51}, "xy"), 1000);
setTimeout(() => {
  const out = document.createElement("pre");
  out.id = "told";
  out.textContent = JSON.stringify({told, same,
    said: [...price.querySelectorAll(".hoverlayer text")].map(text => text.textContent),
    rooms: [...document.querySelectorAll("[data-chart]")].map(room)});
  document.body.append(out);
}, 1500);
</script></body>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = write_synthetic(tmp_path_factory.mktemp("r"), buses=12, periods=2, cases=CASES)
    loading = [(case, branch, phase, t, "loading", 10.0 * t + k + 3 * (case == "SVG"), "%")
               for case in CASES for branch in ("l701", "l703") for t in (1, 2)
               for k, phase in enumerate("abc")]
    parts = [(case, bus, phase, t, "active", part, t * value, "$/MWh") for case in CASES
             for bus in ("701", "702") for phase in "abc" for t in (1, 2)
             for part, value in PARTS.items()]
    frame("line_loading", loading).to_csv(made / "line_loading.csv", index=False)
    frame("decomposition", parts).to_csv(made / "decomposition.csv", index=False)
    return made


@pytest.fixture(scope="module")
def driven(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("browser")
    page = write_report(folder).read_text(encoding="utf-8")
    path = place / "driven.html"
    path.write_text(page.replace("</body>", DRIVER), encoding="utf-8")
    if shutil.which("chromium") is None:
        pytest.skip("needs a browser")
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=6000",
         f"--user-data-dir={place}", "--enable-logging=stderr", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=150)
    if done.returncode != 0:
        pytest.skip("the browser does not start here")
    assert "CONSOLE" not in done.stderr
    return json.loads(html.unescape(re.findall(r'<pre id="told">(.*?)</pre>', done.stdout)[0]))


def test_each_step_shows_the_tables_numbers(folder, driven):
    results = read_results(folder)
    seen = set()
    for step in driven["told"][:-1]:
        name, quantity, how = LAYERS[step["quantity"]]
        table = pick(getattr(results, name), quantity=quantity, case=step["case"],
                     period=int(step["hour"]))
        if step["phase"]:
            table = pick(table, phase=step["phase"])
        key = "element" if name == "line_loading" else "bus"
        wanted = table.groupby(key)["value"].agg(how).to_dict()
        near = 1e-4 if quantity == "line_to_neutral" else 6e-4  # five digits, or four
        assert dict(zip(step["at"], step["values"], strict=True)) == pytest.approx(wanted, rel=near)
        assert step["said"] == str(step["hour"])
        seen.add((step["quantity"], step["case"], step["phase"], step["hour"]))
    assert {q for q, *_ in seen} == set(LAYERS)
    for quantity, phases in (("active price", 4), ("voltage", 4), ("line loading", 4),
                             ("unbalance (VUF)", 1)):
        assert len({one for one in seen if one[0] == quantity}) == len(CASES) * phases * 2


def test_controls_of_the_map_leave_all_else(driven):
    assert driven["same"]
    assert len({step["wires"] for step in driven["told"]}) == 1
    marks = {step["case"]: step["marks"] for step in driven["told"]}
    assert any("svg1" in mark for mark in marks["SVG"])
    assert not any("svg1" in mark for mark in marks["no SVG"])
    for step in driven["told"]:
        if step["quantity"] == "line loading":
            assert step["profile"] == []
        elif step["quantity"] != "unbalance (VUF)" and step["quantity"] != "unbalance (PVUR)":
            assert [name for name, _ in step["profile"]] == ["phase a", "phase b", "phase c"]


def test_hover_tells_values_by_phase_and_parts_of_prices(driven):
    step = next(s for s in driven["told"] if s["quantity"] == "active price" and not s["phase"]
                and s["hour"] == 2)
    text = step["hover"][step["at"].index("701")]
    assert text.startswith("<b>bus 701</b><br>active price: ")
    for phase in "abc":
        assert f"<br>  {phase}: " in text
    of = re.findall(r"of which (\w+): ([-.\d]+)", text)
    assert of == [("energy", "60"), ("loss", "3"), ("congestion", "-0.5")]


def test_a_bus_has_its_price_taken_apart_by_hour(folder, driven):
    last = driven["told"][-1]
    for part, value in PARTS.items():
        assert last["parts"][part] == [value, 2 * value]
    prices = pick(read_results(folder).prices, quantity="active", case=last["case"], bus="702")
    wanted = prices.groupby("period")["value"].mean().tolist()
    assert last["parts"]["active price"] == pytest.approx(wanted, rel=6e-4)


def test_legends_stand_close_below_the_axis_and_not_on_it(driven):
    rooms = [room for room in driven["rooms"] if room is not None]
    assert len(rooms) >= 5
    assert min(rooms) >= 0 and max(rooms) < 40


def test_a_chart_by_hour_says_hour_case_and_value(folder, driven):
    """At the very edge of the first hour, in the panel of all buses."""
    hour, *lines = driven["said"]
    assert hour == "hour 1"
    names = [line.partition(" : ")[0] for line in lines]
    assert len(names) == len(set(names)) and {"no SVG", "no SVG: highest", "SVG"} <= set(names)
    prices = pick(read_results(folder).prices, quantity="active", case="SVG", period=1)["value"]
    told = float(next(line for line in lines if line.startswith("SVG : ")).split(" : ")[1])
    assert told == pytest.approx(prices.mean(), rel=1e-4)
