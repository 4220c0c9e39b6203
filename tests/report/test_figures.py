"""Every picture is made from tidy tables, draws what they hold, and touches no pyplot."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pyomo_dlmp import report
from pyomo_dlmp.report import derived
from pyomo_dlmp.report.figures import layout, profiles, style
from tests.report.synthetic import frame, write_synthetic


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = write_synthetic(tmp_path_factory.mktemp("results"), buses=14, periods=4)
    return report.read_results(folder)


def all_figures(r):
    sites = derived.sites_of(r.dispatch)
    peak = derived.peak_period(r.dispatch, r.prices)
    yield report.voltage_profile(r.voltages, r.buses, r.branches, limits=(0.95, 1.05))
    yield report.voltage_by_hour(r.voltages)
    yield report.price_by_hour(r.prices, sites, substation=("price", {1: 40.0, 2: 41.0}))
    yield report.price_by_hour(r.prices, sites, quantity="reactive")
    yield report.price_heat_map(r.prices, r.buses, sites=sites)
    yield report.price_difference(r.prices, r.buses)
    yield report.feeder_key(r.buses, r.branches, r.dispatch)
    yield report.price_map(r.prices, r.buses, r.branches, r.dispatch, period=peak)
    yield report.unbalance_by_bus(r.unbalance, r.buses, peak=peak, limits={"VUF": 2.0})
    yield report.unbalance_map(r.unbalance, r.buses, r.branches, r.dispatch)
    yield report.unbalance_by_hour(r.unbalance, r.dispatch)
    yield report.datacenter_power(r.dispatch, r.payments)
    yield report.svg_output(r.dispatch)
    yield report.feeder_import(r.dispatch)


def test_every_figure_is_drawn_without_pyplot(results):
    for figure in all_figures(results):
        assert isinstance(figure, Figure)
        assert figure.axes
        for ax in figure.axes:
            assert ax.has_data() or ax.get_label() == "<colorbar>"
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules[
        "matplotlib.pyplot"
    ].get_fignums()


def test_cases_share_axes_and_colour_scale(results):
    figure = report.price_by_hour(results.prices, {})
    assert len({ax.get_ylim() for ax in figure.axes}) == 1
    figure = report.price_heat_map(results.prices, results.buses)
    images = [image for ax in figure.axes for image in ax.images]
    assert len(images) == 6
    assert len({image.get_clim() for image in images}) == 1


def test_long_titles_of_panels_stand_in_lines_of_their_own(results):
    case = "SVG of 300 kvar, price taker minus no SVG, strategic"
    axes = style.panels(1, 3, 2.0)[1]
    style.phase_title(axes[0, 0], "a", case)
    lines = axes[0, 0].get_title().splitlines()
    assert len(lines) == 3 and lines[-1] == "phase a" and " ".join(lines[:2]) == case
    style.phase_title(axes[0, 1], "ab", "SVG")
    assert axes[0, 1].get_title() == "SVG · leg ab"


def test_the_profile_takes_the_hour_of_the_lowest_voltage(results):
    worst = profiles.lowest(results.voltages)
    figure = report.voltage_profile(results.voltages, results.buses, results.branches)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == [f"no SVG · hour {worst['period']}", f"SVG · hour {worst['period']}"]


def test_totals_prefer_the_written_total_and_else_add_the_legs():
    rows = [
        ("x", "datacenter", "d1", "5", "", 1, "active", 0.9, "MW"),
        ("x", "datacenter", "d1", "5", "a", 1, "active", 0.3, "MW"),
        ("x", "datacenter", "d2", "6", "a", 1, "active", 0.1, "MW"),
        ("x", "datacenter", "d2", "6", "b", 1, "active", 0.2, "MW"),
    ]
    table = derived.totals(frame("dispatch", rows), "datacenter").set_index("element")["value"]
    assert table["d1"] == pytest.approx(0.9)
    assert table["d2"] == pytest.approx(0.3)


def test_average_price_is_payment_over_energy():
    power = [("x", "datacenter", "d1", "5", "", 1, "active", 2.0, "MW")]
    paid = [("x", "d1", "5", 1, "active", 50.0, "$"), ("x", "d1", "5", 1, "reactive", 9.0, "$")]
    price = derived.price_paid(frame("payments", paid), frame("dispatch", power), hours=0.5)
    assert price["value"].tolist() == [pytest.approx(50.0)]


def test_a_feeder_without_coordinates_is_laid_out_as_a_tree():
    buses = pd.DataFrame({"bus": ["s", "m", "x", "y"], "x": np.nan, "y": np.nan,
                          "distance_km": [0.0, 1.0, 2.0, 2.0]})  # fmt: skip
    branches = pd.DataFrame(
        {"branch": ["1", "2", "3"], "from_bus": ["s", "m", "m"], "to_bus": ["m", "x", "y"]}
    )
    place = layout.positions(buses, branches)
    assert len(set(place.values())) == 4
    assert place["s"][0] < place["m"][0] < place["x"][0] == place["y"][0]
    assert place["m"][1] == pytest.approx((place["x"][1] + place["y"][1]) / 2)


def test_names_on_the_diagram_are_whole_and_hide_no_point(results):
    figure = report.feeder_key(results.buses, results.branches, results.dispatch)
    (ax,) = figure.axes
    paper = figure.bbox
    points = ax.transData.transform(results.buses[["x", "y"]].to_numpy(dtype=float))
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert len(boxes) == len(results.buses)
    for box in boxes:
        assert paper.x0 <= box.x0 and box.x1 <= paper.x1
        assert paper.y0 <= box.y0 and box.y1 <= paper.y1
        assert not any(box.contains(*point) for point in points)
        assert sum(box.overlaps(other) for other in boxes) == 1  # with itself


def test_a_datacenter_has_one_colour_in_all_pictures(results):
    """Also where its name does not sort as the file has it."""
    renamed = results.dispatch.replace({"element": {"dc1": "zeta"}})
    sites = derived.sites_of(renamed)
    key = report.feeder_key(results.buses, results.branches, renamed)
    by_hour = report.price_by_hour(results.prices, sites)
    paid = results.payments.replace({"element": {"dc1": "zeta"}})
    power = report.datacenter_power(renamed, paid)
    colours = []
    for figure in (key, by_hour, power):
        (legend,) = figure.legends
        colours.append({
            text.get_text().split(" ")[0]: to_hex(color_of(handle))
            for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
            if text.get_text().split(" ")[0] in sites})
    assert colours[0] == colours[1] == colours[2] and len(set(colours[0].values())) == len(sites)


def color_of(handle):
    return handle.get_facecolor() if isinstance(handle, Patch) else handle.get_color()


def test_a_bus_without_coordinates_leaves_the_others_where_they_are(results):
    buses = results.buses.copy()
    lost = buses["bus"].iloc[[5, -1]].tolist()
    buses.loc[buses["bus"].isin(lost), ["x", "y"]] = np.nan
    place = layout.positions(buses, results.branches)
    for bus, x, y in results.buses[["bus", "x", "y"]].itertuples(index=False):
        assert bus in lost or place[bus] == (x, y)
    assert np.isfinite(list(place.values())).all()
    assert len(set(place.values())) == len(place)


def chain(*places):
    """Buses 0, 1, 2 ... in a row; None has no coordinates."""
    names = [str(k) for k in range(len(places))]
    x, y = zip(*(place or (np.nan, np.nan) for place in places), strict=True)
    buses = pd.DataFrame({"bus": names, "x": x, "y": y, "distance_km": range(len(names))})
    branches = pd.DataFrame({"branch": names[1:], "from_bus": names[:-1], "to_bus": names[1:]})
    return buses, branches


def test_buses_between_known_ones_lie_on_the_way():
    buses, branches = chain((0, 0), None, None, (3, 6))
    place = layout.positions(buses, branches)
    assert place["1"] == pytest.approx((1, 2)) and place["2"] == pytest.approx((2, 4))
    assert layout.filled_in(buses, branches) == 2


def test_buses_beyond_known_ones_go_on_outwards():
    buses, branches = chain(None, (0, 0), (1, 0), None, None)
    place = layout.positions(buses, branches)
    assert place["4"][0] > place["3"][0] > 1 and place["0"][0] < 0
    assert place["3"][1] == pytest.approx(0) and place["4"][1] == pytest.approx(0)


def test_a_loop_without_coordinates_does_not_fall_together():
    buses, branches = chain((0, 0), (1, 0), None, None, None)
    branches.loc[len(branches)] = ["back", "4", "1"]
    place = layout.positions(buses, branches)
    assert len(set(place.values())) == 5 and np.isfinite(list(place.values())).all()


@pytest.mark.parametrize("places", [(None, None, None), ((1, 1), None, None),
                                    ((1, 1), (1, 1), None)])
def test_fewer_than_two_places_make_a_tree(places):
    buses, branches = chain(*places)
    place = layout.positions(buses, branches)
    assert [place[bus][0] for bus in "012"] == [0, 1, 2]
    assert layout.filled_in(buses, branches) is None


def test_equal_values_still_give_a_colour_scale():
    norm, extend = style.norm_of(np.full(5, 42.0))
    assert norm.vmin < 42.0 < norm.vmax
    assert extend == "neither"


def test_one_spike_does_not_flatten_the_rest():
    values = np.append(np.linspace(40, 50, 500), 5000.0)
    norm, extend = style.norm_of(values)
    assert norm.vmax < 60
    assert extend == "max"
