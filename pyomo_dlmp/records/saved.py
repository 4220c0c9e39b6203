"""A solved network and its results in one file.

The file is a zip archive with the tables of a results folder and the feeder's tables in
``feeder/``, all as CSV: no library is needed to read it in ten years, and every number reads back
to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from pyomo_dlmp.errors import ModelError, ResultsFileError, path_of, require_kind, shown
from pyomo_dlmp.io import read_tables, write_tables
from pyomo_dlmp.market import MARKETS, Market, MarketResult
from pyomo_dlmp.network import Network
from pyomo_dlmp.report import Results, read_results
from pyomo_dlmp.results import branches_table, buses_table, schema
from pyomo_dlmp.results.outcome import (
    dso_tables,
    has_point,
    outcome_tables,
    price_parts,
    solved_rows,
)
from pyomo_dlmp.results.packed import SUFFIX, pack, unpack

FEEDER = "feeder"
"""Folder of the network inside the file."""
_TABLES = {table.name: table for table in (*schema.OF_A_RUN, *schema.OF_THE_STUDY)}


def save_results(path: str | Path, solved: Any, of: Market | Network | None = None, *,
                 title: str = "", parts: bool = True) -> Path:
    """Save what was solved, with its network, to one file.

    Parameters
    ----------
    path : str or Path
        The file; ``.dlmp`` is added to a name without a suffix. One that is there is replaced once
        the new one is whole.
    solved : MarketResult, mapping of str to MarketResult, block, Results, str or Path
        What `solve_market` returns, several of them by the names that they shall have as cases, a
        DSO of `build_opf` solved by `solve_opf`, what `solve_ac_opf` returns, or a results folder.
    of : Market or Network, optional
        The market that was solved (of all of `solved`), or the network that the DSO was built from.
        It may be left out of an AC OPF, which knows its network, and of a results folder, whose
        file then has none.
    title : str
        In words, for reports.
    parts : bool
        Whether the prices are taken apart, too (`decomposition_table`, at every bus).

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ModelError
        When something else was given, or there is nothing to save: no solution, a released model.
    """
    if not isinstance(title, str):
        raise ModelError.at("save_results, title", f"is {shown(title)}", "Give a text.")
    if not isinstance(parts, bool):
        raise ModelError.at("save_results, parts", f"is {shown(parts)}", "Give True or False.")
    path = path_of(path, "save_results, path")
    path = path if path.suffix else path.with_suffix(SUFFIX)
    if (loop := getattr(solved, "loop", None)) is not None:  # of `solve_ac_opf`
        solved, of = loop.model, loop.network if of is None else of
    network = of.network if isinstance(of, Market) else of
    if network is not None:
        require_kind(network, Network, "save_results")
    if isinstance(solved, str | Path | Results):
        texts = _of_a_folder(solved)
    else:
        texts = _texts(_solved(solved, of, title or path.stem, parts))
    if network is not None:
        with TemporaryDirectory() as place:
            write_tables(network, place)
            texts |= {f"{FEEDER}/{file.name}": file.read_text(encoding="utf-8")
                      for file in Path(place).iterdir()}
    pack(path, texts)
    return path


def load_results(path: str | Path) -> Results:
    """The results in a file of `save_results`, or in a results folder.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Results
        Its tables as DataFrames (`prices`, `voltages`, `payments` ...), `cases`, `statistics()`.

    Raises
    ------
    ResultsFileError
        It is neither, damaged, or a table is wrong.
    """
    path = path_of(path, "load_results, path")
    if not path.exists():
        raise ResultsFileError.at(str(path), "is not there",
                                  "Give a results folder, or a file of save_results.")
    return read_results(path)


def load_saved_network(path: str | Path) -> Network:
    """The network in a file of `save_results`.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Network
        Equal to the one that was saved.

    Raises
    ------
    ResultsFileError
        The file is none of `save_results`, or was saved without a network.
    """
    path = path_of(path, "load_saved_network, path")
    if not path.is_file():
        raise ResultsFileError.at(str(path), "is not a file", "Give a file of save_results.")
    with TemporaryDirectory() as place:
        unpack(path, Path(place))
        feeder = Path(place) / FEEDER
        if not feeder.is_dir():
            raise ResultsFileError.at(str(path), "was saved without a network",
                                      "Save it with one: save_results(path, solved, network).")
        return read_tables(feeder)


# ------------------------------------------------------------------ tables

def _of_a_folder(given: str | Path | Results) -> dict[str, str]:
    results = given if isinstance(given, Results) else load_results(given)  # it must be readable
    if results.folder.is_file():
        with TemporaryDirectory() as place:
            unpack(results.folder, Path(place))
            return _files(Path(place))
    return _files(results.folder)


def _files(folder: Path) -> dict[str, str]:
    """Texts of the tables of a folder as they are, and of a network that it has."""
    found = [folder / f"{name}.csv" for name in (*_TABLES, schema.ROUNDS.name)]
    found += sorted((folder / FEEDER).iterdir()) if (folder / FEEDER).is_dir() else []
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8")
            for file in found if file.exists()}


def _solved(solved: Any, of: Any, title: str, parts: bool) -> dict[str, pd.DataFrame]:
    """Tables with the column `case`, of one or several solved markets, or of a DSO."""
    if of is None:
        raise ModelError.at("save_results", "was not told of what this is the solution",
                            "Give the Market too, or the Network of a DSO.")
    if isinstance(solved, MarketResult):
        solved = {solved.market: solved}
    network = of.network if isinstance(of, Market) else of
    if isinstance(solved, Mapping):
        found = {str(name): _of_a_market(str(name), one, of, parts) for name, one in solved.items()}
        runs = [(name, one.market, MARKETS[one.market].foresees) for name, one in solved.items()]
        drawn = [one.network or network for one in solved.values()]
        hours = next((one.dso.period_hours for one in solved.values()), 1.0)
    elif hasattr(solved, "period_hours"):
        found, runs = {"OPF": dso_tables(solved, network)}, [("OPF", "", False)]
        drawn, hours = [network], solved.period_hours
    else:
        raise ModelError.at("save_results", f"was given {shown(solved)}",
                            "Give it a MarketResult, several by name, a solved DSO, or what "
                            "solve_ac_opf returns.")
    if not found:
        raise ModelError.at("save_results", "was given no solved market", "Give at least one.")
    tables: dict[str, list[pd.DataFrame]] = {}
    for case, mine in found.items():
        for name, table in mine.items():
            tables.setdefault(name, []).append(
                table.assign(case=case)[["case", *table.columns]])
    whole = {name: pd.concat(some, ignore_index=True) for name, some in tables.items()}
    most = max(drawn, key=lambda one: len(one.elements))
    cases = [(name, name, 1.0, market, foresees) for name, market, foresees in runs]
    return whole | {
        "cases": pd.DataFrame(cases, columns=[c.name for c in schema.CASES.in_file]),
        "buses": buses_table(most), "branches": branches_table(most),
        "study": schema.STUDY.frame([("title", title), ("feeder", most.name),
                                     ("period_hours", hours)])}


def _of_a_market(name: str, outcome: Any, market: Any, parts: bool) -> dict[str, pd.DataFrame]:
    require_kind(outcome, MarketResult, "save_results")
    require_kind(market, Market, "save_results")
    if not has_point(outcome):
        raise ModelError.at(name, f"has no solution (status {outcome.status!s})",
                            "Only what was found can be saved.")
    if outcome.dso is None:
        raise ModelError.at(name, "was released", "Save it before release().")
    tables = outcome_tables(outcome, market)
    if parts:
        tables["decomposition"] = price_parts(outcome)
    tables["summary"] = pd.concat([tables["summary"], solved_rows(outcome)], ignore_index=True)
    return tables


def _texts(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    return {f"{name}.csv": table.to_csv(index=False) for name, table in tables.items()}
