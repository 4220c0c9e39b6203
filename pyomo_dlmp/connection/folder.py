"""Results of a connection study as a folder: tidy tables, each written when it is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pyomo_dlmp.connection.answer import Flexible
from pyomo_dlmp.connection.feeding import unrated
from pyomo_dlmp.connection.prices import PriceImpact
from pyomo_dlmp.connection.result import ConnectionStudy
from pyomo_dlmp.errors import ResultsFileError

TABLES = ("summary", "envelope", "limits", "existing", "effects", "voltages", "prices",
          "price_hours", "remedies", "controls", "applicants", "hosting")
PAGE = "report.html"


class ResultFolder:
    """A folder of results.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether tables that are there are replaced.

    Raises
    ------
    ResultsFileError
        If it holds something that is not to be replaced, or that no connection study has written.
    """

    def __init__(self, path: Path, overwrite: bool = False):
        self.path = path
        own = {f"{name}.csv" for name in TABLES} | {PAGE}
        there = sorted(p.name for p in path.iterdir()) if path.is_dir() else []
        if path.exists() and not path.is_dir():
            raise ResultsFileError.at(str(path), "is a file", "Name another folder by --out.")
        if foreign := [name for name in there if name not in own]:
            raise ResultsFileError.at(
                str(path), f"holds {foreign[0]!r}, which no connection study has written",
                "Name another folder by --out.")
        if there and not overwrite:
            raise ResultsFileError.at(str(path), "holds results already",
                                      "Replace them by --overwrite, or name another by --out.")
        path.mkdir(parents=True, exist_ok=True)
        for name in there:
            (path / name).unlink()

    def write(self, name: str, table: pd.DataFrame) -> None:
        """Write a table of `TABLES`."""
        assert name in TABLES, name  # else --overwrite would not know it
        part = self.path / f"{name}.csv.part"
        table.to_csv(part, index=False)
        part.replace(self.path / f"{name}.csv")

    def page(self, text: str) -> Path:
        """Write the page; its path."""
        (self.path / PAGE).write_text(text, encoding="utf-8")
        return self.path / PAGE


def summary_table(study: ConnectionStudy, flexible: dict[str, Flexible],
                  impacts: dict[str, PriceImpact] | None = None) -> pd.DataFrame:
    """A study in a few numbers.

    Parameters
    ----------
    study : ConnectionStudy
    flexible : dict of str to Flexible
        By what is allowed, in words.
    impacts : dict of str to PriceImpact
        By case, as of `ConnectionStudy.price_cases`.

    Returns
    -------
    DataFrame
        Columns quantity, value, unit.
    """
    asked = study.asked
    rows: list[tuple[str, Any, str]] = [
        ("bus", study.site.bus, ""), ("hours", study.hours.count, "1"),
        ("firm", study.firm_kw, "kW"), ("firm_ends_at", str(study.binding), ""),
        ("limits_broken_before", len(study.existing), "1"),
        ("branches", len(study.network.branches), "1"),
        ("branches_without_known_rating", len(unrated(study.network)), "1")]
    if asked is not None:
        rows += list(asked.table.itertuples(index=False, name=None))
    for name, one in flexible.items():
        rows += [(f"flexible_{name}", one.kw, "kW"),
                 (f"curtailed_{name}", one.curtailed_kwh, "kWh"),
                 (f"cvar_of_curtailment_{name}", one.cvar_kw, "kW")]
    if study.check is not None:
        rows.append(("engine", "agrees" if study.check.passed else "DOES NOT AGREE", ""))
    if study.acting is not None:
        rows += [("firm_with_controls_acting", study.acting.firm_kw, "kW"),
                 ("firm_with_controls_acting_each_hour_alone", study.acting.alone_kw, "kW"),
                 ("hours_in_their_order_with_controls_acting", study.acting.in_order, "1"),
                 ("firm_with_controls_acting_ends_at", str(study.acting.ends or "no limit"), ""),
                 ("hours_looked_at_with_controls_acting", study.acting.looked_at, "1"),
                 ("confirmed_with_controls_acting",
                  "yes" if study.acting.confirmed else "NO", "")]
    for name, impact in (impacts or {}).items():
        case = name.replace(" ", "_")
        before, after = impact.others
        worst = impact.hourly.iloc[int(impact.hourly["penalty_share"].to_numpy().argmax())]
        rows += [(f"price_it_pays_{case}", impact.price, "$/MWh"),
                 (f"price_of_its_first_kw_{case}", impact.price_before, "$/MWh"),
                 (f"price_of_others_before_{case}", before, "$/MWh"),
                 (f"price_of_others_{case}", after, "$/MWh"),
                 (f"share_of_penalties_in_its_price_{case}", float(worst["penalty_share"]), "1"),
                 (f"limit_that_makes_the_penalties_{case}", worst["limit"], ""),
                 (f"share_of_penalties_in_the_price_before_{case}",
                  float(impact.hourly["penalty_share_before"].max()), "1")]
    return pd.DataFrame(rows, columns=["quantity", "value", "unit"])


def applicants_table(studies: Sequence[ConnectionStudy]) -> pd.DataFrame:
    """Applicants in their order.

    Parameters
    ----------
    studies : sequence of ConnectionStudy

    Returns
    -------
    DataFrame
        Columns order, bus, asked_kw (nan: as much as fits), gets_kw, possible_kw (at its bus, when
        it connects), left_kw (of this, for others), what, element, phase, hour (what ends the
        possible kW, or what is asked for).
    """
    rows = [(i + 1, s.site.bus, s.asked_kw, s.firm_kw, s.possible_kw, s.possible_kw - s.firm_kw,
             s.binding.what, s.binding.element, s.binding.phase, s.binding.hour)
            for i, s in enumerate(studies)]
    return pd.DataFrame(rows, columns=["order", "bus", "asked_kw", "gets_kw", "possible_kw",
                                       "left_kw", "what", "element", "phase", "hour"])
