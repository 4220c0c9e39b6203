"""The feeder as data for its live map: where buses lie, and each quantity by case, hour and phase.

Each number stands in the page once. Buses that lack a phase are left out of its arrays.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from pyomo_dlmp.report.derived import periods_of, phases_of, pick, sites_of
from pyomo_dlmp.report.figures.layout import positions
from pyomo_dlmp.report.figures.oneline import KINDS, device_marks
from pyomo_dlmp.report.figures.style import INK, colormap, norm_of, site_colors
from pyomo_dlmp.report.live.names import labelled
from pyomo_dlmp.report.reading import Results
from pyomo_dlmp.tolerances import ROUNDING

MOST_PARTS = 300_000
"""Parts of prices (numbers) beyond which the page holds those of the datacenters' buses alone."""
_LARGE = 1000  # buses of a large feeder
_STEPS = 8  # colours of lines
_SYMBOLS = {"substation": "square", "datacenter": "circle", "svg": "triangle-up",
            "generator": "diamond"}


@dataclass(frozen=True)
class Layer:
    """A quantity of the map.

    Attributes
    ----------
    name, unit : str
    table, quantity : str
        Where its rows are.
    how : str
        What is shown of all phases: "mean", "min" or "max".
    colours : str
        A scale of plotly.
    of : str
        "bus" or "branch".
    least : float
        Size that a value must exceed somewhere, so that there is anything to see.
    """

    name: str
    unit: str
    table: str
    quantity: str
    how: str
    colours: str
    of: str = "bus"
    least: float = ROUNDING


LAYERS = (
    Layer("active price", "$/MWh", "prices", "active", "mean", "Viridis"),
    Layer("reactive price", "$/Mvarh", "prices", "reactive", "mean", "Viridis"),
    Layer("voltage", "pu", "voltages", "line_to_neutral", "min", "Cividis"),
    Layer("line loading", "% of rating", "line_loading", "loading", "max", "YlOrRd", "branch",
          0.05),
    Layer("unbalance (VUF)", "%", "unbalance", "VUF", "max", "YlOrRd"),
    Layer("unbalance (PVUR)", "%", "unbalance", "PVUR", "max", "YlOrRd"),
    Layer("marginal emissions", "kg CO2/MWh", "emissions", "active", "mean", "YlGnBu"),
)


def feeder_data(results: Results) -> dict[str, Any]:
    """What the live map needs, ready for `encoding.compact`.

    Parameters
    ----------
    results : Results
        Of the cases that are shown.

    Returns
    -------
    dict
        buses, x, y, km: by bus; wires: [from, to] (places in `buses`), branches: their names;
        cases, periods; marks: devices with symbol, colour and the cases that have them; layers:
        name, unit, how, colours, of, lo, hi, steps (colours of lines), phases (phase -> at: places
        in buses or branches; values: case -> [period][k]); parts: names, phases (phase -> at;
        values: case -> part -> [period][k], $/MWh); site: place of the bus that is chosen at first.
    """
    place = positions(results.buses, results.branches)
    names = list(place)
    points = np.array(list(place.values()), dtype=float).reshape(-1, 2)
    at = {bus: k for k, bus in enumerate(names)}
    km = results.buses.set_index("bus")["distance_km"].reindex(names).to_numpy(dtype=float)
    periods = periods_of(results.prices)
    wires = [[at[i], at[j]] for i, j in zip(
        results.branches["from_bus"], results.branches["to_bus"], strict=True)]
    branches = results.branches["branch"].tolist()
    places = {"bus": at, "branch": {name: k for k, name in enumerate(branches)}}
    layers = [made for layer in LAYERS
              if (made := _layer(results, layer, places[layer.of], periods)) is not None]
    sites = list(sites_of(results.dispatch).values())
    return {
        "buses": names, "x": points[:, 0], "y": points[:, 1], "km": km, "wires": wires,
        "branches": branches, "cases": results.cases, "periods": periods,
        "marks": labelled(_marks(results, at), points), "layers": layers,
        "parts": _parts(results, at, periods),
        "site": at.get(sites[0], 0) if sites else 0}


