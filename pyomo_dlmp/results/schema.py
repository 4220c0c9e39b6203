"""The tables of a results folder: names, columns, types and units, each stated once.

Every table is tidy: one value a row, with its unit beside it. A study writes them as
``<name>.csv`` and puts the column `case` in front of those that belong to one run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pandas as pd


class Kind(Enum):
    """What the cells of a column hold."""

    TEXT = "text"
    NUMBER = "number"
    PERIOD = "period"  # a whole number, or the name of an hour
    TRUTH = "true or false"
    FREE = "number or text"


@dataclass(frozen=True)
class Column:
    """A column: its name, what its cells hold, and what they mean, with the unit."""

    name: str
    kind: Kind
    meaning: str
    added: bool = False  # after files were written without it, so that one may lack it


@dataclass(frozen=True)
class TableSchema:
    """A table of a results folder.

    Attributes
    ----------
    name : str
        Of its file, without ``.csv``.
    meaning : str
        What its rows are.
    columns : tuple of Column
        In the order of the file, without `case`.
    by_case : bool
        Whether the file has `case` as its first column: it holds the rows of several runs.
    optional : bool
        Whether a report can be drawn without it.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    by_case: bool = True
    optional: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the columns, without `case`."""
        return [column.name for column in self.columns]

    @property
    def in_file(self) -> tuple[Column, ...]:
        """All columns of the file, `case` first where there is one."""
        return (CASE, *self.columns) if self.by_case else self.columns

    def frame(self, rows: list[tuple]) -> pd.DataFrame:
        """A table of these rows.

        Parameters
        ----------
        rows : list of tuple
            Values in the order of `names`.

        Returns
        -------
        DataFrame
            Columns `names`; without rows an empty table with these columns.
        """
        return pd.DataFrame(rows, columns=self.names)


CASE = Column("case", Kind.TEXT, "name of the run")
_BUS = Column("bus", Kind.TEXT, "name of the bus")
_PHASE = Column("phase", Kind.TEXT, "phase a, b, c, or leg ab, an ...; empty: of all phases")
_PERIOD = Column("period", Kind.PERIOD, "period of the horizon")
_QUANTITY = Column("quantity", Kind.TEXT, "what the value is of")
_VALUE = Column("value", Kind.NUMBER, "in the row's unit")
_UNIT = Column("unit", Kind.TEXT, "unit of the value")
_ELEMENT = Column("element", Kind.TEXT, "name of the element")
_AT = (_BUS, _PHASE, _PERIOD, _QUANTITY)
_RUN = (
    Column("base", Kind.TEXT, "case of the study file"),
    Column("loading", Kind.NUMBER, "multiple of the datacenters' size in the file (1)"),
    Column("market", Kind.TEXT, "who decides on what, by the name of the market"),
)

SUMMARY = TableSchema("summary", "A run in a few numbers", (
    _QUANTITY, Column("value", Kind.FREE, "in the row's unit; a word for a status"), _UNIT))
PRICES = TableSchema("prices", "DLMPs: active in $/MWh, reactive in $/Mvarh", (
    *_AT, _VALUE, _UNIT))
VOLTAGES = TableSchema("voltages", "Magnitudes, line to neutral and line to line, in pu", (
    *_AT, _VALUE, _UNIT))
UNBALANCE = TableSchema("unbalance", "VUF, PVUR and LVUR of three-phase buses, in %", (
    _BUS, _PERIOD, _QUANTITY, _VALUE, _UNIT), optional=True)
LINE_LOADING = TableSchema("line_loading", "Lines and transformers, in % of their rating", (
    _ELEMENT, _PHASE, _PERIOD, _QUANTITY, _VALUE, _UNIT), optional=True)
DISPATCH = TableSchema("dispatch", "Power drawn or made, in MW and Mvar, and prices of energy", (
    Column("kind", Kind.TEXT, "substation, datacenter, generator, storage, svg"),
    _ELEMENT, *_AT, _VALUE, _UNIT), optional=True)
PAYMENTS = TableSchema("payments", "What each datacenter pays, in $", (
    _ELEMENT, _BUS, _PERIOD, _QUANTITY, _VALUE, _UNIT), optional=True)
TOKENS = TableSchema("tokens", "What language models give, and what it costs", (
    Column("service", Kind.TEXT, "name of the service"), _ELEMENT, _PERIOD, _QUANTITY, _VALUE,
    _UNIT), optional=True)
DECOMPOSITION = TableSchema("decomposition", "Parts of the DLMPs, in the unit of the price", (
    *_AT, Column("part", Kind.TEXT, "energy, loss, voltage, congestion, unbalance ..."),
    _VALUE, _UNIT), optional=True)
EMISSIONS = TableSchema("emissions", "Marginal emissions, in kg CO2 per MWh and Mvarh", (
    *_AT, _VALUE, _UNIT), optional=True)
REGIMES = TableSchema("regimes", "Corners of the regions of one period over two powers", (
    _PERIOD, Column("region", Kind.NUMBER, "counted from 1"),
    Column("binds", Kind.TEXT, "limits that are reached there, but not everywhere, in words"),
    Column("corner", Kind.NUMBER, "counted around the region from 1; 0: the answer"),
    Column("x_site", Kind.TEXT, "datacenter"), Column("y_site", Kind.TEXT, "datacenter"),
    Column("x", Kind.NUMBER, "power of x_site (MW)"),
    Column("y", Kind.NUMBER, "power of y_site (MW)"),
    Column("price_x", Kind.NUMBER, "active DLMP at x_site, mean of the phases ($/MWh)"),
    Column("price_y", Kind.NUMBER, "active DLMP at y_site ($/MWh)")), optional=True)
AUDIT = TableSchema("audit", "Checks of a run", (
    Column("check", Kind.TEXT, "what is checked"), _VALUE,
    Column("limit", Kind.NUMBER, "greatest value that passes, in the row's unit; empty: none"),
    _UNIT, Column("passed", Kind.TRUTH, "whether the value is within the limit")), optional=True)
ROUNDS = TableSchema("rounds", "Rounds of a market that is iterated", (
    Column("round", Kind.NUMBER, "counted from 1"),
    Column("payment", Kind.NUMBER, "paid by all datacenters ($)"),
    Column("change", Kind.NUMBER, "greatest change of a datacenter's power since the last (MW)")),
    optional=True)
NEUTRALS = TableSchema("neutrals", "Voltages of neutrals to ground, and currents in them", (
    _ELEMENT, Column("conductor", Kind.TEXT, "neutral conductor, n, d, e ..."), _PERIOD, _QUANTITY,
    _VALUE, _UNIT), optional=True)
AC_ROUNDS = TableSchema("ac_rounds", "Rounds from one AC operating point to the next", (
    Column("loop", Kind.TEXT, "dso: the grid alone; leader: the datacenters' schedule with it"),
    Column("round", Kind.NUMBER, "counted from 1"),
    Column("voltage_change", Kind.NUMBER, "greatest difference of a voltage from AC (pu)"),
    Column("price_change", Kind.NUMBER, "greatest change of a price ($/MWh, $/Mvarh)"),
    Column("schedule_change", Kind.NUMBER, "greatest change of a datacenter's power (MW)"),
    Column("cost", Kind.NUMBER, "of the DSO ($)"),
    Column("payment", Kind.NUMBER, "of the datacenters ($)"),
    Column("gap", Kind.NUMBER, "proven, of the round's linear problem (relative)")), optional=True)
AC_CERTIFICATE = TableSchema("ac_certificate", "Prices against marginal costs in AC", (
    *_AT, Column("price", Kind.NUMBER, "by the adjoint AC equations, in the row's unit"),
    Column("dual", Kind.NUMBER, "of the balance, as the solver has it"),
    Column("difference_quotient", Kind.NUMBER,
           "marginal cost by AC central differences; empty: not in the sample"), _UNIT),
    optional=True)
AC_DEVIATIONS = TableSchema("ac_deviations", "Other schedules, each solved and paid for in AC", (
    Column("deviation", Kind.NUMBER, "counted from 1"),
    Column("move", Kind.TEXT, "what is moved, in words"),
    Column("kw", Kind.NUMBER, "how much is moved (kW)"),
    Column("payment", Kind.NUMBER, "at its AC prices ($)"),
    Column("change", Kind.NUMBER, "of the payment against the answer ($)"),
    Column("limits_broken", Kind.NUMBER, "voltages beyond their limit in AC (count)")),
    optional=True)
AC_CLIFF = TableSchema("ac_cliff", "Payments at the answer, and just beyond a limit there", (
    _ELEMENT, _PERIOD, _QUANTITY, _VALUE, _UNIT), optional=True)
CASES = TableSchema("cases", "What each run is", (
    *_RUN, Column("foresees", Kind.TRUTH, "whether its leader foresees the prices", added=True)),
    optional=True)
MARKETS = TableSchema("markets", "Markets side by side", (
    *_RUN, _QUANTITY, _VALUE, _UNIT), by_case=False, optional=True)
BUSES = TableSchema("buses", "Where buses lie", (
    _BUS, Column("x", Kind.NUMBER, "drawing units; empty where unknown"),
    Column("y", Kind.NUMBER, "drawing units; empty where unknown"),
    Column("distance_km", Kind.NUMBER, "along the feeder from the substation (km)")),
    by_case=False)
BRANCHES = TableSchema("branches", "What joins the buses", (
    Column("branch", Kind.TEXT, "name of the branch"),
    Column("from_bus", Kind.TEXT, "bus on the side of the substation"),
    Column("to_bus", Kind.TEXT, "bus at the other end")), by_case=False)
STUDY = TableSchema("study", "What was solved, and with what", (
    Column("key", Kind.TEXT, "name"), Column("value", Kind.FREE, "in words or numbers")),
    by_case=False)

OF_AC = (NEUTRALS, AC_ROUNDS, AC_CERTIFICATE, AC_DEVIATIONS, AC_CLIFF)
"""Tables of a run whose network is held in the AC form."""

_TIME = Column("time", Kind.TEXT, "of the row's first step, in UTC where the file has offsets")
OF_A_SERIES = (
    TableSchema("series_steps", "Problems of a series", (
        Column("problem", Kind.NUMBER, "counted from 0"), _TIME,
        Column("rows", Kind.NUMBER, "steps that are bought (count)"),
        Column("status", Kind.TEXT, "how it ended"),
        Column("payment", Kind.NUMBER, "of the steps bought, by the market's rule ($)"),
        Column("repriced", Kind.NUMBER, "the same from prices and powers alone ($)"),
        Column("objective", Kind.NUMBER, "of the whole problem ($)"),
        Column("bound", Kind.NUMBER, "proven, of the whole problem ($)"),
        Column("gap", Kind.NUMBER, "proven (relative)"),
        Column("residual", Kind.NUMBER, "greatest of the KKT conditions (relative)"),
        Column("known", Kind.NUMBER, "parts whose critical regions were known (count)"),
        Column("new", Kind.NUMBER, "parts whose critical regions were computed (count)"),
        Column("judged", Kind.TEXT, "passed, where the full audit has seen it"),
        Column("cpu_s", Kind.NUMBER, "time of its process (s)"),
        Column("note", Kind.TEXT, "in words")), optional=True),
    TableSchema("series_dispatch", "Power of the datacenters along a series, in MW and Mvar", (
        _TIME, _ELEMENT, _QUANTITY, _VALUE, _UNIT), optional=True),
    TableSchema("series_prices", "DLMPs along a series, at the datacenters' buses", (
        _TIME, _BUS, _PHASE, _QUANTITY, _VALUE, _UNIT), optional=True))
"""Tables of a run along a file of data."""

_SCENARIO = Column("scenario", Kind.TEXT, "name of the scenario")
OF_SCENARIOS = (
    TableSchema("scenarios", "What may come: numbers of the scenarios", (
        _SCENARIO, _PERIOD, _QUANTITY, _VALUE, _UNIT), optional=True),
    TableSchema("first_stage", "What is decided before it is known which scenario comes", (
        Column("kind", Kind.TEXT, "schedule (kW of a period), capacity (subscribed kW), start"),
        _ELEMENT, Column("period", Kind.FREE, "of the horizon; empty of a capacity"), _VALUE,
        _UNIT), optional=True),
    TableSchema("scenario_costs", "What each scenario comes to", (
        _SCENARIO, Column("quantity", Kind.TEXT, "probability, cost and its parts, regret ..."),
        _VALUE, _UNIT), optional=True),
    TableSchema("scenario_schedule", "Power of the datacenters by scenario, in kW", (
        _SCENARIO, _ELEMENT, _PERIOD, Column("quantity", Kind.TEXT, "power; up and down: beyond "
        "and below the schedule"), _VALUE, _UNIT), optional=True),
    TableSchema("scenario_prices", "DLMPs by scenario, at the datacenters' buses", (
        _SCENARIO, *_AT, _VALUE, _UNIT), optional=True),
    TableSchema("settlements", "What each datacenter pays day ahead, and in real time", (
        Column("settlement", Kind.TEXT, "day ahead, real time"),
        Column("scenario", Kind.TEXT, "name of the scenario; empty day ahead"), _ELEMENT, _PERIOD,
        Column("quantity", Kind.TEXT, "power (in real time beyond the schedule), price, payment"),
        _VALUE, _UNIT), optional=True),
    TableSchema("uncertainty", "The decision under uncertainty in a few numbers", (
        _QUANTITY, Column("value", Kind.FREE, "in the row's unit; a word for a status"),
        Column("least", Kind.NUMBER, "proven; empty: the value is exact"),
        Column("greatest", Kind.NUMBER, "proven"), _UNIT), optional=True),
    TableSchema("risk_frontier", "Decisions of different aversion to risk", (
        Column("weight", Kind.NUMBER, "of the CVaR in the objective (1)"),
        Column("level", Kind.NUMBER, "share of the best scenarios that CVaR leaves out (1)"),
        _QUANTITY, _VALUE, _UNIT), optional=True))
"""Tables of a decision under uncertainty."""

_OWNER = Column("owner", Kind.TEXT, "name of the owner")
_REGRET = Column("regret", Kind.NUMBER, "cost less the bound: what it could gain at most ($)")
REGRET = TableSchema("regret", "Certificate of an equilibrium, owner by owner", (
    _OWNER, Column("cost", Kind.NUMBER, "what it pays, by the DSO's problem solved apart ($)"),
    Column("best_response_bound", Kind.NUMBER,
           "proven: no other schedule of it costs less while the others keep theirs ($)"),
    _REGRET), optional=True)
EQUILIBRIA = TableSchema("equilibria", "Equilibria found; there may be others", (
    Column("number", Kind.NUMBER, "of the equilibrium, counted from 1, which is the answer"),
    Column("set", Kind.NUMBER, "equilibria of one number are joined by others"), _OWNER,
    Column("cost", Kind.NUMBER, "what it pays ($)"), _REGRET,
    Column("starts", Kind.NUMBER, "starts that led there (count)")), optional=True)
BEST_RESPONSES = TableSchema("best_responses", "Turns of the owners on the way to an equilibrium", (
    Column("start", Kind.NUMBER, "counted from 1; in the AC form the round of operating points"),
    Column("round", Kind.NUMBER, "counted from 1"), _OWNER,
    Column("cost", Kind.NUMBER, "what it pays before its turn ($)"),
    Column("bound", Kind.NUMBER, "proven, of its best response ($)"), _REGRET,
    Column("change", Kind.NUMBER, "greatest change of a power by its turn (MW); 0: it stays")),
    optional=True)
OF_OWNERS = (REGRET, EQUILIBRIA, BEST_RESPONSES)
"""Tables of a market of several owners."""

OF_A_RUN = (SUMMARY, PRICES, VOLTAGES, UNBALANCE, LINE_LOADING, DISPATCH, PAYMENTS, TOKENS,
            DECOMPOSITION, EMISSIONS, REGIMES, AUDIT, *OF_AC, *OF_A_SERIES, *OF_SCENARIOS,
            *OF_OWNERS)
"""Tables that every run adds its rows to, as far as it has any."""

OF_THE_STUDY = (CASES, MARKETS, BUSES, BRANCHES, STUDY)
"""Tables written anew for all runs together."""
