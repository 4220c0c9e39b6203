"""Pages of connection studies: of one site, of applicants in order, of a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from pyomo_dlmp.connection.answer import Flexible, kw_words
from pyomo_dlmp.connection.feeding import unrated_words
from pyomo_dlmp.connection.folder import applicants_table
from pyomo_dlmp.connection.hosting import HostingMap
from pyomo_dlmp.connection.prices import PriceImpact
from pyomo_dlmp.connection.result import ConnectionStudy
from pyomo_dlmp.network import Network
from pyomo_dlmp.report.drawing import Job
from pyomo_dlmp.report.page import Picture, Section, render_page
from pyomo_dlmp.report.story import Headline
from pyomo_dlmp.report.tables import Table, number
from pyomo_dlmp.tolerances import WORSENED

_MOST_LIMITS, _MOST_BUSES = 30, 12  # rows of a page; tables have all


def study_page(study: ConnectionStudy, flexible: dict[str, Flexible],
               impacts: dict[str, PriceImpact], remedies: pd.DataFrame | None) -> str:
    """The page of a study.

    Parameters
    ----------
    study : ConnectionStudy
    flexible : dict of str to Flexible
        By what is allowed, in words.
    impacts : dict of str to PriceImpact
        By case, as of `ConnectionStudy.price_cases`.
    remedies : DataFrame or None

    Returns
    -------
    str
        HTML that refers to nothing else.
    """
    effects = study.effects.drop_duplicates("hour")
    hours = {1: "", 2: ", in two hours", 3: ", in three hours"}.get(len(effects), ", in four hours")
    sections = [_envelope_section(study, flexible), *_acting_section(study),
                Section("effects", "What the firm kW does", "", [table_of(
                    _effects(effects), 1 + len(effects), f"Without the site → with it{hours}.")]),
                *_price_section(study, impacts)]
    if remedies is not None and len(remedies):
        sections.append(Section("remedies", "What would move the limit", "", [table_of(
            remedies, 2, "Ranked by the limiting hour; the best solved in all hours.")]))
    sections += _existing_section(study)
    firm = {"all hours": below(study.firm_kw)}
    if study.acting is not None and not math.isnan(study.acting.firm_kw):
        firm["controls acting"] = below(study.acting.firm_kw)
    headlines = [Headline("Firm (kW)", firm)]
    if flexible:
        headlines.append(Headline("Flexible (kW)", {
            name.replace("_", " "): below(one.kw) for name, one in flexible.items()}))
    for name, impact in list(impacts.items())[:1]:
        headlines.append(Headline(f"Price, {name} ($/MWh)", {
            "it pays": impact.price, "others, before": impact.others[0],
            "others, after": impact.others[1]}))
    return render_page(f"Connection at bus {study.site.bus} of {study.network.name}",
                       site_words(study), " ".join([lead_words(study), *(
                           f"Note: {note}" for note in study.hours.notes)]), headlines, sections)


def _effects(effects: pd.DataFrame) -> pd.DataFrame:
    """The effects with a column for each case."""
    names = {"lowest_pu": "lowest voltage (pu)", "highest_pu": "highest voltage (pu)",
             "vuf_percent": "unbalance, VUF (%)", "losses_kw": "losses (kW)"}
    loaded = [f"{_loaded(a, x)} → {_loaded(b, y)}" for a, x, b, y in zip(
        effects["loading_percent_before"], effects["most_loaded_before"],
        effects["loading_percent"], effects["most_loaded"], strict=True)]
    rows = {"hour": [str(hour) for hour in effects["hour"]],
            "site (kW)": [number(below(kw)) for kw in effects["kw"]],
            **{words: [f"{number(a)} → {number(b)}" for a, b in zip(
                effects[f"{key}_before"], effects[key], strict=True)]
               for key, words in names.items()}, "greatest loading (%)": loaded}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(effects["case"]))
    return table.rename_axis("quantity").reset_index()


def _loaded(percent: float, name: str) -> str:
    return "not known" if math.isnan(percent) else f"{number(percent)} ({name})"


def applicants_page(studies: Sequence[ConnectionStudy]) -> str:
    """The page of applicants in their order.

    Parameters
    ----------
    studies : sequence of ConnectionStudy

    Returns
    -------
    str
    """
    first = studies[0]
    sections = [Section("queue", "In their order", "Each finds what the ones before have left.", [
        table_of(applicants_table(studies), 2, "What each asks for and gets, what would be firm at "
                 "its bus when it connects, what it leaves of that, and what ends it.")])]
    for i, study in enumerate(studies):
        sections += [_envelope_section(study, {}, f"{i + 1}. Bus {study.site.bus}", f"site{i + 1}",
                                       lead_words(study) + " "),
                     *_acting_section(study, f"acting{i + 1}", f"{i + 1}. Bus {study.site.bus}, "
                                      "with controls acting")]
    sections += _existing_section(first)
    buses = ", ".join(study.site.bus for study in studies)
    lead = " ".join(f"{i + 1}. Bus {s.site.bus}: {math.floor(s.firm_kw):,} kW; {s.binding}."
                    for i, s in enumerate(studies))
    return render_page(f"{len(studies)} applicants at {first.network.name}: {buses}",
                       site_words(first), lead,
                       [Headline("Gets (kW)", {f"{i + 1}. {s.site.bus}": below(s.firm_kw)
                                               for i, s in enumerate(studies)})], sections)


def _envelope_section(study: ConnectionStudy, flexible: dict[str, Flexible],
                      title: str = "What each hour allows", anchor: str = "envelope",
                      words: str = "") -> Section:
    contracts = {name.replace("_", " "): one.kw for name, one in flexible.items()}
    words += _gap_words(study)
    if study.hours.share.min() < 1:
        words += (" The firm line is its contract, of which it draws a share by its series: it may "
                  "lie above what an hour allows.")
    limits = table_of(study.bindings.head(_MOST_LIMITS), 3,
                      "Limits that are met first, and in how many hours.")
    if study.hours.count == 1:  # two charts of one point say nothing
        return Section(anchor, title, words, [limits])
    return Section(anchor, title, words, [
        Picture(Job(_sorted, (study.hourly.kw, study.firm_kw, contracts)).svg(),
                f"What the site at bus {study.site.bus} may draw (kW) with every limit kept in AC.",
                "Capacity of all hours, least first.", narrow=True),
        Picture(Job(_hourly, (study.hourly.kw, study.firm_kw)).svg(),
                "The same in the order of the hours.", "Capacity by hour.", narrow=True),
        limits])


def _existing_section(study: ConnectionStudy) -> list[Section]:
    if not study.existing:
        return []
    told = study.existing_table
    more = f" The {_MOST_LIMITS} furthest of {len(told)}." if len(told) > _MOST_LIMITS else ""
    return [Section(
        "existing", "Broken before anything is connected",
        "These limits are broken without the site. They are moved to the worst value that they "
        f"have without it: the site may make that worse by no more than {WORSENED:g} pu, or "
        f"{100 * WORSENED:g} %. Loadings of what does not feed the site do not count."
        if study.options.get("existing") != "left out" else
        "These limits are broken without the site, and do not count.",
        [table_of(told.head(_MOST_LIMITS), 3,
                  f"Limits, and where they are broken furthest.{more}")])]


def _acting_section(study: ConnectionStudy, anchor: str = "acting",
                    title: str = "With controls acting") -> list[Section]:
    if study.acting is None:
        return []
    return [Section(anchor, title, str(study.acting), [table_of(
        study.acting.moves, 2, f"Taps and banks in the network, and what the controls make of them "
        f"in hour {study.acting.hour} without the site and with it at the firm kW (taps in steps, "
        "banks as the share that is closed).")])]


def _price_section(study: ConnectionStudy, impacts: dict[str, PriceImpact]) -> list[Section]:
    if not impacts:
        return []
    buses, hours = study.price_tables(impacts)
    most = buses.groupby("case", sort=False).head(_MOST_BUSES)
    words = " ".join(f"{study.case_words(name)}: {impact.sentence}"
                     for name, impact in impacts.items())
    return [Section("prices", "Prices", words, [
        table_of(hours, 1, "At the site ($/MWh); paid in $. The penalty share is that of a broken "
                 "limit, which is named where it is more than a fifth."),
        table_of(most, 2, "Buses whose prices change most ($/MWh).")])]


def hosting_page(answer: HostingMap) -> str:
    """The page of a hosting map.

    Parameters
    ----------
    answer : HostingMap

    Returns
    -------
    str
    """
    from pyomo_dlmp.connection.pictures import mapped  # loads matplotlib

    hours = "interrupted" if answer.grid is None else f"{answer.grid.hours.count:,} hours"
    places = places_of(answer.network)
    pictures = [Picture(Job(_distance, (answer.table,)).svg(),
                        "Firm kW of a three-phase site at each bus.", "Firm kW over distance.",
                        narrow=True)]
    if mapped(answer.table, places):
        pictures.append(Picture(Job(_map, (answer.table, places)).svg(),
                                "The same on the map.", "Firm kW on the map.", narrow=True))
    told = "" if answer.grid is None else (  # an interrupted map
        unrated_words(answer.network, answer.grid.limits.options))
    return render_page(
        f"Hosting map of {answer.network.name}",
        f"one site at a time, {hours}, taps and capacitors as they are",
        f"{answer}. {told}", [], [Section("map", "Firm kW by bus", "", [
            *pictures,
            table_of(answer.table, 1, f"Flexible: curtailed in at most {answer.allowed_hours:g} "
                     "hours a year.")])])


def _sorted(*args: Any):
    from pyomo_dlmp.connection.pictures import sorted_picture  # loads matplotlib

    return sorted_picture(*args)


def _hourly(*args: Any):
    from pyomo_dlmp.connection.pictures import hourly_picture

    return hourly_picture(*args)


def _distance(*args: Any):
    from pyomo_dlmp.connection.pictures import distance_picture

    return distance_picture(*args)


def _map(*args: Any):
    from pyomo_dlmp.connection.pictures import map_picture

    return map_picture(*args)


def site_words(study: ConnectionStudy) -> str:
    """Site and hours in words."""
    site = study.site
    svg = f", static var generator of {site.svg_kvar:,.0f} kvar" if site.svg_kvar else ""
    return (f"phases {site.phases}, power factor {site.power_factor:g}{svg}; "
            f"{_hours_words(study)}; taps and capacitors as they are"
            + (", and acting" if study.acting is not None else ""))


def _hours_words(study: ConnectionStudy) -> str:
    count, different = study.hours.count, study.hourly.different
    if count == 1:
        return "one hour"
    return f"{count:,} hours" + (f", {different:,} of them different" if different < count else "")


def lead_words(study: ConnectionStudy) -> str:
    """The answer in sentences."""
    kept = "none of the limits that were kept before is broken" if study.existing and (
        study.options.get("existing") != "left out") else "every limit is kept"
    words = f"{kw_words(study.firm_kw)} kW are firm: {kept} in every hour. "
    if study.check is not None and not study.check.passed:
        words = f"WARNING: the OpenDSS engine does not confirm this answer. {words}"
    words += (f"The limit is {study.binding}. " if study.binding.limit is not None else
              f"{str(study.binding).capitalize()}: no more was looked for. "
              if study.binding.what == "no limit" else
              f"Beyond it (1 % are kept free) there is {study.binding}. ")
    if study.asked is not None and not study.asked.possible:
        words += f"Asked for were {study.asked.sentence} "
    words += existing_words(study)
    if told := unrated_words(study.network, study.grid.limits.options):
        words += f"{told} "
    words += str(study.check) if study.check is not None else ""
    return words + ("" if study.acting is None else
                    f" {study.acting.lead}")


def existing_words(study: ConnectionStudy) -> str:
    """What is broken before, and what became of that, in a sentence or two; "" without any."""
    count = len(study.existing)
    if not count:
        return ""
    said = "1 limit is" if count == 1 else f"{count:,} limits are"
    said += " broken before anything is connected, and "
    if study.options.get("existing") == "left out":
        return f"{said}not counted. "
    said += f"may be made worse by no more than {WORSENED:g} pu, or {100 * WORSENED:g} %"
    if any(e.limit.what == "loading" for e in study.existing):
        said += " (loadings of what does not feed the site do not count)"
    if math.isfinite(study.binding.before):
        said += (": it is one of these that ends the answer. --leave-out-broken "
                 "(existing=\"left out\") answers without them")
    return f"{said}. "


def below(kw: float) -> float:
    """A kW that is shown with four digits and not above what it is."""
    step = 10.0 ** max(0, len(str(math.floor(max(kw, 1.0)))) - 4)
    return math.floor(kw / step) * step


def _gap_words(study: ConnectionStudy) -> str:
    gaps = study.gaps
    return "" if not len(gaps) else (
        f"In {len(gaps)} hours (the first: {int(gaps[0])}) more than this keeps all limits again: "
        "what is allowed is no interval from 0.")


def table_of(table: pd.DataFrame, words: int, caption: str) -> Table:
    """A table of a page.

    Parameters
    ----------
    table : DataFrame
    words : int
        Columns of words, from the left.
    caption : str

    Returns
    -------
    Table
    """
    head = [str(c).replace("_", " ") for c in table.columns]
    rows = [[_cell(x) for x in row] for row in table.itertuples(index=False)]
    return Table(head, rows, words, caption)


def _cell(x: Any) -> str:
    if isinstance(x, float):
        return "–" if math.isnan(x) else number(x)
    return str(x)


def places_of(network: Network) -> pd.DataFrame:
    """Coordinates of buses and what feeds them: columns bus, x, y, before."""
    graph = network.graph()
    rows = [(name, bus.x, bus.y, next(iter(graph.predecessors(name)), ""))
            for name, bus in network.buses.items() if name in graph]
    table = pd.DataFrame(rows, columns=["bus", "x", "y", "before"])
    return table.astype({"x": float, "y": float})