def _layer(results: Results, layer: Layer, at: dict[str, int],
           periods: list[Hashable]) -> dict[str, Any] | None:
    if layer.quantity == "PVUR" and len(results.buses) > _LARGE:
        return None  # it looks as VUF does, and the page would grow by a sixth
    table = pick(getattr(results, layer.table), quantity=layer.quantity)
    table = table.dropna(subset=["value"])
    if layer.unit != "pu":
        table = table.assign(value=_four_digits(table["value"].to_numpy(dtype=float)))
    table = table.rename(columns={"element": "branch"})
    if table.empty or not (table["value"].abs() > layer.least).any():
        return None
    if "phase" not in table.columns:
        table = table.assign(phase="")
    norm, _ = norm_of(table["value"].to_numpy(dtype=float))
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 1.0)
    more = {}
    if layer.of == "branch":
        low, colours = 0.0, colormap(layer.colours)
        more["steps"] = [to_hex(colours((k + 0.5) / _STEPS)) for k in range(_STEPS)]
    phases = phases_of(table) or [""]
    return {"name": layer.name, "unit": layer.unit, "how": layer.how, "colours": layer.colours,
            "of": layer.of, "lo": low, "hi": high, **more, "phases": {
                phase: _grid(table[table["phase"] == phase], layer.of, at, periods)
                for phase in phases}}


def _four_digits(values: np.ndarray) -> np.ndarray:
    """Rounded to four significant digits: what is read off a map, and a page that stays small."""
    with np.errstate(divide="ignore"):
        place = 3.0 - np.floor(np.log10(np.abs(values)))
    power = 10.0 ** np.where(np.isfinite(place), place, 0.0)
    return np.where(values == 0, 0.0, np.round(values * power) / power)


def _grid(rows: pd.DataFrame, of: str, at: dict[str, int],
          periods: list[Hashable]) -> dict[str, Any]:
    """Places, and values [period][k] by case."""
    rows = rows[rows[of].isin(at.keys())]
    wide = rows.pivot_table(index=["case", "period"], columns=of, values="value", observed=True,
                            aggfunc="mean")
    cases = wide.index.get_level_values("case").unique()
    return {"at": [at[name] for name in wide.columns],
            "values": {str(case): wide.loc[case].reindex(periods).to_numpy(dtype=float)
                       for case in cases}}


def _parts(results: Results, at: dict[str, int], periods: list[Hashable]) -> dict[str, Any]:
    table = pick(results.decomposition, quantity="active")
    if len(table) > MOST_PARTS:
        table = table[table["bus"].isin(set(sites_of(results.dispatch).values()))]
    if table.empty:
        return {"names": [], "phases": {}}
    size = table.groupby("part", observed=True, sort=False)["value"].agg(
        lambda values: values.abs().max())
    names = [str(part) for part in size.index if size[part] > 0]
    phases: dict[str, Any] = {}
    for phase in phases_of(table):
        mine = table[table["phase"] == phase]
        buses = [bus for bus in dict.fromkeys(mine["bus"]) if bus in at]
        values: dict[str, dict[str, np.ndarray]] = {}
        for (case, part), rows in mine.groupby(["case", "part"], observed=True):
            if part in names:
                wide = rows.pivot_table(index="period", columns="bus", values="value")
                values.setdefault(str(case), {})[str(part)] = wide.reindex(
                    index=periods, columns=buses).to_numpy(dtype=float)
        phases[phase] = {"at": [at[bus] for bus in buses], "values": values}
    return {"names": names, "phases": phases}


def _marks(results: Results, at: dict[str, int]) -> list[dict[str, Any]]:
    colors = site_colors(list(sites_of(results.dispatch)))
    found = []
    for kind, bus, element in device_marks(results.dispatch):
        if bus in at:
            rows = results.dispatch[results.dispatch["element"] == element]
            found.append({
                "kind": KINDS[kind][1], "name": element, "at": at[bus], "symbol": _SYMBOLS[kind],
                "color": colors.get(element, INK) if kind == "datacenter" else INK,
                "named": kind in ("substation", "datacenter"), "label": "top center",
                "cases": list(dict.fromkeys(map(str, rows["case"])))})
    return found
